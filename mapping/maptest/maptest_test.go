package maptest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/maptest"
)

// fakeTB takes the place of the test whose failure is expected.
type fakeTB struct {
	testing.TB
	text    string
	helpers int
}

func (f *fakeTB) Helper() { f.helpers++ }
func (f *fakeTB) Errorf(format string, args ...any) {
	f.text += fmt.Sprintf(format, args...)
}

// received is an error as a client reads it.
func received(t *testing.T, err error) error {
	t.Helper()
	return status.FromProto(status.Convert(err).Proto()).Err()
}

func full() *mapping.Error {
	return sdk.InstanceNotFound.Errorf("no instance %q", "b2").With("instance", "b2").With("zone", "z").
		WithRequestID("r1").WithDetails(&errdetails.Help{Links: []*errdetails.Help_Link{{Url: "u"}}})
}

func TestCheckPasses(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"raised":              full(),
		"received":            received(t, full()),
		"wrapped":             fmt.Errorf("invoke: %w", received(t, full())),
		"joined with another": errors.Join(io.EOF, full()),
	} {
		ok := maptest.Check(t, err, sdk.InstanceNotFound, nil,
			maptest.GRPC(codes.NotFound),
			maptest.Message(`no instance "b2"`),
			maptest.MessageContains("b2"),
			maptest.Metadata("instance", "b2"),
			maptest.NoMetadata("node", "tenant"),
			maptest.Retry(mapping.HigherLevel, 100*time.Millisecond),
			maptest.RetryClass(mapping.HigherLevel),
			maptest.RequestID("r1"),
			maptest.RequestID(""),
			maptest.Attempts(0),
			maptest.Trimmed(false),
			maptest.Detail(&errdetails.Help{Links: []*errdetails.Help_Link{{Url: "u"}}}),
			maptest.Detail(&errdetails.ErrorInfo{Reason: "INSTANCE_NOT_FOUND", Domain: "sdk.yuanrong", Metadata: map[string]string{"instance": "b2", "zone": "z"}}),
		)
		if !ok {
			t.Errorf("%s: Check = false, want true", name)
		}
	}
	maptest.Check(t, sdk.ParamInvalid, sdk.ParamInvalid, maptest.NoMetadata(), maptest.Origin(mapping.OriginLocal))
}

// With changes some keys. A test may name them as the code under test does, or as they are.
func TestCheckFindsKeysAsTheyWereGiven(t *testing.T) {
	err := sdk.ParamInvalid.AsError().With("a", "1", "UserID", "2", "user name", "3")
	maptest.Check(t, err, sdk.ParamInvalid,
		maptest.Metadata("a", "1"), maptest.Metadata("UserID", "2"), maptest.Metadata("user name", "3"),
		maptest.Metadata("a_", "1"), maptest.Metadata("userID", "2"), maptest.Metadata("user_name", "3"))

	foreign, ferr := status.New(codes.Internal, "x").WithDetails(&errdetails.ErrorInfo{
		Domain: sdk.Domain, Reason: sdk.ParamInvalid.Reason(), Metadata: map[string]string{"A": "1", "a": "2"},
	})
	if ferr != nil {
		t.Fatal(ferr)
	}
	maptest.Check(t, foreign.Err(), sdk.ParamInvalid, maptest.Metadata("A", "1"), maptest.Metadata("a", "2"), maptest.NoMetadata("B"))
	maptest.CheckGRPC(t, status.Error(codes.DeadlineExceeded, "late"), codes.DeadlineExceeded, maptest.Cause(context.DeadlineExceeded))
	maptest.Check(t, sdk.ParamInvalid.Wrap(io.ErrUnexpectedEOF), sdk.ParamInvalid, maptest.Cause(io.ErrUnexpectedEOF))
	maptest.Check(t, received(t, sdk.ParamInvalid), sdk.ParamInvalid, maptest.Origin(mapping.OriginPeer))
	maptest.Check(t, status.Error(codes.Aborted, ""), mapping.Code{}, maptest.GRPC(codes.Aborted))
	maptest.CheckGRPC(t, status.Error(codes.Aborted, ""), codes.Aborted)
	maptest.CheckGRPC(t, status.Error(codes.Unavailable, ""), codes.Unavailable, maptest.Inferred(sdk.InnerCommunication))
}

func TestCheckDiff(t *testing.T) {
	t.Parallel()
	got := new(fakeTB)
	ok := maptest.Check(got, full(), sdk.InstanceNotFound,
		maptest.Metadata("instance", "a1"),
		maptest.Retry(mapping.HigherLevel, 100*time.Millisecond))
	if ok {
		t.Error("Check = true, want false")
	}
	want := `the error is not what is wanted (-want +got):
    code                   sdk.yuanrong 1003 INSTANCE_NOT_FOUND
  - metadata["instance"]   "a1"
  + metadata["instance"]   "b2"
    retry                  HIGHER_LEVEL after 100ms
the error was: INSTANCE_NOT_FOUND (1003): no instance "b2" (request r1)`
	if diff := cmp.Diff(want, got.text); diff != "" {
		t.Errorf("the failure reads otherwise (-want +got):\n%s", diff)
	}
	if got.helpers == 0 {
		t.Error("the failure is not reported at the caller's line")
	}
}

