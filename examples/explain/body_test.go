package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/httperr"
)

// What package httperr takes for another error than the SDK's has a text here, and
// nothing else has.
func TestFrontendsNumbersAreThoseOfHTTPErr(t *testing.T) {
	t.Parallel()
	known := 0
	for c := range sdk.Catalog().All() {
		e, _ := httperr.Parse(500, nil, fmt.Appendf(nil, `{"code":%d,"message":"m"}`, c.Number()))
		m, ok := frontends[c.Number()]
		if other := e.Code() != c; other != ok || ok && (m.en == "" || m.zh == "") {
			t.Errorf("%v is another's by httperr: %t, and here %+v", c, other, m)
		}
		if ok {
			known++
		}
	}
	if known != len(frontends) || known == 0 {
		t.Errorf("%d of %d texts are those of numbers of sdk", known, len(frontends))
	}
}

// A number that stands alone and means two things is never explained by one of them only.
func TestNumbersWithTwoMeanings(t *testing.T) {
	t.Parallel()
	const thrown, thrownZH = "the user's function has thrown", "用户函数执行时抛出异常"
	for _, tt := range []struct {
		args, stdin string
		want        string // the first line
		also        []string
	}{
		{"4002", "", "INIT_CONNECTION_FAILED (4002) sdk.yuanrong\n", []string{"ambiguous", "from the platform's frontend 4002 means: " + thrown}},
		{"-lang zh 4002", "", "INIT_CONNECTION_FAILED (4002) sdk.yuanrong\n", []string{"歧义", thrownZH}},
		{`{"code":4002,"message":"boom"}`, "", "rest.yuanrong 4002\n", []string{thrown, "ambiguous", "in sdk.yuanrong it is INIT_CONNECTION_FAILED", "not known", "boom"}},
		{`-lang zh {"code":4002,"message":"boom"}`, "", "rest.yuanrong 4002\n", []string{thrownZH, "歧义", "在 sdk.yuanrong 中为 INIT_CONNECTION_FAILED", "未知"}},
		{"-", `{"code":4002,"message":"boom"}`, "rest.yuanrong 4002  (line 1", []string{thrown, "INIT_CONNECTION_FAILED", "boom"}},
		{"-", `reply={"code":4002,"message":"boom"}`, "rest.yuanrong 4002  (line 1", []string{thrown, "INIT_CONNECTION_FAILED"}},
		{"-", `X-Inner-Code: 4201`, "rest.yuanrong 4201  (line 1", []string{"initialisation", "ROCKSDB_FAILED"}},
		{"-", `ErrCode: 4002, ModuleCode: 20, ErrMsg: x`, "INIT_CONNECTION_FAILED (4002) sdk.yuanrong  (line 1", []string{"ambiguous", thrown}},
		{`{"errorCode":1003,"errorMessage":"x"}`, "", "rest.yuanrong 1003\n", []string{"no catalogue has", "ambiguous", "INSTANCE_NOT_FOUND"}},
		{"-", `{"errorCode":1003,"errorMessage":"x"}`, "rest.yuanrong 1003  (line 1", []string{"INSTANCE_NOT_FOUND"}},
		{"-", `got {"errorCode":1003,"errorMessage":"x"}`, "rest.yuanrong 1003  (line 1", []string{"INSTANCE_NOT_FOUND"}},
		{"-", `{"error":{"code":1002,"message":"no token"}}`, "rest.yuanrong 1002  (line 1", []string{"RESOURCE_NOT_ENOUGH"}},
		{"-", "call.domain=sdk.yuanrong call.number=4002\ncode: 4002, message: x", "INIT_CONNECTION_FAILED (4002) sdk.yuanrong  (line 1, on 2", []string{"ambiguous"}},

		{"1003", "", "INSTANCE_NOT_FOUND (1003) sdk.yuanrong\n", nil},
		{"sdk:4002", "", "INIT_CONNECTION_FAILED (4002) sdk.yuanrong\n", nil},
		{"-domain sdk 4002", "", "INIT_CONNECTION_FAILED (4002) sdk.yuanrong\n", nil},
		{`-domain sdk {"code":4002,"message":"x"}`, "", "INIT_CONNECTION_FAILED (4002) sdk.yuanrong\n", nil},
		{"INIT_CONNECTION_FAILED", "", "INIT_CONNECTION_FAILED (4002) sdk.yuanrong\n", nil},
		{"-", `code: ERR_INIT_CONNECTION_FAILED, message: x`, "INIT_CONNECTION_FAILED (4002) sdk.yuanrong  (line 1", nil},
		{"-", `INIT_CONNECTION_FAILED (4002): x`, "INIT_CONNECTION_FAILED (4002) sdk.yuanrong  (line 1", nil},
		{"-", `{"code":4002,"message":"x","domain":"sdk.yuanrong"}`, "INIT_CONNECTION_FAILED (4002) sdk.yuanrong  (line 1", nil},
		{"-", `call.domain=sdk.yuanrong call.number=4002`, "INIT_CONNECTION_FAILED (4002) sdk.yuanrong  (line 1", nil},
	} {
		status, stdout, stderr := explain(t, tt.stdin, strings.Fields(tt.args)...)
		if status != cli.OK || stderr != "" || !strings.HasPrefix(stdout, tt.want) || strings.Count(stdout, "\n\n") > 0 {
			t.Errorf("%s %s: exit status %d, %q, stdout\n%s\nwant %q alone", tt.args, tt.stdin, status, stderr, stdout, tt.want)
		}
		for _, want := range tt.also {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s %s lacks %q:\n%s", tt.args, tt.stdin, want, stdout)
			}
		}
		if tt.also == nil && strings.Contains(stdout, "ambiguous") {
			t.Errorf("%s %s is certain:\n%s", tt.args, tt.stdin, stdout)
		}
	}
	_, stdout, _ := explain(t, "", "-json", "4002", `{"code":4002,"message":"boom"}`)
	var got []record
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || len(got) != 2 {
		t.Fatalf("%v:\n%s", err, stdout)
	}
	if r := got[0]; len(r.OtherMeanings) != 1 || r.OtherMeanings[0] != (recordMeaning{rest.Domain, "", thrown}) || r.Retry == nil {
		t.Errorf("4002 is %+v", r)
	}
	if r := got[1]; len(r.OtherMeanings) != 1 || r.OtherMeanings[0].Reason != "INIT_CONNECTION_FAILED" || r.Description != thrown || r.Retry != nil {
		t.Errorf("the body is %+v", r)
	}
}

