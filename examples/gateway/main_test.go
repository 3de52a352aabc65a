package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/openyuanrong/statusmap/examples/gateway/functions"
	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/httperr"
)

// start runs the program on a free port until the test ends and returns its URL.
func start(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan int)
	go func() {
		var stderr bytes.Buffer
		status := run(ctx, []string{"-addr", "127.0.0.1:0"}, w, &stderr)
		_ = w.CloseWithError(errors.New("the program ended: " + stderr.String()))
		ended <- status
	}()
	t.Cleanup(func() {
		cancel()
		if status := <-ended; status != 0 {
			t.Errorf("run = %d, want 0", status)
		}
	})
	line := make([]byte, 256)
	n, err := r.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	_, rest, found := strings.Cut(string(line[:n]), "listening on ")
	base, _, _ := strings.Cut(rest, ",")
	if !found {
		t.Fatalf("the program says %q", line[:n])
	}
	return base
}

func contextOf(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// A failure is a request that fails, by the same means as the Go client makes it.
type failure struct {
	name               string
	method, path, body string
	by                 func(context.Context, *functions.Client) error

	code       mapping.Code
	status     int
	message    string
	metadata   map[string]string
	retryAfter string
}

// failures need the functions "hello", which is published as version 1 with the alias
// "stable", "idle" without an instance, "lost" whose code is not there, and "bad" whose
// code throws.
func failures() []failure {
	return []failure{
		{
			"no such function", "GET", "/v1/functions/nobody", "",
			func(ctx context.Context, c *functions.Client) error { _, err := c.Get(ctx, "nobody"); return err },
			rest.FunctionNotFound, 404, `no function "nobody"`, map[string]string{"function": "nobody"}, "",
		},
		{
			"function there already", "POST", "/v1/functions", `{"name":"hello","handler":"echo","memoryMib":128}`,
			func(ctx context.Context, c *functions.Client) error { return c.Create(ctx, "hello", "echo", 128) },
			rest.FunctionNameExist, 409, `there is a function "hello" already`, map[string]string{"function": "hello"}, "",
		},
		{
			"bad name", "POST", "/v1/functions", `{"name":"Hello!","handler":"echo","memoryMib":128}`,
			func(ctx context.Context, c *functions.Client) error { return c.Create(ctx, "Hello!", "echo", 128) },
			rest.FunctionNameFormatErr, 400, "", map[string]string{"function": "Hello!"}, "",
		},
		{
			"too little memory", "POST", "/v1/functions", `{"name":"small","handler":"echo","memoryMib":1}`,
			func(ctx context.Context, c *functions.Client) error { return c.Create(ctx, "small", "echo", 1) },
			rest.InvalidUserParam, 400, "", map[string]string{"parameter": "memory"}, "",
		},
		{
			"more memory than there is", "POST", "/v1/functions", `{"name":"huge","handler":"echo","memoryMib":1000000}`,
			func(ctx context.Context, c *functions.Client) error { return c.Create(ctx, "huge", "echo", 1000000) },
			sdk.ResourceConfigError, 400, "", nil, "",
		},
		{
			"published twice", "POST", "/v1/functions/hello/versions", "",
			func(ctx context.Context, c *functions.Client) error { return c.Publish(ctx, "hello") },
			rest.RepeatedPublishmentError, 409, "", map[string]string{"function": "hello"}, "",
		},
		{
			"alias there already", "POST", "/v1/functions/hello/aliases", `{"alias":"stable","version":1}`,
			func(ctx context.Context, c *functions.Client) error { return c.CreateAlias(ctx, "hello", "stable", 1) },
			rest.AliasNameAlreadyExists, 409, `"hello" has an alias "stable" already`, map[string]string{"alias": "stable"}, "",
		},
		{
			"alias of no version", "POST", "/v1/functions/hello/aliases", `{"alias":"next","version":7}`,
			func(ctx context.Context, c *functions.Client) error { return c.CreateAlias(ctx, "hello", "next", 7) },
			rest.FunctionVersionNotFound, 404, `"hello" has no version 7`, map[string]string{"version": "7"}, "",
		},
		{
			"changed by somebody else", "PUT", "/v1/functions/hello", `{"handler":"echo","revisionId":"old"}`,
			func(ctx context.Context, c *functions.Client) error { return c.Update(ctx, "hello", "echo", "old") },
			rest.RevisionIDError, 409, "", nil, "",
		},
		{
			"no room for the instances", "PUT", "/v1/functions/hello/instances", `{"instances":9999}`,
			func(ctx context.Context, c *functions.Client) error { return c.Scale(ctx, "hello", 9999) },
			sdk.ResourceNotEnough, 429, "", nil, "1",
		},
		{
			"invocation of no function", "POST", "/v1/functions/nobody/invocations", `{"payload":"x"}`,
			func(ctx context.Context, c *functions.Client) error {
				_, err := c.Invoke(ctx, "nobody", "x")
				return err
			},
			sdk.FunctionMetaNotFound, 404, "", map[string]string{"function": "nobody"}, "",
		},
		{
			"invocation without a payload", "POST", "/v1/functions/hello/invocations", `{"payload":""}`,
			func(ctx context.Context, c *functions.Client) error { _, err := c.Invoke(ctx, "hello", ""); return err },
			sdk.ParamInvalid, 400, "", map[string]string{"parameter": "payload"}, "",
		},
		{
			"no instance runs", "POST", "/v1/functions/idle/invocations", `{"payload":"x"}`,
			func(ctx context.Context, c *functions.Client) error { _, err := c.Invoke(ctx, "idle", "x"); return err },
			sdk.InstanceNotFound, 404, `no instance of "idle" runs`, map[string]string{"function": "idle"}, "",
		},
		{
			"code that is not there", "POST", "/v1/functions/lost/invocations", `{"payload":"x"}`,
			func(ctx context.Context, c *functions.Client) error { _, err := c.Invoke(ctx, "lost", "x"); return err },
			sdk.UserCodeLoad, 400, "", nil, "",
		},
		{
			"code that throws", "POST", "/v1/functions/bad/invocations", `{"payload":"x"}`,
			func(ctx context.Context, c *functions.Client) error { _, err := c.Invoke(ctx, "bad", "x"); return err },
			sdk.UserFunctionException, 500, "", nil, "",
		},
		{
			"alias in the way", "DELETE", "/v1/functions/hello:1", "",
			func(ctx context.Context, c *functions.Client) error { return c.Delete(ctx, "hello:1") },
			rest.FunctionVersionDeletionForbidden, 400, "", map[string]string{"aliases": "stable"}, "",
		},
	}
}

// prepare makes the functions that the failures need.
func prepare(t *testing.T, c *functions.Client) {
	t.Helper()
	ctx := contextOf(t)
	for _, step := range []error{
		c.Create(ctx, "hello", "echo", 128),
		c.Publish(ctx, "hello"),
		c.CreateAlias(ctx, "hello", "stable", 1),
		c.Create(ctx, "idle", "echo", 128),
		c.Scale(ctx, "idle", 0),
		c.Create(ctx, "lost", "no-such-code", 128),
		c.Create(ctx, "bad", "throw", 128),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	if output, err := c.Invoke(ctx, "hello", "world"); err != nil || output == "" {
		t.Fatalf("Invoke = %q, %v", output, err)
	}
}

// checkAnswer holds an answer to what is documented about the error.
func (f *failure) checkAnswer(t *testing.T, status int, header http.Header, body []byte) {
	t.Helper()
	if status != f.status {
		t.Errorf("status %d, want %d", status, f.status)
	}
	var got struct {
		Code                    int32
		Message, Reason, Domain string
		Metadata                map[string]string
		RequestID               string `json:"request_id"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("the body %q: %v", body, err)
	}
	if got.Code != f.code.Number() || got.Reason != f.code.Reason() || got.Domain != f.code.Domain() || got.Message == "" {
		t.Errorf("the body says %+v, want %v", got, f.code)
	}
	if f.message != "" && got.Message != f.message {
		t.Errorf("message %q, want %q", got.Message, f.message)
	}
	for k, want := range f.metadata {
		if got.Metadata[k] != want {
			t.Errorf("metadata %v, want %s=%s", got.Metadata, k, want)
		}
	}
	if got.RequestID != "r-7" {
		t.Errorf("request id %q, want that of the request", got.RequestID)
	}
	for name, want := range map[string]string{
		"X-Inner-Code": strconv.Itoa(int(f.code.Number())), "Retry-After": f.retryAfter, "Content-Type": "application/json",
	} {
		if header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, header.Get(name), want)
		}
	}
}

func TestErrorsOverHTTP(t *testing.T) {
	base := start(t)
	c := &functions.Client{BaseURL: base}
	prepare(t, c)
	for _, f := range failures() {
		t.Run(f.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(contextOf(t), f.method, base+f.path, strings.NewReader(f.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Request-Id", "r-7")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			f.checkAnswer(t, resp.StatusCode, resp.Header, body)
		})
		t.Run(f.name+", Go client", func(t *testing.T) {
			err := f.by(contextOf(t), c)
			if !errors.Is(err, f.code) {
				t.Fatalf("the client got %v, want %v", err, f.code)
			}
			e, _ := mapping.FromError(err)
			if e.Code() != f.code || e.Retry() != f.code.Retry() || e.GRPCCode() != f.code.GRPCCode() {
				t.Errorf("the client got %v", e.LogValue())
			}
		})
	}
}

func TestErrorsByCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	base := start(t)
	prepare(t, &functions.Client{BaseURL: base})
	for _, f := range failures() {
		t.Run(f.name, func(t *testing.T) {
			args := []string{"--silent", "--include", "--http1.1", "--noproxy", "*", "--request", f.method, "--header", "X-Request-Id: r-7"}
			if f.body != "" {
				args = append(args, "--data", f.body)
			}
			out, err := exec.CommandContext(contextOf(t), curl, append(args, base+f.path)...).Output()
			if err != nil {
				t.Fatal(err)
			}
			head, body, _ := bytes.Cut(out, []byte("\r\n\r\n"))
			lines := strings.Split(string(head), "\r\n")
			status, _ := strconv.Atoi(strings.Fields(lines[0])[1])
			header := http.Header{}
			for _, line := range lines[1:] {
				name, value, _ := strings.Cut(line, ": ")
				header.Set(name, value)
			}
			f.checkAnswer(t, status, header, body)
		})
	}
}

// The error handler answers what never reaches the service too.
func TestErrorsOfTheGatewayItself(t *testing.T) {
	base := start(t)
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		want                     string
		allow                    string
	}{
		{"no such path", "GET", "/v2/nothing", "", 404, `{"code":404,"message":"Not Found","grpc_code":"NOT_FOUND"}`, ""},
		{"no such method", "PATCH", "/v1/functions/hello", "", 405, `{"code":405,"message":"Method Not Allowed","grpc_code":"UNIMPLEMENTED"}`, "GET, PUT, DELETE"},
		{"a method of another path", "DELETE", "/v1/functions", "", 405, `{"code":405,"message":"Method Not Allowed","grpc_code":"UNIMPLEMENTED"}`, "POST"},
		{"a long request", "POST", "/v1/functions", `{"name":"` + strings.Repeat("x", maxRequest), 413, `{"code":413,"message":"Request Entity Too Large","grpc_code":"FAILED_PRECONDITION"}`, ""},
		{"broken JSON", "POST", "/v1/functions", `{"name":`, 400, `{"code":121052,"message":"the body is no JSON of the request","reason":"INVALID_JSON_BODY","domain":"rest.yuanrong","grpc_code":"INVALID_ARGUMENT","retry":{"class":"NEVER"}}`, ""},
	} {
		req, err := http.NewRequestWithContext(contextOf(t), test.method, base+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, failed := httperr.FromResponse(resp)
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if allow := resp.Header.Get("Allow"); allow != test.allow || !failed {
			t.Errorf("%s: Allow %q, read as an error: %v; want %q", test.name, allow, failed, test.allow)
		}
		if diff := cmp.Diff(test.want+"\n", string(body)); resp.StatusCode != test.status || diff != "" {
			t.Errorf("%s: status %d, body (-want +got):\n%s", test.name, resp.StatusCode, diff)
		}
	}
}

// Where no response came there is no error of the service.
func TestClientWithoutResponse(t *testing.T) {
	_, err := (&functions.Client{BaseURL: "http://127.0.0.1:1"}).Get(contextOf(t), "hello")
	if e, ok := mapping.FromError(err); err == nil || ok {
		t.Errorf("Get = %v, decoded %v; want the error of net/http", err, e)
	}
}

func TestRunMisused(t *testing.T) {
	for _, args := range [][]string{{"x"}, {"-x"}} {
		var stdout, stderr bytes.Buffer
		if got := run(contextOf(t), args, &stdout, &stderr); got != 2 || !strings.Contains(stderr.String(), "Usage") {
			t.Errorf("run(%q) = %d, %s; want 2 and the usage", args, got, stderr.String())
		}
	}
	taken := strings.TrimPrefix(start(t), "http://")
	var stdout, stderr bytes.Buffer
	if got := run(contextOf(t), []string{"-addr", taken}, &stdout, &stderr); got != 1 || !strings.Contains(stderr.String(), "is in use") {
		t.Errorf("run on a busy port = %d, %s", got, stderr.String())
	}
}
