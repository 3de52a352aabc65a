package httperr_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/httperr"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

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
		{"a name that nobody knows", 404, jsonType, "", `{"code":"SESSION_NOT_FOUND","message":"no s"}`, nil, mapping.Code{}, codes.NotFound, "code SESSION_NOT_FOUND: no s"},
		{"a number in quotes", 500, jsonType, "", `{"code":"4115","message":"no f"}`, nil, rest.FunctionNotFound, codes.NotFound, "no f"},
		{"of the scheduler", 200, textType, "", `{"errorCode":150444,"errorMessage":"no label","schedulerTime":0.1}`, nil, rest.InstanceLabelNotFound, codes.NotFound, "no label"},
		{"of the scheduler, success", 200, textType, "", `{"errorCode":6030,"errorMessage":"","schedulerTime":0.1}`, nil, mapping.Code{}, codes.OK, ""},
		{"plain text", 400, textType, "", "create to 10.0.0.7:8080 failed, code: 1003, message: no a1", nil, sdk.InstanceNotFound, codes.InvalidArgument, "create to 10.0.0.7:8080 failed, code: 1003, message: no a1"},
		{"plain text without a code", 400, textType, "", "bad function name\n", nil, mapping.Code{}, codes.InvalidArgument, "bad function name"},
		{"nested", 400, jsonType, "", `{"error":{"code":4104,"message":"bad name"}}`, nil, rest.InvalidUserParam, codes.InvalidArgument, "bad name"},
		{"nested, HTTP 200", 200, jsonType, "", `{"error":{"code":4104,"message":"bad name"}}`, nil, rest.InvalidUserParam, codes.InvalidArgument, "bad name"},
		{"nested, null", 200, jsonType, "", `{"error":null,"data":1}`, nil, mapping.Code{}, codes.OK, ""},
		{"a text as error", 500, jsonType, "", `{"error":"out of luck"}`, nil, rpcerrInferred, codes.Internal, "out of luck"},
		{"code in the header only, HTTP 200, no body", 200, "", "9000", "", both, sdk.Finalized, codes.FailedPrecondition, sdk.Finalized.Description("en")},
		{"code in the header only, HTTP 500", 500, "text/html", "4115", "<html>", nil, rest.FunctionNotFound, codes.NotFound, rest.FunctionNotFound.Description("en")},
		{"code in the header only, HTTP 200, a text", 200, textType, "4115", "done", nil, rest.FunctionNotFound, codes.NotFound, rest.FunctionNotFound.Description("en")},
		{"a header that says success", 200, "", "200", "", nil, mapping.Code{}, codes.OK, ""},
		{"a header that is no number", 200, "", "none", "", nil, mapping.Code{}, codes.OK, ""},
		{"quoted twice", 500, jsonType, "", `{"code":4115,"message":"\"no f\""}`, nil, rest.FunctionNotFound, codes.NotFound, "no f"},
		{"quoted by the sender", 500, jsonType, "", `{"code":4115,"message":"'f'"}`, nil, rest.FunctionNotFound, codes.NotFound, "'f'"},
		{"a code in a text in JSON", 404, jsonType, "", `{"code":404,"message":"code: 1003, message: x"}`, both, mapping.Code{}, codes.NotFound, "code: 1003, message: x"},
		{"a code in a text as error", 404, jsonType, "", `{"error":"code: 1003, message: x"}`, both, mapping.Code{}, codes.NotFound, "code: 1003, message: x"},
		{"no message", 500, jsonType, "", `{"code":4115}`, nil, rest.FunctionNotFound, codes.NotFound, rest.FunctionNotFound.Description("en")},
		{"a message that is JSON", 500, textType, "2002", `{"code":2002,"message":{ "error": "boom" },"trace_id":"t1"}`, nil, sdk.UserFunctionException, codes.Unknown, `{"error":"boom"}`},
		{"a message that is a list", 500, textType, "2002", `{"code":2002,"message":[ "boom", 1 ]}`, nil, sdk.UserFunctionException, codes.Unknown, `["boom",1]`},
		{"a message that is null", 500, jsonType, "", `{"code":4115,"message":null}`, nil, rest.FunctionNotFound, codes.NotFound, rest.FunctionNotFound.Description("en")},
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
			if strings.HasPrefix(test.name, "plain text") && !test.want.IsZero() && !e.Parsed() {
				t.Error("a code out of a text is not marked as parsed")
			}
		})
	}
}

