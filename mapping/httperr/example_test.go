package httperr_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/httperr"
)

func Example() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httperr.Write(w, rest.FunctionNotFound.Errorf("no function %q", "f").With("function", "f"))
	}))
	defer srv.Close()

	resp, err := http.Get(srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	if e, failed := httperr.FromResponse(resp); failed {
		fmt.Println(resp.Status)
		fmt.Println(errors.Is(e, rest.FunctionNotFound), e.Metadata()["function"])
		fmt.Println(e)
	}
	// Output:
	// 404 Not Found
	// true f
	// FUNCTION_NOT_FOUND (4115): no function "f"
}

// The platform's own answers have many forms.
func ExampleParse() {
	header := http.Header{"X-Inner-Code": {"9000"}}
	for _, r := range []struct {
		status int
		header http.Header
		body   string
	}{
		{500, nil, `{"code":1003,"message":"no a1","trace_id":"t1"}`},              // an invocation
		{200, nil, `{"code":4115,"message":"no f"}`},                               // an error all the same
		{200, nil, `{"errorCode":150444,"errorMessage":"no l","schedulerTime":1}`}, // the scheduler
		{200, nil, `{"errorCode":6030,"errorMessage":"","schedulerTime":1}`},       // its success
		{200, header, ``}, // the scheduler that shuts down
		{400, nil, "create to 10.0.0.7 failed, code: 1002, message: full"},
		{503, nil, `<html>nginx</html>`},
	} {
		e, failed := httperr.Parse(r.status, r.header, []byte(r.body))
		fmt.Println(failed, e.Code().Number(), errors.Is(e, sdk.InstanceNotFound), e.Retry())
	}
	// Output:
	// true 1003 true HIGHER_LEVEL after 100ms
	// true 4115 false NEVER
	// true 150444 false NEVER
	// false 0 false NEVER
	// true 9000 false HIGHER_LEVEL after 200ms
	// true 1002 false IDEMPOTENT after 1s
	// true 3002 false IDEMPOTENT after 500ms
}

func ExampleWrite() {
	w := httptest.NewRecorder()
	httperr.Write(w, sdk.InvokeRateLimited.Errorf("slow down"))
	resp := w.Result()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, resp.Header.Get("X-Inner-Code"), resp.Header.Get("Retry-After"))
	fmt.Println(string(body))
	// Output:
	// 429 1005 1
	// {"code":1005,"message":"slow down","reason":"INVOKE_RATE_LIMITED","domain":"sdk.yuanrong","grpc_code":"RESOURCE_EXHAUSTED","retry":{"class":"SAFE","delay_ms":1000}}
}

// The request id, and the log of the cause, which the server interceptors would see to.
func ExampleWrite_log() {
	var buf bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&buf, nil))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/functions/f", nil)
	r.Header.Set("X-Request-Id", "r7")
	err := errors.New("dial 10.0.0.7: refused")

	e := new(mapping.Mapper).Map(r.Context(), err)
	if e.RequestID() == "" { // else it is that of the service that raised it
		e = e.WithRequestID(r.Header.Get("X-Request-Id"))
	}
	logger.ErrorContext(r.Context(), "call failed", "error", e) // with the cause, which is not sent
	httperr.Write(w, e)

	got, _ := httperr.FromResponse(w.Result())
	fmt.Println("the client:", got)
	fmt.Println("the log has the cause:", strings.Contains(buf.String(), `error.cause="dial 10.0.0.7: refused"`))
	fmt.Println("and the same id:", strings.Contains(buf.String(), "error.request_id=r7"))
	// Output:
	// the client: INNER_SYSTEM_ERROR (3003): An internal error occurred. (request r7)
	// the log has the cause: true
	// and the same id: true
}

// The platform sends errors with status 200 too. The body can still be read.
func ExampleFromResponse() {
	resp := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(`{"code":4115,"message":"no function"}`))}
	e, ok := httperr.FromResponse(resp)
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(e, ok)
	fmt.Println(string(body))
	// Output:
	// FUNCTION_NOT_FOUND (4115): no function true
	// {"code":4115,"message":"no function"}
}

// A router that knows the path, but not with this method.
func ExampleWriteStatus() {
	w := httptest.NewRecorder()
	httperr.WriteStatus(w, http.StatusMethodNotAllowed, "")
	e, _ := httperr.FromResponse(w.Result())
	fmt.Println(w.Code, e.Message(), e.Code().IsZero())
	// Output:
	// 405 Method Not Allowed true
}

func ExampleStatus() {
	fmt.Println(httperr.Status(codes.ResourceExhausted), httperr.Status(codes.Aborted))
	// Output:
	// 429 409
}
