package httperr_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/httperr"
)

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

// serve answers every request by h, over a real connection, and returns the response to
// one of that method.
func serve(t *testing.T, method string, h http.HandlerFunc) *http.Response {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// Services that write JSON and name no type send text/plain; a stream of text has no
// length and is not waited for.
func TestFromResponseLooksIntoBodiesByTypeAndLength(t *testing.T) {
	const failed = `{"errorCode":150444,"errorMessage":"no label","schedulerTime":0.1}`
	for _, test := range []struct {
		name   string
		status int
		kind   string // of the body; "none" leaves the header out
		stream bool
		want   bool
	}{
		{"JSON", 200, "application/json", false, true},
		{"JSON with a suffix", 200, "application/vnd.yuanrong+json; charset=utf-8", false, true},
		{"JSON, of no length", 200, "application/json", true, true},
		{"the type that net/http guesses", 200, "", false, true},
		{"text", 200, "text/plain; charset=utf-8", false, true},
		{"no type", 200, "none", false, true},
		{"a type that is none", 200, "text/plain; charset", false, true},
		{"a stream of text", 200, "text/plain", true, false},
		{"a stream of no type", 200, "none", true, false},
		{"events", 200, "text/event-stream", true, false},
		{"JSON lines", 200, "application/x-ndjson", true, false},
		{"bytes of a user", 200, "application/octet-stream", false, false},
		{"a page", 200, "text/html", false, false},
		{"created", 201, "", false, true},
		{"an error status, of no type and length", 500, "none", true, true},
		{"an error status, a page", 500, "text/html", false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			ended := make(chan struct{})
			resp := serve(t, "GET", func(w http.ResponseWriter, r *http.Request) {
				switch test.kind {
				case "":
				case "none":
					w.Header()["Content-Type"] = nil
				default:
					w.Header().Set("Content-Type", test.kind)
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, failed)
				if test.stream { // more is to come, but only once the client has decided
					w.(http.Flusher).Flush()
					select {
					case <-ended:
					case <-r.Context().Done():
					}
				}
			})
			e, ok := httperr.FromResponse(resp)
			close(ended)
			if ok != (test.want || test.status >= 400) || ok && e.Code() != rest.InstanceLabelNotFound {
				t.Errorf("FromResponse = %v, %v; want an error: %v", e, ok, test.want)
			}
			if body, err := io.ReadAll(resp.Body); err != nil || string(body) != failed {
				t.Errorf("the body reads as %q, %v", body, err)
			}
		})
	}
}

// The first of a stream of objects is waited for, and no more.
func TestFromResponseOfAStreamOfObjects(t *testing.T) {
	for first, want := range map[string]bool{`{"result":{"output":"x"}}`: false, `{"error":{"code":4115,"message":"m"}}`: true} {
		more := make(chan struct{})
		resp := serve(t, "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, first+"\n")
			w.(http.Flusher).Flush()
			select {
			case <-more:
				_, _ = io.WriteString(w, first+"\n")
			case <-r.Context().Done():
			}
		})
		if e, ok := httperr.FromResponse(resp); ok != want {
			t.Errorf("%s: FromResponse = %v, %v", first, e, ok)
		}
		close(more)
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != first+"\n"+first+"\n" {
			t.Errorf("%s: the body reads as %q, %v", first, body, err)
		}
	}
}

// Streams of other things than JSON are not waited for, whatever the status.
func TestFromResponseDoesNotWaitForEvents(t *testing.T) {
	for _, kind := range []string{"text/event-stream", "text/event-stream; charset=utf-8", "multipart/x-mixed-replace; boundary=b"} {
		more := make(chan struct{})
		resp := serve(t, "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("X-Inner-Code", "4115")
			w.WriteHeader(500)
			w.(http.Flusher).Flush()
			select { // the first comes once the client has decided
			case <-more:
				_, _ = io.WriteString(w, "data: 1\n\n")
			case <-r.Context().Done():
			}
		})
		if e, ok := httperr.FromResponse(resp); !ok || e.Code() != rest.FunctionNotFound {
			t.Errorf("%s: FromResponse = %v, %v; want the code in the header", kind, e, ok)
		}
		close(more)
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "data: 1\n\n" {
			t.Errorf("%s: the body reads as %q, %v", kind, body, err)
		}
	}
}

// The text of an error is waited for until so much of it has come as a message may have.
func TestFromResponseWaitsForNoMoreThanAMessage(t *testing.T) {
	ended := make(chan struct{})
	message := "code: 1003, message: " + strings.Repeat("x", 4096)
	resp := serve(t, "GET", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(500)
		_, _ = io.WriteString(w, message)
		w.(http.Flusher).Flush()
		select {
		case <-ended:
		case <-r.Context().Done():
		}
	})
	if e, ok := httperr.FromResponse(resp); !ok || e.Code() != sdk.InstanceNotFound || e.Message() != message[:4096] {
		t.Errorf("FromResponse = %v, %v; want 1003 with the first 4 KiB", e, ok)
	}
	close(ended)
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != message {
		t.Errorf("%d bytes are left of %d, %v", len(body), len(message), err)
	}
}