// What an error without a code is inferred to be, as of a status.
var rpcerrInferred, rpcerrUnreachable = sdk.InnerSystemError, sdk.InnerCommunication

// The catalogues say what a number without a domain means.
func TestParseAssumesTheDomain(t *testing.T) {
	const frontends, nested, bare = `{"code":%d,"message":"m"}`, `{"error":{"code":%d,"message":"m"}}`, `{"code":%d,"msg":"m"}`
	const schedulers = `{"errorCode":%d,"errorMessage":"m"}`
	for _, test := range []struct {
		name     string
		form     string
		number   int32
		catalogs []*mapping.Catalog
		domain   string
		listed   bool
	}{
		{"rest comes first", frontends, 4115, nil, rest.Domain, true},
		{"then sdk", frontends, 1003, nil, sdk.Domain, true},
		{"none", frontends, 9011, nil, rest.Domain, false},
		{"4002 of a function that has thrown", frontends, 4002, nil, rest.Domain, false},
		{"4201 of a function that did not start", frontends, 4201, nil, rest.Domain, false},
		{"3008 between runtime and frontend", frontends, 3008, nil, rest.Domain, false},
		{"3009 between runtime and frontend", frontends, 3009, nil, rest.Domain, false},
		{"4001, the first of the frontend's own", frontends, 4001, nil, rest.Domain, false},
		{"4009, the last of them", frontends, 4009, nil, rest.Domain, false},
		{"3010, which the SDK means too", frontends, 3010, nil, sdk.Domain, true},
		{"1002 of the dashboard", bare, 1002, nil, rest.Domain, false},
		{"1002 of a WebSocket", nested, 1002, nil, rest.Domain, false},
		{"1003 of the scheduler", schedulers, 1003, nil, rest.Domain, false},
		{"150444 of the scheduler", schedulers, 150444, nil, rest.Domain, true},
		{"4115 nested", nested, 4115, nil, rest.Domain, true},
		{"4002 where sdk is named", frontends, 4002, []*mapping.Catalog{sdk.Catalog()}, sdk.Domain, true},
		{"1002 where sdk is named", bare, 1002, []*mapping.Catalog{nil, sdk.Catalog()}, sdk.Domain, true},
		{"4115 where only sdk is named", frontends, 4115, []*mapping.Catalog{sdk.Catalog()}, sdk.Domain, false},
		{"no catalogue is named", frontends, 1003, []*mapping.Catalog{nil}, sdk.Domain, true},
		{"the body names it", `{"code":%d,"message":"m","domain":"sdk.yuanrong"}`, 4002, nil, sdk.Domain, true},
		{"the body names another, and a number that is success elsewhere", `{"code":%d,"message":"m","domain":"shop.example.com"}`, 200, nil, "shop.example.com", false},
		{"the body names another", `{"code":%d,"message":"m","domain":"shop.example.com"}`, 4115, nil, "shop.example.com", false},
	} {
		e, ok := httperr.Parse(500, nil, fmt.Appendf(nil, test.form, test.number), test.catalogs...)
		c := e.Code()
		if !ok || c.Number() != test.number || c.Domain() != test.domain || c.Listed() != test.listed {
			t.Errorf("%s: %v, want number %d of %s, listed: %v", test.name, e.LogValue(), test.number, test.domain, test.listed)
		}
		if !test.listed && e.Retry() != (mapping.Retry{Class: mapping.Never}) {
			t.Errorf("%s: %v, want NEVER", test.name, e.Retry())
		}
	}
}

// A number belongs to one of the platform's catalogues, or to none.
func TestPlatformsCataloguesAreDisjoint(t *testing.T) {
	for c := range rest.Catalog().All() {
		if other, ok := sdk.Catalog().Lookup(c.Number()); ok {
			t.Errorf("%v is also %v", c, other)
		}
	}
}

