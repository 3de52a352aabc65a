package httperr_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/httperr"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

func FuzzParse(f *testing.F) {
	for _, body := range []string{
		`{"code":4115,"message":"no f"}`, `{"errorCode":6030,"errorMessage":""}`, `{"error":{"code":1,"message":"x"}}`,
		`{"code":1003,"message":"m","reason":"R","domain":"d","grpc_code":"ABORTED","retry":{"class":"SAFE","delay_ms":1},"metadata":{"k":"v"},"request_id":"r"}`,
		`{"code":-1,"message":"x"}`, `{"code":1e400,"message":"\"x\""}`, `{"code":5,"message":"x","details":[]}`, `{"code":2002,"message":{"a":[1]}} {`,
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
		// However it is read, the body stays whole, and what it says is the same.
		header.Set("Content-Type", "application/json")
		resp := &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}
		parsed, _ := httperr.Parse(code, header, []byte(body))
		received, _ := httperr.FromResponse(resp)
		if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != body {
			t.Fatalf("the body is %q then, %v", rest, err)
		}
		if parsed.LogValue().String() != received.LogValue().String() {
			t.Fatalf("FromResponse = %v, Parse = %v", received.LogValue(), parsed.LogValue())
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