// Bodies in all forms that package httperr documents.
func TestBodies(t *testing.T) {
	t.Parallel()
	written := httptest.NewRecorder()
	httperr.Write(written, rest.FunctionNotFound.Errorf("no f").WithRequestID("r1").With("function", "f"))
	for _, tt := range []struct {
		body string
		want []string
	}{
		{`{"code":"4115","message":"x"}`, []string{"FUNCTION_NOT_FOUND (4115)", "x"}},
		{`{"code":"FUNCTION_NOT_FOUND","message":"x"}`, []string{"FUNCTION_NOT_FOUND (4115)"}},
		{"{\n  \"code\": 4115,\n  \"message\": \"x\"\n}", []string{"FUNCTION_NOT_FOUND (4115)"}},
		{`{"code":4115}`, []string{"FUNCTION_NOT_FOUND (4115)"}},
		{`"{\"code\":4115,\"message\":\"x\"}"`, []string{"FUNCTION_NOT_FOUND (4115)"}},
		{`{"code":4115,"mess`, []string{"FUNCTION_NOT_FOUND (4115)"}},
		{`{"errorCode":6031,"errorMessage":"busy"}`, []string{"rest.yuanrong 6031\n", "no catalogue has", "not known", "busy"}},
		{`{"error":{"code":4104,"message":"x"}}`, []string{"INVALID_USER_PARAM (4104)"}},
		{`{"code":404,"message":"no session"}`, []string{"NOT_FOUND\n", "an HTTP error without a code", "no session"}},
		{`{"code":503,"message":"busy"}`, []string{"UNAVAILABLE\n", "an HTTP error without a code"}},
		{`{"code":5,"message":"x","details":[]}`, []string{"NOT_FOUND\n"}},
		{`{"code":-1,"message":"x"}`, []string{"UNKNOWN\n", "code -1: x"}},
		{`{"code":7,"message":"x","domain":"billing.acme","reason":"POOR","grpc_code":"ABORTED","retry":{"class":"SAFE","delay_ms":100}}`,
			[]string{"POOR (7) billing.acme", "of another domain", "ABORTED, HTTP 409", "after 100ms (SAFE)"}},
		{`{"code":7,"message":"x","domain":"billing.acme"}`, []string{"billing.acme 7\n", "not known: nothing here says"}},
		{written.Body.String(), []string{"FUNCTION_NOT_FOUND (4115)", "no f", "function=f", "r1"}},
	} {
		status, stdout, stderr := explain(t, "", tt.body)
		if status != cli.OK || stderr != "" || !strings.HasPrefix(stdout, tt.want[0]) {
			t.Errorf("%s: exit status %d, %q, stdout\n%s", tt.body, status, stderr, stdout)
		}
		for _, want := range tt.want {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s lacks %q:\n%s", tt.body, want, stdout)
			}
		}
		if strings.Contains(stdout, "detail ") {
			t.Errorf("%s: details that nobody has sent:\n%s", tt.body, stdout)
		}
	}
}

