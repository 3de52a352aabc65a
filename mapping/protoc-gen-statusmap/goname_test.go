package main

import (
	"go/token"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	catalogv1 "github.com/openyuanrong/statusmap/gen/yuanrong/catalog/v1"
	restv1 "github.com/openyuanrong/statusmap/gen/yuanrong/rest/v1"
)

func TestGoName(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		"INSTANCE_NOT_FOUND": "InstanceNotFound",
		"KV_NOT_FOUND":       "KVNotFound",
		"INVALID_QUERY_URN":  "InvalidQueryURN",
		"K8S_UNAVAILABLE":    "K8SUnavailable",
		"REVISION_ID_ERROR":  "RevisionIDError",
		"INVALID_JSON_BODY":  "InvalidJSONBody",
		"FINALIZED":          "Finalized",
		"HTTP_API_DOWN":      "HTTPAPIDown",
		"IDENTITY_UNKNOWN":   "IdentityUnknown", // begins like an initialism
		"A__B":               "AB",
		"LIMIT_10":           "Limit10",
		"X_1_2":              "X12",
	} {
		if got := goName(reason); got != want {
			t.Errorf("goName(%q) = %q, want %q", reason, got, want)
		}
	}
}

// The REST API documents its errors under Go-like names, which the sentinels keep.
func TestGoNameAgreesWithDocumentedNames(t *testing.T) {
	t.Parallel()
	// The platform's own exception: its name ends in ErrorCode.
	const exception = "InvalidParamErrorCode"

	compared := 0
	values := restv1.File_yuanrong_rest_v1_code_proto.Enums().ByName("Code").Values()
	for i := range values.Len() {
		value := values.Get(i)
		documented := proto.GetExtension(value.Options(), catalogv1.E_Code).(*catalogv1.CodeOptions).GetDocumentedMessage()
		if documented == "" || documented == exception || strings.Contains(documented, " ") {
			continue
		}
		compared++
		if got := goName(reasonOf("Code", string(value.Name()))); got != documented {
			t.Errorf("%s becomes %s, want %s", value.Name(), got, documented)
		}
	}
	if compared < 40 {
		t.Errorf("only %d names were compared", compared)
	}
}

func TestReasonOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ enum, value, want string }{
		{"Code", "CODE_FOO", "FOO"},
		{"ErrorCode", "ERROR_CODE_FOO", "FOO"},
		{"K8SCode", "K8S_CODE_FOO", "FOO"},
		{"K8SCode", "K8_S_CODE_FOO", "FOO"},
		{"HTTPCode", "HTTP_CODE_FOO", "FOO"},
		{"Error_Code", "ERROR_CODE_FOO", "FOO"},
		{"Code", "FOO", "FOO"},
		{"Code", "CODEX_FOO", "CODEX_FOO"},
		{"Code", "CODE", "CODE"},
		{"Code", "CODE_", ""},
		{"Code", "CO", "CO"},
		{"Code", "CODE_CODE_FOO", "CODE_FOO"},
		{"_", "FOO", "FOO"},
	} {
		if got := reasonOf(tt.enum, tt.value); got != tt.want {
			t.Errorf("reasonOf(%q, %q) = %q, want %q", tt.enum, tt.value, got, tt.want)
		}
	}
}

// A reason that passes the rule needs no further check of its Go name.
func FuzzGoName(f *testing.F) {
	for _, seed := range []string{"INSTANCE_NOT_FOUND", "A__B", "K8S_UNAVAILABLE", "X_1_2", "A_0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, reason string) {
		if !reasonRule.MatchString(reason) {
			return
		}
		if name := goName(reason); !token.IsIdentifier(name) || !token.IsExported(name) {
			t.Errorf("goName(%q) = %q, no exported identifier", reason, name)
		}
		if got := reasonOf("Code", "CODE_"+reason); protoreflect.Name(reason).IsValid() && got != reason {
			t.Errorf("the reason of CODE_%s is %s", reason, got)
		}
	})
}