// A function may stream whatever it likes, and begin late.
func TestFromResponseDoesNotWaitWhereAllWentWell(t *testing.T) {
	more := make(chan struct{})
	resp := serve(t, "GET", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Inner-Code", "0")
		w.(http.Flusher).Flush()
		select {
		case <-more:
			_, _ = io.WriteString(w, `{"code":1003,"message":"the function's own"}`)
		case <-r.Context().Done():
		}
	})
	if e, ok := httperr.FromResponse(resp); ok {
		t.Errorf("FromResponse = %v", e)
	}
	close(more)
	if body, err := io.ReadAll(resp.Body); err != nil || len(body) == 0 {
		t.Errorf("the body reads as %q, %v", body, err)
	}
}

// A peer that sends without end must not be read without end.
func TestFromResponseOfEndlessBodies(t *testing.T) {
	for name, test := range map[string]struct {
		kind, first, more string
		most              int
	}{
		"text":              {"text/plain", "failed: ", "x", 1 << 16},
		"a page":            {"text/html", "<html>", "x", 1 << 16},
		"a list":            {"application/json", "[", "1,", 1 << 16},
		"blanks":            {"application/json", "", " ", 2 * httperr.MaxBody},
		"a string":          {"application/json", `"`, "x", 2 * httperr.MaxBody},
		"an object":         {"application/json", `{"code":4115,"message":"m"`, `,"x":1`, 2 * httperr.MaxBody},
		"a message":         {"application/json", `{"code":4115,"message":"`, "x", 2 * httperr.MaxBody},
		"objects in others": {"application/json", "", `{"error":`, 2 * httperr.MaxBody},
	} {
		read, chunk := 0, []byte(test.first)
		endless := readerFunc(func(b []byte) (int, error) {
			for len(chunk) < len(b) {
				chunk = append(chunk, test.more...)
			}
			n := copy(b, chunk)
			chunk = chunk[n:]
			read += n
			return n, nil
		})
		resp := &http.Response{StatusCode: 500, Header: http.Header{"Content-Type": {test.kind}}, Body: io.NopCloser(endless), ContentLength: -1}
		e, ok := httperr.FromResponse(resp)
		if !ok || e.GRPCCode() != codes.Internal || len(e.Message()) > 1<<13 {
			t.Errorf("%s: FromResponse = %v, %v; want INTERNAL", name, e, ok)
		}
		if read > test.most {
			t.Errorf("%s: %d bytes are read, want at most %d", name, read, test.most)
		}
	}
}

func TestFromResponseWithoutABody(t *testing.T) {
	inner := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if status >= 400 {
				httperr.Write(w, sdk.InstanceNotFound.Errorf("no a1"))
				return
			}
			w.WriteHeader(status)
		}
	}
	if e, ok := httperr.FromResponse(serve(t, "HEAD", inner(404))); !ok || e.Code() != sdk.InstanceNotFound {
		t.Errorf("HEAD: %v, want the code in the header", e)
	}
	for _, status := range []int{200, 204, 304} {
		if e, ok := httperr.FromResponse(serve(t, "GET", inner(status))); ok {
			t.Errorf("status %d: %v, want none", status, e)
		}
	}
	// What is spoken after 101 is no body, and its end stays writable.
	conn := struct {
		io.ReadCloser
		io.Writer
	}{io.NopCloser(strings.NewReader("x")), io.Discard}
	resp := &http.Response{StatusCode: 101, Body: conn, ContentLength: -1}
	if e, ok := httperr.FromResponse(resp); ok || resp.Body != io.ReadCloser(conn) {
		t.Errorf("status 101: %v, body %T", e, resp.Body)
	}
}

func TestFromResponseOfACompressedBody(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, `{"code":4115,"message":"no f"}`)
	_ = z.Close()
	handler := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("X-Inner-Code", "4299")
		w.WriteHeader(500)
		_, _ = w.Write(zipped.Bytes())
	}
	if e, _ := httperr.FromResponse(serve(t, "GET", handler)); e.Code() != rest.FunctionNotFound {
		t.Errorf("decoded by net/http: %v, want 4115", e)
	}
	srv := httptest.NewServer(http.HandlerFunc(handler))
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip") // so net/http leaves it alone
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	e, _ := httperr.FromResponse(resp)
	if e.Code() != sdk.DatasystemFailed || e.Message() != sdk.DatasystemFailed.Description("en") {
		t.Errorf("still encoded: %v, want the code in the header", e)
	}
	if body, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(body, zipped.Bytes()) {
		t.Errorf("still encoded: %d bytes are left, %v; want %d", len(body), err, zipped.Len())
	}
}

// A service in the middle reads an error and answers with it.
func TestErrorsOverTwoHops(t *testing.T) {
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		httperr.Write(w, sdk.ResourceNotEnough.Errorf("full").With("node", "n1").WithRequestID("r1").RetryAfter(1500*time.Millisecond))
	}))
	defer behind.Close()
	resp := serve(t, "GET", func(w http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), "GET", behind.URL, nil)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := behind.Client().Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		if e, failed := httperr.FromResponse(resp); failed {
			httperr.Write(w, fmt.Errorf("asking behind: %w", e))
		}
	})
	e, ok := httperr.FromResponse(resp)
	want := mapping.Retry{Class: mapping.Safe, Delay: 1500 * time.Millisecond}
	if !ok || e.Code() != sdk.ResourceNotEnough || e.Message() != "full" || e.Metadata()["node"] != "n1" || e.RequestID() != "r1" || e.Retry() != want {
		t.Errorf("the client got %v", e.LogValue())
	}
}
