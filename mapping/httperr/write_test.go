package httperr_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/httperr"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

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

type panics struct{}

func (*panics) Error() string              { panic("no text") }
func (*panics) GRPCStatus() *status.Status { panic("no status") }

// Whatever a handler gives, the client gets one answer, and nothing that was not meant
// for it.
func TestWriteOfAnyError(t *testing.T) {
	received, _ := mapping.FromStatus(status.New(codes.NotFound, "secret"))
	own, _ := mapping.FromStatus(rest.FunctionNotFound.Errorf("no f").GRPCStatus())
	for _, test := range []struct {
		name    string
		err     error
		code    int32 // in the body
		message string
	}{
		{"joined, the first counts", errors.Join(errors.New("secret"), rest.FunctionNotFound.Errorf("no f"), sdk.InstanceNotFound), 4115, "no f"},
		{"a context before a code", errors.Join(context.Canceled, rest.FunctionNotFound), 499, "context canceled"},
		{"a cause behind a code", rest.FunctionNotFound.Wrap(errors.New("secret")), 4115, rest.FunctionNotFound.Description("en")},
		{"of another service, without a code", received, 3003, sdk.InnerSystemError.Description("en")},
		{"the same, wrapped", fmt.Errorf("secret: %w", received), 3003, sdk.InnerSystemError.Description("en")},
		{"the same, joined", errors.Join(io.EOF, received), 3003, sdk.InnerSystemError.Description("en")},
		{"of another service, with a code", fmt.Errorf("secret: %w", own), 4115, "no f"},
		{"a status that says OK", statusError{status.New(codes.OK, "secret")}, 3003, sdk.InnerSystemError.Description("en")},
		{"a status that is nil", statusError{}, 3003, sdk.InnerSystemError.Description("en")},
		{"a typed nil that panics", (*panics)(nil), 3003, sdk.InnerSystemError.Description("en")},
		{"a typed nil in another", fmt.Errorf("secret: %w", (*mapping.Error)(nil)), 3003, sdk.InnerSystemError.Description("en")},
		{"the zero code", mapping.Code{}, 3003, sdk.InnerSystemError.Description("en")},
		{"bytes that are no text", rest.FunctionNotFound.Errorf("no \xff"), 4115, "no \uFFFD"},
	} {
		resp := written(test.err)
		var body struct {
			Code    int32
			Message string
		}
		data, _ := io.ReadAll(resp.Body)
		if err := json.Unmarshal(data, &body); err != nil || body.Code != test.code || body.Message != test.message {
			t.Errorf("%s: the body is %s, want code %d and %q", test.name, data, test.code, test.message)
		}
		if bytes.Contains(data, []byte("secret")) {
			t.Errorf("%s: the body %s has a secret", test.name, data)
		}
	}
}

type statusError struct{ st *status.Status }

func (statusError) Error() string                { return "secret" }
func (e statusError) GRPCStatus() *status.Status { return e.st }

// Rules are for the mapper, whose result is written as it is.
func TestWriteOfAMappedError(t *testing.T) {
	m := &mapping.Mapper{Rules: []mapping.Rule{mapping.WhenIs(io.EOF, rest.ReadBodyError)}}
	e, _ := httperr.FromResponse(written(m.Map(t.Context(), io.EOF)))
	if e.Code() != rest.ReadBodyError {
		t.Errorf("the client got %v, want 121048", e)
	}
}

// Otherwise a reader would find nothing but the number, without its domain.
func TestWriteBoundsTheBody(t *testing.T) {
	for name, err := range map[string]error{
		"message":  rest.FunctionNotFound.Errorf("%s", strings.Repeat("<", httperr.MaxBody)).With("k1", "v"),
		"metadata": rest.FunctionNotFound.Errorf("m").With("k1", strings.Repeat("x", httperr.MaxBody)),
	} {
		resp := written(err)
		body, _ := io.ReadAll(resp.Body)
		if len(body) > httperr.MaxBody {
			t.Errorf("%s: %d bytes, want at most %d", name, len(body), httperr.MaxBody)
		}
		e, _ := httperr.Parse(resp.StatusCode, nil, body)
		if e.Code() != rest.FunctionNotFound || e.Message() == "" {
			t.Errorf("%s: the client got %v", name, e)
		}
	}
}

