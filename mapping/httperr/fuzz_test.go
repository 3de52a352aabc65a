package httperr_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/httperr"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// The seeds of the fuzz targets that some service writes are added by the targets. What
// none writes lies in testdata/fuzz, a file for each case. go test runs them all.

// FuzzParse reads responses of any form, and writes again what it read.
func FuzzParse(f *testing.F) {
	for _, body := range []string{
		`{"code":4115,"message":"no f"}`, `{"errorCode":6030,"errorMessage":""}`, `{"error":{"code":1,"message":"x"}}`,
		`{"code":1003,"message":"m","reason":"R","domain":"d","grpc_code":"ABORTED","retry":{"class":"SAFE","delay_ms":1},"metadata":{"k":"v"},"request_id":"r"}`,
		`{"code":-1,"message":"x"}`, `{"code":1e400,"message":"\"x\""}`, `{"code":5,"message":"x","details":[]}`, `{"code":2002,"message":{"a":[1]}} {`,
		`{"code":"X","message":null}`, `{"error":"x"}`, "code: 1003, message: x", "no f\xff", "[", `{"metadata":{"\ud800":"\ud800"},"domain":"d","code":5,"message":"x"}`,
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
		for _, text := range [...]string{e.Message(), e.Reason(), e.RequestID(), e.Code().Domain()} {
			if !utf8.ValidString(text) {
				t.Errorf("%q is invalid UTF-8", text)
			}
		}
		// A bad byte anywhere would cost all details of the status when gRPC sends it.
		if _, err := proto.Marshal(e.GRPCStatus().Proto()); err != nil {
			t.Errorf("the status of %v cannot be sent: %v", e.LogValue(), err)
		}
		checkWritten(t, e)
	})
}

// FuzzWrite writes errors with any texts, and reads them again.
func FuzzWrite(f *testing.F) {
	f.Add(uint16(0), "no function", "function", "f", "r1", uint32(0))
	f.Add(uint16(50), `quoted "twice"`, "", "", "", uint32(1500))
	f.Add(uint16(2), `"quoted"`, "a b", "\x00", "r\n", uint32(1<<31))
	f.Add(uint16(200), "", "", "", "", uint32(0))
	var all []mapping.Code
	for catalog := range mapping.Catalogs() {
		all = slices.AppendSeq(all, catalog.All())
	}
	f.Fuzz(func(t *testing.T, n uint16, message, key, value, id string, delay uint32) {
		e := rpcerr.Plain(codes.Code(n%18), message)
		if int(n) < len(all) {
			e = all[n].Errorf("%s", message).RetryAfter(time.Duration(delay) * time.Millisecond)
		}
		if key != "" {
			e = e.With(key, value)
		}
		checkWritten(t, e.WithRequestID(id))
	})
}

// checkWritten writes an error as an answer, and holds what is read of that to what the
// mapper makes of the error.
func checkWritten(t *testing.T, e *mapping.Error) {
	want := new(mapping.Mapper).Map(t.Context(), e)
	resp := written(e)
	got, ok := httperr.FromResponse(resp)
	if !ok || got.GRPCCode() != want.GRPCCode() || got.Message() != want.Message() || got.RequestID() != want.RequestID() {
		t.Fatalf("%v\nwritten and read again: %v", want.LogValue(), got.LogValue())
	}
	if want.Code().IsZero() {
		if !got.Code().IsZero() && !got.Inferred() {
			t.Fatalf("%v\nwritten and read again: %v", want.LogValue(), got.LogValue())
		}
	} else if got.Code() != want.Code() || got.Reason() != want.Reason() || got.Retry() != want.Retry() ||
		!maps.Equal(got.Metadata(), want.Metadata()) {
		t.Fatalf("%v\nwritten and read again: %v", want.LogValue(), got.LogValue())
	}
	if anybody := want.Origin() == mapping.OriginLocal && want.Repeatable(false); got.Repeatable(false) != anybody {
		t.Fatalf("%v\nmay be repeated by anybody: %v, want %v", got.LogValue(), got.Repeatable(false), anybody)
	}
	if body, err := io.ReadAll(resp.Body); err != nil || !json.Valid(body) || len(body) > httperr.MaxBody {
		t.Fatalf("the body %q is no JSON, %v", body, err)
	}
}