// Errors of catalogues that are not here, as our own programs log and send them.
func TestOtherDomainsInLogs(t *testing.T) {
	t.Parallel()
	credit, _ := team().Lookup(1003)
	e := credit.Errorf("no \"money\"").RetryAfter(0)
	log := func(handler func(*strings.Builder) slog.Handler) string {
		var b strings.Builder
		slog.New(handler(&b)).Warn("call failed", "call", e)
		return b.String()
	}
	text := log(func(b *strings.Builder) slog.Handler { return slog.NewTextHandler(b, nil) })
	inJSON := log(func(b *strings.Builder) slog.Handler { return slog.NewJSONHandler(b, nil) })
	body := httptest.NewRecorder()
	httperr.Write(body, credit.Errorf("no money"))
	for name, line := range map[string]string{
		"slog's text": text, "slog's JSON": inJSON,
		"a body":            body.Body.String(),
		"a body in text":    "reply=" + strings.TrimSpace(body.Body.String()) + " took=1ms",
		"a body in JSON":    `{"reply":` + strconv.Quote(strings.TrimSpace(body.Body.String())) + "}",
		"sorted by the key": `{"call":{"domain":"billing.acme","grpc":"FailedPrecondition","message":"no money","number":1003,"reason":"NO_CREDIT","retry":"NEVER"}}`,
	} {
		status, stdout, stderr := explain(t, line, "-")
		if status != cli.OK || stderr != "" || strings.Contains(stdout, "\n\n") {
			t.Errorf("%s: exit status %d, %q, stdout\n%s", name, status, stderr, stdout)
		}
		for _, want := range []string{"NO_CREDIT (1003) billing.acme", "of another domain", "FAILED_PRECONDITION", "(NEVER)", "money"} {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s lacks %q:\n%s", name, want, stdout)
			}
		}
	}
}