// What stands in the place of the code, in a body that is an error by its form.
func TestParseOfNumbers(t *testing.T) {
	const success = -1
	for _, test := range []struct {
		code string
		// What it is with status 200, 400 and 500: a number, success, or 0 for an error
		// without a platform code, whose message is given.
		number  int32
		grpc    codes.Code
		message string // with 200
		at500   int32
	}{
		{"0", success, 0, "", 0},
		{"0.0", success, 0, "", 0},
		{"-0", success, 0, "", 0},
		{`"0"`, success, 0, "", 0},
		{`""`, success, 0, "", 0},
		{"null", success, 0, "", 0},
		{"true", success, 0, "", 0},
		{"[4115]", success, 0, "", 0},
		{`{"code":4115}`, success, 0, "", 0},
		{"1", 1, codes.Unknown, "m", 1},
		{"42", 42, codes.Unknown, "m", 42},
		{"99", 99, codes.Unknown, "m", 99},
		{"100", success, 0, "", 0},
		{"200", success, 0, "", 0},
		{"399", success, 0, "", 0},
		{"400", 0, codes.InvalidArgument, "m", 0},
		{"404", 0, codes.NotFound, "m", 0},
		{`"404"`, 0, codes.NotFound, "m", 0},
		{"599", 3003, codes.Unknown, "m", 0},
		{"600", 600, codes.Unknown, "m", 600},
		{"999", 999, codes.Unknown, "m", 999},
		{"9011", 9011, codes.Unknown, "m", 9011},
		{"4115", 4115, codes.NotFound, "m", 4115},
		{"4115.0", 4115, codes.NotFound, "m", 4115},
		{"4.115e3", 4115, codes.NotFound, "m", 4115},
		{`" 4115 "`, 4115, codes.NotFound, "m", 4115},
		{"6030", 6030, codes.Unknown, "m", 6030}, // a success only as errorCode
		{"200199", 200199, codes.Unknown, "m", 200199},
		{"200200", success, 0, "", 0},
		{"200204", success, 0, "", 0},
		{"200399", success, 0, "", 0},
		{"200400", 200400, codes.Unknown, "m", 200400},
		{"2147483647", 2147483647, codes.Unknown, "m", 2147483647},
		{"2147483648", 3003, codes.Unknown, "code 2147483648: m", 0},
		{"4294971411", 3003, codes.Unknown, "code 4294971411: m", 0}, // 4115 in the low half
		{"-1", 3003, codes.Unknown, "code -1: m", 0},
		{"-4115", 3003, codes.Unknown, "code -4115: m", 0},
		{"4115.5", 3003, codes.Unknown, "code 4115.5: m", 0},
		{"1e400", 3003, codes.Unknown, "code 1e400: m", 0},
		{strings.Repeat("9", 100), 3003, codes.Unknown, "code " + strings.Repeat("9", 64-len("…")) + "…: m", 0},
		{`"FUNCTION_NOT_FOUND"`, 4115, codes.NotFound, "m", 4115},
		{`"ERR_INSTANCE_NOT_FOUND"`, 1003, codes.NotFound, "m", 1003},
		{`"OK"`, success, 0, "", 0},
		{`"` + strings.Repeat("n", 100) + `"`, success, 0, "", 0},
		{`"0x1p4"`, success, 0, "", 0},
		{`"function_not_found"`, success, 0, "", 0},
	} {
		body := []byte(`{"code":` + test.code + `,"message":"m"}`)
		e, ok := httperr.Parse(200, nil, body)
		if ok != (test.number != success) {
			t.Errorf("code %s, status 200: %v, %v", test.code, e, ok)
		} else if ok && (e.Code().Number() != test.number || e.GRPCCode() != test.grpc || e.Message() != test.message) {
			t.Errorf("code %s, status 200: %v, %v; want number %d, %v, %q", test.code, e, e.GRPCCode(), test.number, test.grpc, test.message)
		}
		if ok && !e.Code().Listed() && e.Retry() != (mapping.Retry{Class: mapping.Never}) {
			t.Errorf("code %s, status 200: %v, want NEVER", test.code, e.Retry())
		}
		e, ok = httperr.Parse(403, nil, body)
		switch number := e.Code().Number(); {
		case !ok || number != test.at500:
			t.Errorf("code %s, status 403: %v, %v; want number %d", test.code, e, ok, test.at500)
		case number == 0 && e.GRPCCode() != codes.PermissionDenied:
			t.Errorf("code %s, status 403: %v, want that of the status", test.code, e.GRPCCode())
		case !strings.HasSuffix(e.Message(), "m") || len(e.Message()) > len("code : m")+64:
			t.Errorf("code %s, status 403: message %q, want m at its end, and at most 64 bytes of the code", test.code, e.Message())
		}
		// The same number in the header alone.
		alone := http.Header{"X-Inner-Code": {strings.Trim(test.code, `"`)}}
		if e, ok := httperr.Parse(200, alone, nil); test.number > 0 && (!ok || e.Code().Number() != test.number) {
			t.Errorf("X-Inner-Code: %s: %v, want number %d", test.code, e, test.number)
		} else if test.number == success && ok {
			t.Errorf("X-Inner-Code: %s: %v, want success", test.code, e)
		}
	}
}