func TestWriteStatus(t *testing.T) {
	for _, test := range []struct {
		status  int
		message string
		want    int
		body    string
		grpc    codes.Code
	}{
		{404, "", 404, `{"code":404,"message":"Not Found","grpc_code":"NOT_FOUND"}`, codes.NotFound},
		{405, "", 405, `{"code":405,"message":"Method Not Allowed","grpc_code":"UNIMPLEMENTED"}`, codes.Unimplemented},
		{413, "too long", 413, `{"code":413,"message":"too long","grpc_code":"FAILED_PRECONDITION"}`, codes.FailedPrecondition},
		{599, "", 599, `{"code":599,"message":"HTTP status 599","grpc_code":"UNKNOWN"}`, codes.Unknown},
		{200, "", 500, `{"code":500,"message":"Internal Server Error","grpc_code":"INTERNAL"}`, codes.Internal},
		{0, "m", 500, `{"code":500,"message":"m","grpc_code":"INTERNAL"}`, codes.Internal},
		{600, "m", 500, `{"code":500,"message":"m","grpc_code":"INTERNAL"}`, codes.Internal},
		{1000, "m", 500, `{"code":500,"message":"m","grpc_code":"INTERNAL"}`, codes.Internal},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("Retry-After", "5")
		w.Header().Set("Allow", "GET")
		httperr.WriteStatus(w, test.status, test.message)
		resp := w.Result()
		e, ok := httperr.FromResponse(resp)
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != test.want || string(body) != test.body+"\n" {
			t.Errorf("WriteStatus(%d, %q): %d, %s; want %d, %s", test.status, test.message, resp.StatusCode, body, test.want, test.body)
		}
		if !ok || !e.Code().IsZero() && !e.Inferred() || e.GRPCCode() != test.grpc || e.Retry().Class != mapping.Never {
			t.Errorf("WriteStatus(%d, %q) is read as %v", test.status, test.message, e.LogValue())
		}
		if h := resp.Header; h.Get("Retry-After") != "" || h.Get("Allow") != "GET" || h.Get("Content-Type") != "application/json" {
			t.Errorf("WriteStatus(%d, %q): headers %v", test.status, test.message, h)
		}
	}
}

// An error without a platform code comes back as what it is, whatever its text looks like
// and whatever the catalogues list.
func TestHTTPRoundTripOfErrorsWithoutACode(t *testing.T) {
	lists404 := rpcerr.CatalogOf("shop.example.com", []*rpcerr.Row{{
		Domain: "shop.example.com", Number: 404, Reason: "NO_SHOP", GRPC: codes.NotFound, Retry: mapping.Retry{Class: mapping.Safe},
	}}, []uint16{0, 1}, [][256]uint16{{}, {404 - 256: 1}})
	for _, message := range []string{
		"no file", "", `"quoted"`, "no file code: 3002, message: ", `no file "code: ERR_INNER_COMMUNICATION, x"`, "code: 404, message: x",
	} {
		for _, c := range []codes.Code{codes.NotFound, codes.PermissionDenied, codes.Canceled} {
			for name, catalogs := range map[string][]*mapping.Catalog{"none named": nil, "sdk": {sdk.Catalog()}, "one that lists 404": {&lists404}} {
				e, ok := httperr.FromResponse(written(status.Error(c, message)), catalogs...)
				if !ok || !e.Code().IsZero() || e.GRPCCode() != c || e.Message() != message || e.Retry().Class != mapping.Never {
					t.Errorf("%v %q, catalogues: %s: came back as %v", c, message, name, e.LogValue())
				}
			}
		}
	}
	if e, _ := httperr.Parse(404, nil, []byte(`{"code":404,"message":"m"}`), &lists404); e.Code().Reason() != "NO_SHOP" {
		t.Errorf("a body that is not Write's is read as %v, want what the catalogue lists", e.LogValue())
	}
}

