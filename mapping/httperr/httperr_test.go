package httperr_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/httperr"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// The comments of google.rpc.Code.
func TestStatus(t *testing.T) {
	for c, want := range map[codes.Code]int{
		codes.OK: 200, codes.Canceled: 499, codes.Unknown: 500, codes.InvalidArgument: 400,
		codes.DeadlineExceeded: 504, codes.NotFound: 404, codes.AlreadyExists: 409,
		codes.PermissionDenied: 403, codes.ResourceExhausted: 429, codes.FailedPrecondition: 400,
		codes.Aborted: 409, codes.OutOfRange: 400, codes.Unimplemented: 501, codes.Internal: 500,
		codes.Unavailable: 503, codes.DataLoss: 500, codes.Unauthenticated: 401, codes.Code(17): 500,
	} {
		if got := httperr.Status(c); got != want {
			t.Errorf("Status(%v) = %d, want %d", c, got, want)
		}
	}
}

// written returns what Write answers.
func written(err error) *http.Response {
	w := httptest.NewRecorder()
	httperr.Write(w, err)
	return w.Result()
}

func TestWrite(t *testing.T) {
	internal := sdk.InnerSystemError.Description("en")
	idempotent := sdk.InnerCommunication.Errorf("lost")
	for _, test := range []struct {
		name       string
		err        error
		status     int
		body       string
		inner      string
		retryAfter string
	}{
		{
			"the documented body, and what makes it whole",
			rest.FunctionNotFound.Errorf("no function %q", "f").With("function", "f").WithRequestID("r1"), 404,
			`{"code":4115,"message":"no function \"f\"","reason":"FUNCTION_NOT_FOUND","domain":"rest.yuanrong","grpc_code":"NOT_FOUND","retry":{"class":"NEVER"},"metadata":{"function":"f"},"request_id":"r1"}`, "4115", "",
		},
		{
			"wrapped", fmt.Errorf("handler: %w", sdk.InstanceNotFound.Errorf("no a1")), 404,
			`{"code":1003,"message":"no a1","reason":"INSTANCE_NOT_FOUND","domain":"sdk.yuanrong","grpc_code":"NOT_FOUND","retry":{"class":"HIGHER_LEVEL","delay_ms":100}}`, "1003", "",
		},
		{
			"a delay is rounded up", sdk.ResourceNotEnough.Errorf("full").RetryAfter(1001 * time.Millisecond), 429,
			`{"code":1002,"message":"full","reason":"RESOURCE_NOT_ENOUGH","domain":"sdk.yuanrong","grpc_code":"RESOURCE_EXHAUSTED","retry":{"class":"SAFE","delay_ms":1001}}`, "1002", "2",
		},
		{
			"no delay", sdk.ResourceNotEnough.Errorf("full").RetryAfter(0), 429,
			`{"code":1002,"message":"full","reason":"RESOURCE_NOT_ENOUGH","domain":"sdk.yuanrong","grpc_code":"RESOURCE_EXHAUSTED","retry":{"class":"SAFE"}}`, "1002", "0",
		},
		{
			"IDEMPOTENT, of a method that is not", idempotent, 503,
			`{"code":3002,"message":"lost","reason":"INNER_COMMUNICATION","domain":"sdk.yuanrong","grpc_code":"UNAVAILABLE","retry":{"class":"IDEMPOTENT","delay_ms":500}}`, "3002", "",
		},
		{
			"IDEMPOTENT, of a method that is", idempotent.Seal(rpcerr.Wire{Idempotent: true}), 503,
			`{"code":3002,"message":"lost","reason":"INNER_COMMUNICATION","domain":"sdk.yuanrong","grpc_code":"UNAVAILABLE","retry":{"class":"IDEMPOTENT","delay_ms":500}}`, "3002", "1",
		},
		{
			"a plain status", status.Error(codes.OutOfRange, "past the end"), 400,
			`{"code":400,"message":"past the end","grpc_code":"OUT_OF_RANGE"}`, "", "",
		},
		{
			"a plain error tells nothing", errors.New("secret"), 500,
			fmt.Sprintf(`{"code":3003,"message":%q,"reason":"INNER_SYSTEM_ERROR","domain":"sdk.yuanrong","grpc_code":"INTERNAL","retry":{"class":"IDEMPOTENT","delay_ms":1000}}`, internal), "3003", "",
		},
		{"a deadline", fmt.Errorf("x: %w", context.DeadlineExceeded), 504, `{"code":504,"message":"context deadline exceeded","grpc_code":"DEADLINE_EXCEEDED"}`, "", ""},
		{"a caller who left", context.Canceled, 499, `{"code":499,"message":"context canceled","grpc_code":"CANCELLED"}`, "", ""},
		{
			"a typed nil", (*mapping.Error)(nil), 500,
			fmt.Sprintf(`{"code":3003,"message":%q,"reason":"INNER_SYSTEM_ERROR","domain":"sdk.yuanrong","grpc_code":"INTERNAL","retry":{"class":"IDEMPOTENT","delay_ms":1000}}`, internal), "3003", "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp := written(test.err)
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != test.status {
				t.Errorf("status %d, want %d", resp.StatusCode, test.status)
			}
			if diff := cmp.Diff(test.body+"\n", string(body)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			for name, want := range map[string]string{
				"X-Inner-Code": test.inner, "Retry-After": test.retryAfter, "Content-Type": "application/json", "X-Content-Type-Options": "nosniff",
			} {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestWriteOfNilWritesNothing(t *testing.T) {
	w := httptest.NewRecorder()
	httperr.Write(w, nil)
	if w.Body.Len() > 0 || len(w.Header()) > 0 {
		t.Errorf("Write(nil) has written %q, %v", w.Body, w.Header())
	}
}

func TestWriteDropsHeadersOfTheSuccess(t *testing.T) {
	w := httptest.NewRecorder()
	for _, name := range []string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified", "Cache-Control"} {
		w.Header().Set(name, "7")
	}
	w.Header().Set("X-Mine", "kept")
	httperr.Write(w, sdk.InstanceNotFound)
	for name := range w.Result().Header {
		switch name {
		case "Content-Type", "X-Content-Type-Options", "X-Inner-Code", "X-Mine":
		default:
			t.Errorf("header %s: %q is still there", name, w.Header().Get(name))
		}
	}
}

func TestHTTPRoundTrip(t *testing.T) {
	n := 0
	for catalog := range mapping.Catalogs() {
		for c := range catalog.All() {
			n++
			want := c.Errorf("message %q", "x").With("key", "value").WithRequestID("r1")
			got, ok := httperr.FromResponse(written(want))
			if !ok || !errors.Is(got, c) || got.Code() != c {
				t.Errorf("%v came back as %v", c, got)
				continue
			}
			if got.GRPCCode() != want.GRPCCode() || got.Message() != want.Message() || got.Retry() != want.Retry() ||
				got.RequestID() != "r1" || got.Metadata()["key"] != "value" || got.Origin() != mapping.OriginPeer || got.Inferred() {
				t.Errorf("%v came back as %v", want.LogValue(), got.LogValue())
			}
		}
	}
	if n != 109 {
		t.Errorf("%d codes, want 109", n)
	}
}

func TestHTTPRoundTripKeepsWhatRaisersAndNewerPeersSay(t *testing.T) {
	newer, _ := httperr.Parse(409, nil, []byte(`{"code":4999,"message":"m","reason":"LATER_CODE","domain":"rest.yuanrong","grpc_code":"ABORTED","retry":{"class":"SAFE","delay_ms":20}}`))
	foreign, _ := httperr.Parse(409, nil, []byte(`{"code":1003,"message":"m","reason":"OTHER","domain":"shop.example.com","grpc_code":"ABORTED","retry":{"class":"FUTURE","delay_ms":20}}`))
	for _, want := range []*mapping.Error{
		sdk.InnerCommunication.Errorf("x").NotExecuted().RetryAfter(1500 * time.Millisecond),
		sdk.InnerCommunication.Errorf("x").DoNotRetry(),
		newer, foreign,
	} {
		got, _ := httperr.FromResponse(written(want))
		if !errors.Is(got, want.Code()) || got.Retry() != want.Retry() || got.GRPCCode() != want.GRPCCode() || got.Reason() != want.Reason() {
			t.Errorf("%v came back as %v", want.LogValue(), got.LogValue())
		}
	}
	if newer.Code().Number() != 4999 || newer.Reason() != "LATER_CODE" || newer.Retry() != (mapping.Retry{Class: mapping.Safe, Delay: 20 * time.Millisecond}) || newer.GRPCCode() != codes.Aborted {
		t.Errorf("a newer code is %v", newer.LogValue())
	}
	if errors.Is(foreign, sdk.InstanceNotFound) || foreign.Code().Domain() != "shop.example.com" || foreign.Retry().Class != mapping.Never {
		t.Errorf("another domain's code is %v", foreign.LogValue())
	}
	plain, _ := httperr.FromResponse(written(status.Error(codes.OutOfRange, "past the end")))
	if !plain.Code().IsZero() || plain.GRPCCode() != codes.OutOfRange || plain.Message() != "past the end" {
		t.Errorf("a plain status came back as %v", plain.LogValue())
	}
}

func TestParseOfThePlatformsShapes(t *testing.T) {
	const jsonType, textType = "application/json; charset=utf-8", "text/plain; charset=utf-8"
	both := []*mapping.Catalog{rest.Catalog(), sdk.Catalog()}
	for _, test := range []struct {
		name     string
		status   int
		kind     string
		inner    string
		body     string
		catalogs []*mapping.Catalog
		want     mapping.Code // zero: no platform code
		grpc     codes.Code   // OK: no error
		message  string
	}{
		{"the documented body, HTTP 500", 500, jsonType, "", `{"code":4115,"message":"no f"}`, nil, rest.FunctionNotFound, codes.NotFound, "no f"},
		{"of an invocation", 500, jsonType, "1003", `{"code":1003,"message":"no a1","trace_id":"t1"}`, both, sdk.InstanceNotFound, codes.NotFound, "no a1"},
		{"HTTP 200 with an error", 200, jsonType, "", `{"code":4115,"message":"no f"}`, nil, rest.FunctionNotFound, codes.NotFound, "no f"},
		{"HTTP 200, success", 200, jsonType, "0", `{"code":0,"message":"ok","data":{}}`, nil, mapping.Code{}, codes.OK, ""},
		{"HTTP 200, success as an HTTP status", 200, jsonType, "", `{"code":200,"message":"ok","data":{}}`, nil, mapping.Code{}, codes.OK, ""},
		{"HTTP 200 with an HTTP status that is none", 200, jsonType, "", `{"code":404,"message":"no session","data":null}`, nil, mapping.Code{}, codes.NotFound, "no session"},
		{"the HTTP status as code", 404, jsonType, "", `{"code":404,"message":"no session","data":null}`, nil, mapping.Code{}, codes.NotFound, "no session"},
		{"the HTTP status as code, the number in the header", 500, jsonType, "4115", `{"code":500,"message":"no f"}`, nil, rest.FunctionNotFound, codes.NotFound, "no f"},
		{"a name as code", 404, jsonType, "", `{"code":"FUNCTION_NOT_FOUND","message":"no f"}`, nil, rest.FunctionNotFound, codes.NotFound, "no f"},
		{"a name with ERR_ as code", 500, jsonType, "", `{"code":"ERR_INSTANCE_NOT_FOUND","message":"no a1"}`, both, sdk.InstanceNotFound, codes.NotFound, "no a1"},
		{"a name that nobody knows", 404, jsonType, "", `{"code":"SESSION_NOT_FOUND","message":"no s"}`, nil, mapping.Code{}, codes.NotFound, "no s"},
		{"a number in quotes", 500, jsonType, "", `{"code":"4115","message":"no f"}`, nil, rest.FunctionNotFound, codes.NotFound, "no f"},
		{"of the scheduler", 200, jsonType, "", `{"errorCode":150444,"errorMessage":"no label","schedulerTime":0.1}`, nil, rest.InstanceLabelNotFound, codes.NotFound, "no label"},
		{"of the scheduler, success", 200, jsonType, "", `{"errorCode":6030,"errorMessage":"","schedulerTime":0.1}`, nil, mapping.Code{}, codes.OK, ""},
		{"plain text", 400, textType, "", "create to 10.0.0.7:8080 failed, code: 1003, message: no a1", nil, sdk.InstanceNotFound, codes.InvalidArgument, "create to 10.0.0.7:8080 failed, code: 1003, message: no a1"},
		{"plain text without a code", 400, textType, "", "bad function name\n", nil, mapping.Code{}, codes.InvalidArgument, "bad function name"},
		{"nested", 400, jsonType, "", `{"error":{"code":4104,"message":"bad name"}}`, nil, rest.InvalidUserParam, codes.InvalidArgument, "bad name"},
		{"nested, HTTP 200", 200, jsonType, "", `{"error":{"code":4104,"message":"bad name"}}`, nil, rest.InvalidUserParam, codes.InvalidArgument, "bad name"},
		{"nested, null", 200, jsonType, "", `{"error":null,"data":1}`, nil, mapping.Code{}, codes.OK, ""},
		{"a text as error", 500, jsonType, "", `{"error":"out of luck"}`, nil, rpcerrInferred, codes.Internal, "out of luck"},
		{"code in the header only, HTTP 200, no body", 200, "", "9000", "", both, sdk.Finalized, codes.FailedPrecondition, sdk.Finalized.Description("en")},
		{"code in the header only, HTTP 500", 500, "text/html", "4115", "<html>", nil, rest.FunctionNotFound, codes.NotFound, rest.FunctionNotFound.Description("en")},
		{"a header that says success", 200, "", "200", "", nil, mapping.Code{}, codes.OK, ""},
		{"a header that is no number", 200, "", "none", "", nil, mapping.Code{}, codes.OK, ""},
		{"quoted twice", 500, jsonType, "", `{"code":4115,"message":"\"no f\""}`, nil, rest.FunctionNotFound, codes.NotFound, "no f"},
		{"no message", 500, jsonType, "", `{"code":4115}`, nil, rest.FunctionNotFound, codes.NotFound, rest.FunctionNotFound.Description("en")},
		{"a message that is no text", 500, jsonType, "", `{"message":{"a":1},"code":4115}`, nil, rest.FunctionNotFound, codes.NotFound, rest.FunctionNotFound.Description("en")},
		{"data that only has a code", 200, jsonType, "", `{"code":4115,"name":"f"}`, nil, mapping.Code{}, codes.OK, ""},
		{"data that only has a message", 200, jsonType, "", `{"message":"code: 1003, message: x"}`, nil, mapping.Code{}, codes.OK, ""},
		{"data", 200, jsonType, "", `[1,2]`, nil, mapping.Code{}, codes.OK, ""},
		{"text of a success", 200, textType, "", "code: 1003, message: x", nil, mapping.Code{}, codes.OK, ""},
		{"a redirect", 302, "text/html", "", "<a>", nil, mapping.Code{}, codes.OK, ""},
		{"of a proxy", 503, "text/html", "", "<html>nginx</html>", nil, rpcerrUnreachable, codes.Unavailable, "Service Unavailable"},
		{"of a proxy, bad gateway", 502, "text/html", "", "<html>nginx</html>", nil, rpcerrUnreachable, codes.Unavailable, "Bad Gateway"},
		{"nothing at all", 418, "", "", "", nil, mapping.Code{}, codes.FailedPrecondition, "I'm a teapot"},
		{"a status without a name", 599, "", "", "", nil, rpcerrInferred, codes.Unknown, "HTTP status 599"},
		{"broken JSON", 500, jsonType, "4115", `{"code":41`, nil, rest.FunctionNotFound, codes.NotFound, rest.FunctionNotFound.Description("en")},
		{"bytes that are no text", 400, textType, "", "\xff", nil, mapping.Code{}, codes.InvalidArgument, "\uFFFD"},
	} {
		t.Run(test.name, func(t *testing.T) {
			header := http.Header{}
			if test.kind != "" {
				header.Set("Content-Type", test.kind)
			}
			if test.inner != "" {
				header.Set("X-Inner-Code", test.inner)
			}
			e, ok := httperr.Parse(test.status, header, []byte(test.body), test.catalogs...)
			if ok != (test.grpc != codes.OK) {
				t.Fatalf("Parse = %v, %v", e, ok)
			}
			if !ok {
				return
			}
			if e.Code() != test.want || e.GRPCCode() != test.grpc || e.Message() != test.message {
				t.Errorf("Parse = %v, %v, %q; want %v, %v, %q", e.Code(), e.GRPCCode(), e.Message(), test.want, test.grpc, test.message)
			}
			if test.kind == textType && !test.want.IsZero() && !e.Parsed() {
				t.Error("a code out of a text is not marked as parsed")
			}
		})
	}
}

// What an error without a code is inferred to be, as of a status.
var rpcerrInferred, rpcerrUnreachable = sdk.InnerSystemError, sdk.InnerCommunication

func TestParseAssumesTheDomain(t *testing.T) {
	body := []byte(`{"code":1003,"message":"m"}`)
	if e, _ := httperr.Parse(500, nil, body); e.Code().Domain() != rest.Domain || e.Code().Listed() || e.Retry().Class != mapping.Never {
		t.Errorf("by default: %v, want number 1003 of %s, unlisted", e.LogValue(), rest.Domain)
	}
	if e, _ := httperr.Parse(500, nil, body, sdk.Catalog()); e.Code() != sdk.InstanceNotFound {
		t.Errorf("with sdk: %v, want 1003", e)
	}
	own := []byte(`{"code":1003,"message":"m","domain":"sdk.yuanrong"}`)
	if e, _ := httperr.Parse(500, nil, own); e.Code() != sdk.InstanceNotFound {
		t.Errorf("a body with its domain: %v, want 1003", e)
	}
}

func TestParseRetryAfter(t *testing.T) {
	const date, later = "Mon, 03 Nov 2025 10:00:00 GMT", "Mon, 03 Nov 2025 10:00:07 GMT"
	for _, test := range []struct {
		body, retryAfter, date string
		want                   mapping.Retry
	}{
		{`{"code":1005,"message":"m"}`, "", "", mapping.Retry{Class: mapping.Safe, Delay: time.Second}},
		{`{"code":1005,"message":"m"}`, "7", "", mapping.Retry{Class: mapping.Safe, Delay: 7 * time.Second}},
		{`{"code":1005,"message":"m"}`, "0", "", mapping.Retry{Class: mapping.Safe, Delay: time.Second}},
		{`{"code":1005,"message":"m"}`, later, date, mapping.Retry{Class: mapping.Safe, Delay: 7 * time.Second}},
		{`{"code":1005,"message":"m"}`, later, "", mapping.Retry{Class: mapping.Safe, Delay: time.Second}},
		{`{"code":1005,"message":"m"}`, "-5", "", mapping.Retry{Class: mapping.Safe, Delay: time.Second}},
		{`{"code":1005,"message":"m"}`, "soon", "", mapping.Retry{Class: mapping.Safe, Delay: time.Second}},
		{`{"code":1005,"message":"m"}`, "9223372036854775807", "", mapping.Retry{Class: mapping.Safe, Delay: time.Hour}},
		{`{"code":1001,"message":"m"}`, "7", "", mapping.Retry{Class: mapping.Never}},
		{`{"code":3003,"message":"m"}`, "7", "", mapping.Retry{Class: mapping.Idempotent, Delay: 7 * time.Second}},
		// The exact figure is in the body.
		{`{"code":1005,"message":"m","domain":"sdk.yuanrong","retry":{"class":"SAFE","delay_ms":1500}}`, "2", "", mapping.Retry{Class: mapping.Safe, Delay: 1500 * time.Millisecond}},
		{`{"code":1005,"message":"m","domain":"sdk.yuanrong","retry":{"class":"SAFE","delay_ms":-1}}`, "", "", mapping.Retry{Class: mapping.Safe}},
		{`{"code":1005,"message":"m","domain":"sdk.yuanrong","retry":{"class":"SAFE","delay_ms":9223372036854775807}}`, "", "", mapping.Retry{Class: mapping.Safe, Delay: time.Hour}},
	} {
		header := http.Header{"Retry-After": {test.retryAfter}, "Date": {test.date}}
		e, _ := httperr.Parse(503, header, []byte(test.body), sdk.Catalog())
		if got := e.Retry(); got != test.want {
			t.Errorf("%s, Retry-After %q: %v, want %v", test.body, test.retryAfter, got, test.want)
		}
	}
}

func TestFromResponseLeavesTheBodyWhole(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		kind   string
		body   string
	}{
		"error":         {500, "application/json", `{"code":4115,"message":"no f"}`},
		"success":       {200, "application/json", `{"functions":[1,2,3]}`},
		"long success":  {200, "application/problem+json", `"` + strings.Repeat("x", 2*httperr.MaxBody) + `"`},
		"other content": {200, "text/event-stream", "data: 1\n\n"},
	} {
		closed := false
		body := iotest.OneByteReader(strings.NewReader(test.body))
		if len(test.body) > 1000 {
			body = strings.NewReader(test.body)
		}
		resp := &http.Response{
			StatusCode: test.status, Header: http.Header{"Content-Type": {test.kind}},
			Body: closer{body, func() { closed = true }},
		}
		_, _ = httperr.FromResponse(resp)
		got, err := io.ReadAll(resp.Body)
		if err != nil || string(got) != test.body {
			t.Errorf("%s: %d bytes are left of %d, %v", name, len(got), len(test.body), err)
		}
		if closed {
			t.Errorf("%s: the body is closed", name)
		}
		if resp.Body.Close(); !closed {
			t.Errorf("%s: the body cannot be closed", name)
		}
	}
}

type closer struct {
	io.Reader
	close func()
}

func (c closer) Close() error { c.close(); return nil }

func TestFromResponseReadsABoundedBody(t *testing.T) {
	read := 0
	endless := readerFunc(func(b []byte) (int, error) {
		read += len(b)
		return copy(b, bytes.Repeat([]byte{' '}, len(b))), nil
	})
	resp := &http.Response{
		StatusCode: 500, Header: http.Header{"Content-Type": {"application/json"}, "X-Inner-Code": {"4115"}},
		Body: io.NopCloser(endless),
	}
	if e, _ := httperr.FromResponse(resp); e.Code() != rest.FunctionNotFound {
		t.Errorf("FromResponse = %v, want the code in the header", e)
	}
	if read > 2*httperr.MaxBody {
		t.Errorf("%d bytes are read", read)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func TestFromResponseOfABrokenBody(t *testing.T) {
	broken := errors.New("connection reset")
	for _, code := range []int{200, 500} {
		resp := &http.Response{
			StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(io.MultiReader(strings.NewReader(`{"code":41`), iotest.ErrReader(broken))),
		}
		if e, ok := httperr.FromResponse(resp); ok != (code == 500) {
			t.Errorf("status %d: FromResponse = %v, %v", code, e, ok)
		}
		if got, err := io.ReadAll(resp.Body); err != broken || string(got) != `{"code":41` {
			t.Errorf("status %d: the rest reads as %q, %v; want what came and %v", code, got, err, broken)
		}
	}
}

func TestFromResponseOfNothing(t *testing.T) {
	if e, ok := httperr.FromResponse(nil); ok {
		t.Errorf("FromResponse(nil) = %v", e)
	}
	if e, ok := httperr.FromResponse(&http.Response{StatusCode: 204}); ok {
		t.Errorf("FromResponse(204) = %v", e)
	}
	if e, ok := httperr.FromResponse(&http.Response{StatusCode: 404}); !ok || e.GRPCCode() != codes.NotFound {
		t.Errorf("FromResponse(404) = %v, %v; want NOT_FOUND", e, ok)
	}
}

func FuzzParse(f *testing.F) {
	for _, body := range []string{
		`{"code":4115,"message":"no f"}`, `{"errorCode":6030,"errorMessage":""}`, `{"error":{"code":1,"message":"x"}}`,
		`{"code":1003,"message":"m","reason":"R","domain":"d","grpc_code":"ABORTED","retry":{"class":"SAFE","delay_ms":1},"metadata":{"k":"v"},"request_id":"r"}`,
		`{"code":"X","message":null}`, `{"error":"x"}`, "code: 1003, message: x", "[", `{"metadata":{"\ud800":"\ud800"},"domain":"d","code":5,"message":"x"}`,
	} {
		f.Add(500, "4115", "1", body)
		f.Add(200, "0", "", body)
	}
	f.Fuzz(func(t *testing.T, code int, inner, retryAfter, body string) {
		header := http.Header{"X-Inner-Code": {inner}, "Retry-After": {retryAfter}}
		e, ok := httperr.Parse(code, header, []byte(body))
		if ok != (e != nil) || code >= 400 && !ok {
			t.Fatalf("Parse = %v, %v", e, ok)
		}
		if !ok {
			return
		}
		if e.GRPCCode() == codes.OK || e.GRPCCode() > codes.Unauthenticated || e.Retry().Delay < 0 || e.Retry().Delay > rpcerr.MaxRetryDelay {
			t.Fatalf("Parse = %v", e.LogValue())
		}
		// It can be written again, and is the same then, or what it is relayed as.
		want := mapping.Relay(e)
		again, ok := httperr.FromResponse(written(e))
		if !ok || again.Code().Domain() != want.Code().Domain() || again.Code().Number() != want.Code().Number() ||
			again.GRPCCode() != want.GRPCCode() || again.Retry() != want.Retry() {
			t.Fatalf("%v\nwritten and read again: %v", e.LogValue(), again.LogValue())
		}
		if body, _ := io.ReadAll(written(e).Body); !json.Valid(body) {
			t.Fatalf("the body %q is no JSON", body)
		}
	})
}

// Headers that stood there before belong to another answer.
func TestWriteRemovesStaleHeaders(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	w.Header().Set("X-Inner-Code", "1002")
	w.Header().Set("Retry-After", "5")
	httperr.Write(w, status.Error(codes.InvalidArgument, "bad"))
	if got := w.Header(); got.Get("X-Inner-Code") != "" || got.Get("Retry-After") != "" {
		t.Errorf("headers %v, want neither X-Inner-Code nor Retry-After", got)
	}
}

// What a service could not reach is not for its own callers to know.
func TestWriteHidesTheTextOfOthers(t *testing.T) {
	t.Parallel()
	e, _ := mapping.FromStatus(status.New(codes.Unavailable, "connection error: dial tcp 10.0.0.7:22"))
	w := httptest.NewRecorder()
	httperr.Write(w, e)
	if body := w.Body.String(); strings.Contains(body, "10.0.0.7") || !strings.Contains(body, `"code":3002`) {
		t.Errorf("body %s, want 3002 with the catalogue's text", body)
	}
}

// An error that a service in the middle passed on is not to be repeated on the mere
// presence of a header.
func TestWriteOfAPassedOnError(t *testing.T) {
	t.Parallel()
	details := []protoadapt.MessageV1{
		&errorsv1.ErrorInfo{Domain: sdk.Domain, Number: 1002, Retry: &errorsv1.RetryHint{Class: errorsv1.RetryClass_RETRY_CLASS_SAFE, DelayMs: 1000}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)},
	}
	for n, want := range map[int]string{1: "", 2: "1"} { // without RetryInfo and with it
		st, err := status.New(codes.ResourceExhausted, "full").WithDetails(details[:n]...)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		httperr.Write(w, st.Err())
		if got := w.Header().Get("Retry-After"); got != want {
			t.Errorf("with %d details: Retry-After %q, want %q", n, got, want)
		}
	}
}