func TestPairs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line  string
		want  string
		grpc  codes.Code
		retry mapping.Retry
	}{
		{`call.domain=billing.acme call.number=1003`, "[billing.acme 1003]", codes.Unknown, mapping.Retry{Class: mapping.Never}},
		{`call.domain=billing.acme call.number=7 call.reason=FUNCTION_NOT_FOUND call.grpc=Aborted call.retry="SAFE after 1.5s"`,
			"[FUNCTION_NOT_FOUND (7)]", codes.Aborted, mapping.Retry{Class: mapping.Safe, Delay: 1500 * time.Millisecond}},
		{`call.domain=sdk.yuanrong call.number=1999 call.reason="" call.grpc=Unavailable`, "[sdk.yuanrong 1999]", codes.Unavailable, mapping.Retry{Class: mapping.Never}},
		{`a.domain=x.acme a.number=1 a.reason=A_B b.domain=y.acme b.number=2 b.reason=C_D b.grpc=Aborted`, "[A_B (1) C_D (2)]", codes.Unknown, mapping.Retry{Class: mapping.Never}},
		{`domain=billing.acme number=7 reason=A_B grpc=Aborted`, "[A_B (7)]", codes.Aborted, mapping.Retry{Class: mapping.Never}},
		{`a.domain=x.acme b.number=1`, "[]", 0, mapping.Retry{}},
		{`call.domain=billing.acme call.number=10.5`, "[]", 0, mapping.Retry{}},
		{`call.domain=billing.acme call.number=0`, "[]", 0, mapping.Retry{}},
		{`call.domain=billing.acme call.number=99999999999`, "[]", 0, mapping.Retry{}},
		{`{"level":"info","message":"GET /","code":404,"domain":"example.com"}`, "[]", 0, mapping.Retry{}},
		{`{"level":"info","message":"listening","code":8080}`, "[]", 0, mapping.Retry{}},
		{`a.domain=sdk.yuanrong a.number=1001 b.domain=rest.yuanrong b.number=4101`, "[PARAM_INVALID (1001) FUNCTION_NAME_EXIST (4101)]",
			codes.InvalidArgument, sdk.ParamInvalid.Retry()},
		{`tenant.domain=example.com reply={"code":4116,"message":"x"}`, "[FUNCTION_VERSION_NOT_FOUND (4116)]", codes.NotFound, rest.FunctionVersionNotFound.Retry()},
	} {
		found := platform().line(tt.line)
		var got []string
		for _, f := range found {
			name := f.code.String()
			if !f.code.Listed() && f.reason() != "" {
				name = fmt.Sprintf("%s (%d)", f.reason(), f.code.Number())
			}
			got = append(got, name)
		}
		if fmt.Sprint(got) != tt.want {
			t.Errorf("line %q has %v, want %v", tt.line, got, tt.want)
			continue
		}
		if len(found) > 0 && (found[0].grpc() != tt.grpc || found[0].retry() != tt.retry) {
			t.Errorf("line %q has %v, %v; want %v, %v", tt.line, found[0].grpc(), found[0].retry(), tt.grpc, tt.retry)
		}
	}
}

// Every documented message that is a single name is found as a word of its own, and not
// as a part of another or where it names something in a program.
func TestDocumentedMessages(t *testing.T) {
	t.Parallel()
	names := 0
	for c := range rest.Catalog().All() {
		name := c.DocumentedMessage()
		if name == "" || strings.Contains(name, " ") {
			continue
		}
		names++
		for _, line := range []string{
			name, "query failed: " + name, name + ": f1", `err="` + name + `"`, "error=" + name + " took=1ms", "(" + name + ")", "It was " + name + ".",
			`{"message":"` + name + `"}`, `{"body":"{\"message\":\"` + name + `\"}"}`, "[" + name + "]", "not so, " + name + "!",
		} {
			if got := platform().line(line); len(got) != 1 || got[0].code != c {
				t.Errorf("line %q has %v, want %v", line, got, c)
			}
		}
		for _, line := range []string{
			"My" + name, name + "s", "my_" + name, name + "_total", "at com.acme." + name + ".run(" + name + ".java:12)", "errors." + name, "acme::" + name + "::what",
			"func " + name + "(x int)", "&" + name + "{}", name + "{code: 1}", "/etc/" + name, `C:\` + name, name + "=3", `{"` + name + `": 3}`, `{\"` + name + `\":3}`,
			"*" + name, "-" + name, "$" + name, strings.ToLower(name), strings.ToUpper(name),
		} {
			if got := platform().line(line); len(got) != 0 {
				t.Errorf("line %q has %v, want nothing", line, got)
			}
		}
	}
	if names < 50 {
		t.Errorf("%d names, want most of the catalogue's", names)
	}
	if _, stdout, _ := explain(t, "FunctionNotFound\n", "-domain", "sdk", "-"); stdout != "" {
		t.Errorf("with -domain sdk:\n%s", stdout)
	}
}