// Metadata is that of a code; by an id any error is found in logs.
func TestWriteOfAPlainErrorWithMore(t *testing.T) {
	resp := written(rpcerr.Plain(codes.NotFound, "m").With("key", "v").WithRequestID("r1"))
	e, ok := httperr.FromResponse(resp)
	if !ok || !e.Code().IsZero() || e.RequestID() != "r1" || e.Metadata() != nil {
		t.Errorf("what is read is %v, want the id r1, no code and no metadata", e.LogValue())
	}
	body, _ := io.ReadAll(resp.Body)
	if want := `{"code":404,"message":"m","grpc_code":"NOT_FOUND","request_id":"r1"}` + "\n"; string(body) != want {
		t.Errorf("the body is %s, want %s", body, want)
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
	for _, name := range []string{
		"Content-Length", "Content-Range", "Content-Disposition", "Content-Language", "Content-Location", "Content-Digest", "Repr-Digest",
		"Accept-Ranges", "Etag", "Last-Modified", "Cache-Control", "Expires", "Location", "Retry-After",
	} {
		w.Header().Set(name, "7")
	}
	// What is about the connection, the caller or the site, and what others have set.
	kept := []string{"Set-Cookie", "Vary", "Allow", "Www-Authenticate", "Access-Control-Allow-Origin", "Strict-Transport-Security", "X-Mine"}
	for _, name := range kept {
		w.Header().Set(name, "kept")
	}
	httperr.Write(w, sdk.InstanceNotFound)
	want := append(kept, "Content-Type", "X-Content-Type-Options", "X-Inner-Code")
	got := slices.Collect(maps.Keys(w.Result().Header))
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

// A middleware that compresses says so before the handler writes.
func TestWriteBehindACompressingMiddleware(t *testing.T) {
	resp := serve(t, "GET", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		httperr.Write(compressed{w, z}, rest.FunctionNotFound.Errorf("no f").With("function", "f"))
	})
	e, ok := httperr.FromResponse(resp)
	if !ok || e.Code() != rest.FunctionNotFound || e.Message() != "no f" || e.Metadata()["function"] != "f" {
		t.Errorf("the client got %v", e.LogValue())
	}
}

type compressed struct {
	http.ResponseWriter
	to io.Writer
}

func (c compressed) Write(b []byte) (int, error) { return c.to.Write(b) }

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
	if n < 109 {
		t.Errorf("%d codes, want the documented 109 at least", n)
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
	silent, _ := httperr.Parse(404, nil, []byte(`{"code":1003,"message":"","domain":"sdk.yuanrong","grpc_code":"NOT_FOUND"}`))
	if got, _ := httperr.FromResponse(written(silent)); silent.Message() != "" || got.Message() != "" || got.Code() != sdk.InstanceNotFound {
		t.Errorf("an empty message of a peer came back as %q, and then as %q", silent.Message(), got.Message())
	}
	plain, _ := httperr.FromResponse(written(status.Error(codes.OutOfRange, "past the end")))
	if !plain.Code().IsZero() || plain.GRPCCode() != codes.OutOfRange || plain.Message() != "past the end" {
		t.Errorf("a plain status came back as %v", plain.LogValue())
	}
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

// That a service executed nothing says nothing of what was done here before it was called,
// nor there if it passed the error on. So nobody is told to repeat the call, by the header
// or by what a client reads, unless the handler says that it is the one that failed.
func TestWriteOfAPassedOnError(t *testing.T) {
	t.Parallel()
	raised := sdk.ResourceNotEnough.Errorf("full")
	received, _ := mapping.FromStatus(raised.GRPCStatus())
	passedOn, _ := mapping.FromStatus(received.Seal(rpcerr.Wire{}).GRPCStatus())
	overHTTP, _ := httperr.FromResponse(written(raised))
	for _, test := range []struct {
		name       string
		err        error
		retryAfter string
	}{
		{"raised here", raised, "1"},
		{"received", received, ""},
		{"received, wrapped", fmt.Errorf("asking behind: %w", received), ""},
		{"received, without our client interceptor", raised.GRPCStatus().Err(), ""},
		{"received over HTTP", overHTTP, ""},
		{"received, with nothing done here", received.WithOrigin(mapping.OriginLocal), "1"},
		{"passed on by another", passedOn, ""},
		{"passed on by another, with nothing done here", passedOn.WithOrigin(mapping.OriginLocal), ""},
	} {
		resp := written(test.err)
		if got := resp.Header.Get("Retry-After"); got != test.retryAfter {
			t.Errorf("%s: Retry-After %q, want %q", test.name, got, test.retryAfter)
		}
		e, _ := httperr.FromResponse(resp)
		if e.Retry() != raised.Retry() || e.Repeatable(false) != (test.retryAfter != "") || !e.Repeatable(true) {
			t.Errorf("%s: the client got %v, repeatable: %v, %v", test.name, e.Retry(), e.Repeatable(false), e.Repeatable(true))
		}
	}
}

// The delay of a plain status is no permission to repeat the call.
func TestWriteOfAPlainStatusWithRetryInfo(t *testing.T) {
	for _, c := range []codes.Code{codes.ResourceExhausted, codes.Unavailable} {
		st, err := status.New(c, "full").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(3 * time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		if got := written(st.Err()).Header.Values("Retry-After"); len(got) > 0 {
			t.Errorf("%v: Retry-After %q, want none", c, got)
		}
	}
}

// A guess is no code over HTTP either, whoever claims the error as its own.
func TestWriteOfAGuess(t *testing.T) {
	e, _ := mapping.FromStatus(status.New(codes.Unavailable, "down"))
	rec := httptest.NewRecorder()
	httperr.Write(rec, e.With("key", "v").WithOrigin(mapping.OriginLocal))
	if got := rec.Header().Get("X-Inner-Code"); got != "" {
		t.Errorf("X-Inner-Code: %s", got)
	}
	if got, want := strings.TrimSpace(rec.Body.String()), `{"code":503,"message":"down","grpc_code":"UNAVAILABLE"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