// Bodies of others, with a status below 400.
func TestParseLeavesInnocentBodiesAlone(t *testing.T) {
	for _, body := range []string{
		`{"code":4115}`,
		`{"code":4115,"name":"f"}`,
		`{"code":4115,"msg":"m"}`,
		`{"code":4115,"message":null}`,
		`{"code":4115,"message":7}`,
		`{"code":4115,"message":{"text":"m"}}`,
		`{"Code":4115,"Message":"m"}`,
		`{"CODE":4115,"message":"m"}`,
		`{"data":{"code":4115,"message":"m"}}`,
		`{"code":"DE","message":"Guten Tag"}`,
		`{"code":"ok","message":"done","data":[]}`,
		`{"code":200,"message":"ok","domain":"example.com"}`,
		`{"error":"none"}`,
		`{"error":"none","code":0,"message":"m"}`,
		`{"error":{"code":4115}}`,
		`{"error":[{"code":4115,"message":"m"}]}`,
		`{"message":"code: 1003, message: x"}`,
		`{"errorCode":6030,"errorMessage":"x"}`,
		`{"errorCode":0,"errorMessage":"x"}`,
		`{"errorCode":4115}`,
		`[{"code":4115,"message":"m"}]`,
		`"code: 1003, message: x"`,
		`{"code":4115,"message":"m"`, // it may go on in any way
		`{}`, `null`, ``, `{`,
	} {
		if e, ok := httperr.Parse(200, nil, []byte(body)); ok {
			t.Errorf("%s is %v, want no error", body, e)
		}
	}
}

// The body is then what a function has returned, of which the platform knows nothing.
func TestParseBelievesAHeaderThatSaysFine(t *testing.T) {
	fine := http.Header{"X-Inner-Code": {"0"}}
	body := []byte(`{"code":1003,"message":"the function's own"}`)
	if e, ok := httperr.Parse(200, fine, body); ok {
		t.Errorf("status 200: %v, want success", e)
	}
	if e, ok := httperr.Parse(500, fine, body); !ok || e.Code() != sdk.InstanceNotFound {
		t.Errorf("status 500: %v, want 1003", e)
	}
}