// Each want fails where it should, alone, and names both sides.
func TestCheckFails(t *testing.T) {
	t.Parallel()
	secret := errors.New("secret")
	for _, tt := range []struct {
		name      string
		code      mapping.Code
		want      maptest.Want
		left, got string
	}{
		{"code", sdk.InstanceExited, nil, "sdk.yuanrong 1007 INSTANCE_EXITED", "sdk.yuanrong 1003 INSTANCE_NOT_FOUND"},
		{"domain", rest.FunctionNotFound, nil, "rest.yuanrong 4115 FUNCTION_NOT_FOUND", "sdk.yuanrong 1003 INSTANCE_NOT_FOUND"},
		{"no code", mapping.Code{}, nil, "no platform code", "sdk.yuanrong 1003 INSTANCE_NOT_FOUND"},
		{"gRPC", sdk.InstanceNotFound, maptest.GRPC(codes.Aborted), "Aborted", "NotFound"},
		{"message", sdk.InstanceNotFound, maptest.Message("no instance"), `"no instance"`, `"no instance \"b2\""`},
		{"a part of the message", sdk.InstanceNotFound, maptest.MessageContains("a1"), `…"a1"…`, `"no instance \"b2\""`},
		{"no such metadata", sdk.InstanceNotFound, maptest.Metadata("node", "n"), `"n"`, "none"},
		{"other metadata", sdk.InstanceNotFound, maptest.NoMetadata("zone"), "none of zone", `map["zone":"z"]`},
		{"other metadata, under the key that With was given", sdk.InstanceNotFound, maptest.NoMetadata("Zone"), "none of Zone", `map["zone":"z"]`},
		{"any metadata", sdk.InstanceNotFound, maptest.NoMetadata(), "none", `map["instance":"b2" "zone":"z"]`},
		{"retry class", sdk.InstanceNotFound, maptest.Retry(mapping.Safe, 100*time.Millisecond), "SAFE after 100ms", "HIGHER_LEVEL after 100ms"},
		{"retry delay", sdk.InstanceNotFound, maptest.Retry(mapping.HigherLevel, time.Second), "HIGHER_LEVEL after 1s", "HIGHER_LEVEL after 100ms"},
		{"class alone", sdk.InstanceNotFound, maptest.RetryClass(mapping.Never), "NEVER", "HIGHER_LEVEL"},
		{"request id", sdk.InstanceNotFound, maptest.RequestID("r2"), `"r2"`, `"r1"`},
		{"origin", sdk.InstanceNotFound, maptest.Origin(mapping.OriginUnsent), "unsent", "local"},
		{"attempts", sdk.InstanceNotFound, maptest.Attempts(2), "2", "0"},
		{"trimmed", sdk.InstanceNotFound, maptest.Trimmed(true), "true", "false"},
		{"inferred", sdk.InstanceNotFound, maptest.Inferred(sdk.InstanceNotFound), "sdk.yuanrong 1003 INSTANCE_NOT_FOUND", "none"},
		{"cause", sdk.InstanceNotFound, maptest.Cause(secret), "secret", "not in it"},
		{"no such detail", sdk.InstanceNotFound, maptest.Detail(&errdetails.QuotaFailure{}), "(empty)", "none"},
		{"another detail", sdk.InstanceNotFound, maptest.Detail(&errdetails.Help{}), "(empty)", "links"},
	} {
		got := new(fakeTB)
		if maptest.Check(got, full(), tt.code, tt.want) {
			t.Errorf("%s: Check = true, want false", tt.name)
		}
		left, right := "", ""
		for line := range strings.Lines(got.text) {
			if strings.HasPrefix(line, "  - ") {
				left += line
			}
			if strings.HasPrefix(line, "  + ") {
				right += line
			}
		}
		if !strings.HasSuffix(left, tt.left+"\n") || !strings.Contains(right, tt.got) || strings.Count(left+right, "\n") != 2 {
			t.Errorf("%s: want %q, got %q on two lines:\n%s", tt.name, tt.left, tt.got, got.text)
		}
	}
}

func TestCheckFailsWithoutPlatformError(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		check func(testing.TB) bool
		want  []string
	}{
		{"nil", func(tb testing.TB) bool {
			return maptest.Check(tb, nil, sdk.ParamInvalid, maptest.Metadata("k", "v"), maptest.Detail(&errdetails.Help{}))
		}, []string{"the call succeeded", "1001 PARAM_INVALID", `"v"`}},
		{"a nil detail", func(tb testing.TB) bool {
			return maptest.Check(tb, sdk.ParamInvalid, sdk.ParamInvalid, maptest.Detail(nil))
		},
			[]string{"- detail", "nil, which is none"}},
		{"nil, by gRPC code", func(tb testing.TB) bool { return maptest.CheckGRPC(tb, nil, codes.Aborted) }, []string{"the call succeeded", "Aborted"}},
		{"neither", func(tb testing.TB) bool { return maptest.Check(tb, io.EOF, sdk.ParamInvalid) },
			[]string{"neither of the platform nor a gRPC status", "1001 PARAM_INVALID", "EOF (*errors.errorString)"}},
		{"inferred", func(tb testing.TB) bool {
			return maptest.Check(tb, status.Error(codes.Unavailable, "refused"), sdk.InnerCommunication)
		}, []string{"(inferred from Unavailable)", "refused"}},
		{"a platform error, by gRPC code", func(tb testing.TB) bool { return maptest.CheckGRPC(tb, sdk.ParamInvalid, codes.InvalidArgument) },
			[]string{"- code        no platform code", "+ code        sdk.yuanrong 1001 PARAM_INVALID", "  gRPC code   InvalidArgument"}},
	} {
		got := new(fakeTB)
		if tt.check(got) {
			t.Errorf("%s: passed, want a failure", tt.name)
		}
		for _, want := range tt.want {
			if !strings.Contains(got.text, want) {
				t.Errorf("%s: the failure lacks %q:\n%s", tt.name, want, got.text)
			}
		}
	}
}