func TestParseOfHostileBodies(t *testing.T) {
	deep := strings.Repeat(`{"error":`, 20000) + "1" + strings.Repeat("}", 20000)
	for _, test := range []struct {
		name, body string
		number     int32
		message    string
	}{
		{"the last of two counts", `{"code":1,"code":4115,"message":"x","message":"m"}`, 4115, "m"},
		{"also if it is no code", `{"code":4115,"code":null,"message":"m"}`, 4299, "m"},
		{"the number of another form", `{"code":4115,"errorCode":1003,"message":"m","errorMessage":"x"}`, 4115, "m"},
		{"an error beside a code", `{"code":4115,"message":"m","error":{"code":1003,"message":"x"}}`, 4115, "m"},
		{"invalid UTF-8", "{\"code\":4115,\"message\":\"m\xff\"}", 4115, "m\uFFFD"},
		{"half a surrogate", `{"code":4115,"message":"m\ud800"}`, 4115, "m\uFFFD"},
		{"a NUL", `{"code":4115,"message":"m\u0000"}`, 4115, "m\x00"},
		{"members of other types", `{"code":4115,"message":"m","retry":7,"metadata":[],"domain":1,"request_id":{},"grpc_code":5,"details":{}}`, 4115, "m"},
		{"something behind it", `{"code":4115,"message":"m"}{"code":1003,"message":"x"}`, 4115, "m"},
		{"blanks in front", " \r\n\t" + `{"code":4115,"message":"m"}`, 4115, "m"},
		{"depth beside the code", `{"code":4115,"message":"m","error":` + deep + `}`, 4299, "Internal Server Error"},
		{"depth", deep, 4299, "Internal Server Error"},
		{"half an object", `{"code":4115,"message":"m"`, 4299, "Internal Server Error"},
		{"a key that is none", `{4115:1}`, 4299, "Internal Server Error"},
	} {
		// The header tells what is left where the body tells nothing.
		header := http.Header{"X-Inner-Code": {"4299"}, "Content-Type": {"application/json"}}
		e, ok := httperr.Parse(500, header, []byte(test.body))
		want := test.message
		if want == "Internal Server Error" {
			want = sdk.DatasystemFailed.Description("en")
		}
		if !ok || e.Code().Number() != test.number || e.Message() != want {
			t.Errorf("%s: %v, want number %d and %q", test.name, e, test.number, want)
		}
	}
}

// gRPC-Gateway's own form of an error has gRPC's numbers.
func TestParseOfGRPCGatewaysBody(t *testing.T) {
	for _, test := range []struct {
		status int
		body   string
	}{
		{404, `{"code":5,"message":"m","details":[]}`},
		{500, `{"code":5,"message":"m","details":[{"@type":"type.googleapis.com/google.rpc.Help"}]}`},
		{200, `{"error":{"code":5,"message":"m","details":[]}}`},
	} {
		e, ok := httperr.Parse(test.status, nil, []byte(test.body))
		if !ok || !e.Code().IsZero() || e.GRPCCode() != codes.NotFound || e.Message() != "m" {
			t.Errorf("status %d, %s: %v, %v; want NOT_FOUND without a platform code", test.status, test.body, e, e.GRPCCode())
		}
	}
}

// Whatever a failed response says, it is an error.
func TestParseOfAGRPCCodeOK(t *testing.T) {
	for _, body := range []string{
		`{"code":500,"message":"m","grpc_code":"OK"}`,
		`{"code":4115,"message":"m","domain":"rest.yuanrong","grpc_code":"OK"}`,
		`{"code":0,"message":"m","details":[]}`,
	} {
		e, ok := httperr.Parse(500, nil, []byte(body))
		if !ok || e == nil || e.Message() != "m" || e.GRPCStatus().Code() == codes.OK {
			t.Errorf("%s: %v, %v; want an error", body, e, ok)
		}
	}
	e, _ := httperr.Parse(401, nil, []byte(`{"code":16,"message":"m","details":[]}`))
	if !e.Code().IsZero() || e.GRPCCode() != codes.Unauthenticated {
		t.Errorf("the last of gRPC's codes is %v, %v; want UNAUTHENTICATED", e.Code(), e.GRPCCode())
	}
	e, _ = httperr.Parse(401, nil, []byte(`{"code":17,"message":"m","details":[]}`))
	if e.Code().Number() != 17 {
		t.Errorf("one more is %v, want number 17", e.Code())
	}
}

func TestParseFindsTheRequestID(t *testing.T) {
	for _, test := range []struct {
		body   string
		header http.Header
	}{
		{`{"code":4115,"message":"m","request_id":"r1","trace_id":"x"}`, http.Header{"X-Request-Id": {"x"}}},
		{`{"code":4115,"message":"m","trace_id":"r1"}`, http.Header{"X-Request-Id": {"x"}}},
		{`{"code":4115,"message":"m"}`, http.Header{"X-Request-Id": {"r1"}, "X-Trace-Id": {"x"}}},
		{`{"code":4115,"message":"m"}`, http.Header{"X-Trace-Id": {"r1"}}},
		{`{"error":{"code":4115,"message":"m"},"trace_id":"r1"}`, nil},
		{`{"error":{"code":4115,"message":"m","request_id":"r1"},"trace_id":"x"}`, nil},
		{`{"code":500,"message":"m","grpc_code":"INTERNAL","request_id":"r1"}`, nil}, // without a platform code
		{"no such page", http.Header{"X-Request-Id": {"r1"}}},
	} {
		if e, _ := httperr.Parse(500, test.header, []byte(test.body)); e.RequestID() != "r1" {
			t.Errorf("%s, %v: request id %q, want r1", test.body, test.header, e.RequestID())
		}
	}
	// One bad byte in a header does not cost the code.
	e, _ := httperr.Parse(500, http.Header{"X-Request-Id": {"r\xff"}}, []byte(`{"code":4115,"message":"m"}`))
	if e.Code() != rest.FunctionNotFound || e.RequestID() != "r\uFFFD" {
		t.Errorf("a request id with a bad byte: %v, %q", e, e.RequestID())
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
		{`{"code":1005,"message":"m"}`, " 7 ", "", mapping.Retry{Class: mapping.Safe, Delay: 7 * time.Second}}, // as HTTP/2 brings it
		{`{"code":1005,"message":"m"}`, "0", "", mapping.Retry{Class: mapping.Safe, Delay: time.Second}},
		{`{"code":1005,"message":"m"}`, later, date, mapping.Retry{Class: mapping.Safe, Delay: 7 * time.Second}},
		{`{"code":1005,"message":"m"}`, later, "", mapping.Retry{Class: mapping.Safe, Delay: time.Second}},
		{`{"code":1005,"message":"m"}`, "-5", "", mapping.Retry{Class: mapping.Safe, Delay: time.Second}},
		{`{"code":1005,"message":"m"}`, "soon", "", mapping.Retry{Class: mapping.Safe, Delay: time.Second}},
		{`{"code":1005,"message":"m"}`, "9223372036854775807", "", mapping.Retry{Class: mapping.Safe, Delay: time.Hour}},
		{`{"code":1001,"message":"m"}`, "7", "", mapping.Retry{Class: mapping.Never}},
		{`{"code":3003,"message":"m"}`, "7", "", mapping.Retry{Class: mapping.Idempotent, Delay: 7 * time.Second}},
		// The exact figure is in the body, unless more was asked for on the way.
		{`{"code":1005,"message":"m","domain":"sdk.yuanrong","retry":{"class":"SAFE","delay_ms":1500}}`, "2", "", mapping.Retry{Class: mapping.Safe, Delay: 1500 * time.Millisecond}},
		{`{"code":1005,"message":"m","domain":"sdk.yuanrong","retry":{"class":"SAFE","delay_ms":1500}}`, "3", "", mapping.Retry{Class: mapping.Safe, Delay: 3 * time.Second}},
		{`{"code":1005,"message":"m","domain":"sdk.yuanrong","retry":{"class":"SAFE","delay_ms":1500}}`, "1", "", mapping.Retry{Class: mapping.Safe, Delay: 1500 * time.Millisecond}},
		{`{"code":1005,"message":"m","domain":"sdk.yuanrong","retry":{"class":"IDEMPOTENT"}}`, "3", "", mapping.Retry{Class: mapping.Idempotent, Delay: 3 * time.Second}},
		{`{"code":1005,"message":"m","domain":"sdk.yuanrong","retry":{"class":"NEVER"}}`, "3", "", mapping.Retry{Class: mapping.Never}},
		{`{"code":1005,"message":"m","domain":"shop.example.com"}`, "3", "", mapping.Retry{Class: mapping.Never}},
		// Without a code the gRPC code decides, here UNAVAILABLE.
		{`Service Unavailable`, "", "", mapping.Retry{Class: mapping.Idempotent, Delay: 500 * time.Millisecond}},
		{`Service Unavailable`, "0", "", mapping.Retry{Class: mapping.Idempotent, Delay: 500 * time.Millisecond}},
		{`Service Unavailable`, "30", "", mapping.Retry{Class: mapping.Idempotent, Delay: 30 * time.Second}},
		{`code: 1005, message: m`, "30", "", mapping.Retry{Class: mapping.Idempotent, Delay: 30 * time.Second}}, // a text is never SAFE
		{`code: 1001, message: m`, "30", "", mapping.Retry{Class: mapping.Never}},
		{`{"code":1005,"message":"m","domain":"sdk.yuanrong","retry":{"class":"SAFE","delay_ms":-1}}`, "", "", mapping.Retry{Class: mapping.Safe}},
		{`{"code":1005,"message":"m","domain":"sdk.yuanrong","retry":{"class":"SAFE","delay_ms":9223372036854775807}}`, "", "", mapping.Retry{Class: mapping.Safe, Delay: time.Hour}},
	} {
		header := http.Header{"Retry-After": {test.retryAfter}, "Date": {test.date}}
		e, _ := httperr.Parse(503, header, []byte(test.body), sdk.Catalog())
		if got := e.Retry(); got != test.want {
			t.Errorf("%s, Retry-After %q: %v, want %v", test.body, test.retryAfter, got, test.want)
		}
		for _, detail := range e.GRPCStatus().Details() {
			if info, ok := detail.(*errorsv1.ErrorInfo); ok && info.GetRetry().GetDelayMs() != uint32(test.want.Delay.Milliseconds()) {
				t.Errorf("%s, Retry-After %q: its status says %v, want %v", test.body, test.retryAfter, info.GetRetry(), test.want)
			}
		}
		// What is passed on says the same, and nobody is led to repeat by the header.
		relayed, _ := mapping.FromStatus(new(mapping.Mapper).Map(t.Context(), e).Seal(rpcerr.Wire{}).GRPCStatus())
		if relayed.Retry().Delay != test.want.Delay || relayed.Repeatable(true) != e.Repeatable(true) || relayed.Repeatable(false) {
			t.Errorf("%s, Retry-After %q: relayed %v, repeatable: %v", test.body, test.retryAfter, relayed.Retry(), relayed.Repeatable(false))
		}
	}
}

// Only with Retry-After did the service that answers say that anybody may repeat the call.
func TestParseOfAPassedOnError(t *testing.T) {
	const own = `{"code":1005,"message":"m","domain":"sdk.yuanrong","retry":{"class":"SAFE","delay_ms":1500}}`
	for _, test := range []struct {
		body       string
		retryAfter []string
		want       bool
	}{
		{own, nil, false},
		{own, []string{""}, false},
		{own, []string{"soon"}, false},
		{own, []string{"0"}, true},
		{own, []string{"2"}, true},
		{own, []string{" 2"}, true},
		{`{"code":1005,"message":"m","domain":"sdk.yuanrong"}`, nil, true}, // the catalogue's class
		{`{"code":1005,"message":"m"}`, nil, true},
	} {
		e, _ := httperr.Parse(429, http.Header{"Retry-After": test.retryAfter}, []byte(test.body))
		if e.Retry().Class != mapping.Safe || e.Repeatable(false) != test.want || !e.Repeatable(true) {
			t.Errorf("%s, Retry-After %q: %v, repeatable by anybody: %v, want %v", test.body, test.retryAfter, e.Retry(), e.Repeatable(false), test.want)
		}
	}
}

// Nothing of the first is left in the last.
func TestParseOfMembersThatComeTwice(t *testing.T) {
	const body = `{"code":4999,"message":"m","domain":"rest.yuanrong","reason":"LATER_CODE","request_id":"r1",` +
		`"metadata":{"a":"1"},"metadata":{"b":"2"},` +
		`"retry":{"class":"SAFE","delay_ms":5},"retry":{"class":"HIGHER_LEVEL"},` +
		`"request_id":null,"reason":7}`
	e, _ := httperr.Parse(500, nil, []byte(body))
	if m := e.Metadata(); len(m) != 1 || m["b"] != "2" {
		t.Errorf("metadata %v, want b=2", m)
	}
	if want := (mapping.Retry{Class: mapping.HigherLevel}); e.Retry() != want {
		t.Errorf("retry %v, want %v", e.Retry(), want)
	}
	if e.RequestID() != "" || e.Reason() != "" {
		t.Errorf("request id %q, reason %q; want none", e.RequestID(), e.Reason())
	}
}
