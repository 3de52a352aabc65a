package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
)

// wants says for each fault but the panic what the client gets, in every order, and what
// log and metric of the server see where they stand inside of STATUSMAP. Outside they
// see what the client gets.
var wants = map[string]struct {
	code        mapping.Code
	grpc        codes.Code
	message     string
	log, metric codes.Code
}{
	"a code":              {sdk.InstanceNotFound, codes.NotFound, "No such instance.", codes.NotFound, codes.NotFound},
	"a code, wrapped":     {sdk.InstanceNotFound, codes.NotFound, "No such instance.", codes.NotFound, codes.NotFound},
	"a code with a cause": {sdk.InnerCommunication, codes.Unavailable, "A communication error occurred.", codes.Unavailable, codes.Unavailable},
	// go-grpc-middleware's log takes what is io.EOF for a success.
	"a code because of io.EOF":   {sdk.InnerCommunication, codes.Unavailable, "A communication error occurred.", codes.OK, codes.Unavailable},
	"a plain error":              {sdk.InnerSystemError, codes.Internal, "An internal error occurred.", codes.Unknown, codes.Unknown},
	"io.EOF, wrapped":            {sdk.InnerSystemError, codes.Internal, "An internal error occurred.", codes.OK, codes.Unknown},
	"a status":                   {mapping.Code{}, codes.AlreadyExists, "there is one", codes.AlreadyExists, codes.AlreadyExists},
	"a status, wrapped":          {mapping.Code{}, codes.AlreadyExists, "there is one", codes.AlreadyExists, codes.AlreadyExists},
	"a context's error":          {mapping.Code{}, codes.DeadlineExceeded, "context deadline exceeded", codes.Unknown, codes.DeadlineExceeded},
	"a context's error, wrapped": {mapping.Code{}, codes.DeadlineExceeded, "context deadline exceeded", codes.Unknown, codes.DeadlineExceeded},
}

// none is the code that somebody sees who does not see the call end.
const none = codes.Code(99)

// panics says for each order what becomes of a panic.
var panics = []struct {
	order order
	seen  codes.Code // by log and metric
	grpc  codes.Code
	leaks bool // what the client and the trace get has the secret in it, and the stack
}{
	{order{observed, mapped, recovers}, codes.Internal, codes.Internal, false},
	{order{mapped, observed, recovers}, codes.Unknown, codes.Internal, false},
	{order{mapped, recovers, observed}, none, codes.Internal, false},
	{order{observed, recovers, mapped}, codes.Unknown, codes.Unknown, true},
	{order{recovers, observed, mapped}, none, codes.Unknown, true},
	{order{recovers, mapped, observed}, none, codes.Unknown, true},
	{order{recoversToCode, observed, mapped}, none, codes.Internal, false},
	{order{recoversToCode, mapped, observed}, none, codes.Internal, false},
	{order{observed, mapsPanics}, codes.Internal, codes.Internal, false},
	{order{mapsPanics, observed}, none, codes.Internal, false},
	{order{recovers, observed, mapsPanics}, codes.Internal, codes.Internal, false},
	{order{recovers, mapsPanics, observed}, none, codes.Internal, false},
}

// outside reports whether log and metric stand outside of STATUSMAP.
func (o order) outside() bool {
	isOurs := func(l link) bool { return strings.HasPrefix(string(l), string(mapped)) }
	return slices.Index(o, observed) < slices.IndexFunc(o, isOurs)
}

// check compares the codes that somebody saw with one code, or with none.
func check(t *testing.T, who string, got []codes.Code, want codes.Code) {
	t.Helper()
	if want == none && len(got) == 0 {
		return
	}
	if len(got) != 1 || got[0] != want {
		t.Errorf("%s: got %v, want %v", who, got, want)
	}
}

func mustCall(t *testing.T, shape shape, server, client order, raise func() error) outcome {
	t.Helper()
	got, err := call(t.Context(), shape, server, client, raise)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestServerOrders(t *testing.T) {
	t.Parallel()
	for _, o := range serverOrders {
		for _, shape := range shapes {
			t.Run(o.String()+"/"+shape.name, func(t *testing.T) {
				t.Parallel()
				for _, f := range faults {
					want, ok := wants[f.name]
					if !ok {
						continue // the panic
					}
					got := mustCall(t, shape, o, order{mapped}, f.raise)
					e, _ := mapping.FromError(got.err)
					if e.Code() != want.code || e.GRPCCode() != want.grpc || e.Message() != want.message || e.Inferred() {
						t.Errorf("%s: the client got %v, want %v, %v: %s", f.name, got.err, want.code, want.grpc, want.message)
					}
					log, metric := want.log, want.metric
					if o.outside() {
						log, metric = want.grpc, want.grpc
						if strings.Contains(got.server.LogText, secret) {
							t.Errorf("%s: a log outside knows the secret: %s", f.name, got.server.LogText)
						}
					}
					check(t, f.name+": log", got.server.Log, log)
					check(t, f.name+": metric", got.server.Metric, metric)
					check(t, f.name+": span", got.server.Span, want.grpc)
					check(t, f.name+": OpenTelemetry's metric", got.server.Measure, want.grpc)
					for name, text := range map[string]string{"client": got.wire, "span": got.server.SpanText, "client's span": got.client.SpanText} {
						if strings.Contains(text, secret) {
							t.Errorf("%s: the %s knows the secret: %s", f.name, name, text)
						}
					}
				}
			})
		}
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	if len(panics) != len(serverOrders) {
		t.Fatalf("%d orders are known, %d shown", len(panics), len(serverOrders))
	}
	raise := faults[len(faults)-1].raise
	for i, want := range panics {
		if want.order.String() != serverOrders[i].String() {
			t.Fatalf("order %d is %v, shown is %v", i, want.order, serverOrders[i])
		}
		for _, shape := range shapes {
			t.Run(want.order.String()+"/"+shape.name, func(t *testing.T) {
				t.Parallel()
				got := mustCall(t, shape, want.order, order{mapped}, raise)
				check(t, "log", got.server.Log, want.seen)
				check(t, "metric", got.server.Metric, want.seen)
				check(t, "span", got.server.Span, want.grpc)
				check(t, "OpenTelemetry's metric", got.server.Measure, want.grpc)
				if status.Code(got.err) != want.grpc || !want.leaks && !errors.Is(got.err, sdk.InnerSystemError) {
					t.Errorf("the client got %v, want %v", got.err, want.grpc)
				}
				for name, text := range map[string]string{"client": got.wire, "span": got.server.SpanText, "client's span": got.client.SpanText} {
					for _, inside := range []string{secret, "goroutine", ".go:"} {
						if strings.Contains(text, inside) != want.leaks {
							t.Errorf("the %s knows %q: %t, want %t: %.300s", name, inside, !want.leaks, want.leaks, text)
						}
					}
				}
			})
		}
	}
}

func TestClientOrders(t *testing.T) {
	t.Parallel()
	for _, o := range clientOrders {
		for _, shape := range shapes {
			t.Run(o.String()+"/"+shape.name, func(t *testing.T) {
				t.Parallel()
				for _, f := range faults {
					want, ok := wants[f.name]
					if !ok { // the panic
						want = wants["a plain error"]
					}
					got := mustCall(t, shape, order{mapsPanics}, o, f.raise)
					if !errors.Is(got.err, want.code) && !want.code.IsZero() || status.Code(got.err) != want.grpc {
						t.Errorf("%s: the caller got %v, want %v, %v", f.name, got.err, want.code, want.grpc)
					}
					if _, typed := got.err.(*mapping.Error); !typed {
						t.Errorf("%s: the caller got a %T", f.name, got.err)
					}
					check(t, f.name+": log", got.client.Log, want.grpc)
					check(t, f.name+": metric", got.client.Metric, want.grpc)
					check(t, f.name+": span", got.client.Span, want.grpc)
					check(t, f.name+": OpenTelemetry's metric", got.client.Measure, want.grpc)
				}
			})
		}
	}
}

// What stands outside of the client's retries sees the call, what stands inside every
// attempt.
func TestRetries(t *testing.T) {
	t.Parallel()
	attempts := []codes.Code{codes.ResourceExhausted, codes.OK}
	for _, test := range []struct {
		order order
		seen  []codes.Code
	}{
		{order{observed, repeats}, []codes.Code{codes.OK}},
		{order{repeats, observed}, attempts},
	} {
		failed := false
		got := mustCall(t, shapes[0], order{mapped}, test.order, func() error {
			if failed {
				return nil
			}
			failed = true
			return sdk.InvokeRateLimited.AsError().RetryAfter(0)
		})
		if got.err != nil {
			t.Errorf("%v: got %v, want success", test.order, got.err)
		}
		for who, seen := range map[string][]codes.Code{"log": got.client.Log, "metric": got.client.Metric} {
			if slices.Sort(seen); !slices.Equal(seen, slices.Sorted(slices.Values(test.seen))) {
				t.Errorf("%v: the %s saw %v, want %v", test.order, who, seen, test.seen)
			}
		}
		if !slices.Equal(got.client.Span, attempts) {
			t.Errorf("%v: spans have %v, want %v", test.order, got.client.Span, attempts)
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	if got := run(t.Context(), nil, &stdout, &stderr); got != cli.OK {
		t.Fatalf("exit status %d: %s", got, &stderr)
	}
	for _, want := range []string{
		"\nserver: STATUSMAP → logging → recovery\n",
		"  a plain error               Unknown           Unknown           Internal          INNER_SYSTEM_ERROR (3003)\n",
		"  a panic                     -                 -                 Unknown !         Unknown !\n",
		"\nclient: STATUSMAP → logging\n",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("stdout lacks %q", want)
		}
	}
	blocks, rows := len(serverOrders)+len(clientOrders), len(faults)+3
	if got, want := strings.Count(stdout.String(), "\n"), 3+blocks*rows; got != want {
		t.Errorf("%d lines, want %d", got, want)
	}
	if t.Failed() {
		t.Log(stdout.String())
	}
}

func TestRunMisuse(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-colour"}, {"all"}} {
		var stdout, stderr bytes.Buffer
		if got := run(t.Context(), args, &stdout, &stderr); got != cli.Misused || !strings.Contains(stderr.String(), "Usage:") {
			t.Errorf("run(%q) = %d, %s, want %d and the usage", args, got, &stderr, cli.Misused)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if got := run(ended, nil, &stdout, &stderr); got != cli.Failed || !strings.Contains(stderr.String(), "context canceled") {
		t.Errorf("interrupted, run = %d, %s, want %d and the reason", got, &stderr, cli.Failed)
	}
	if got := run(t.Context(), []string{"-h"}, &stdout, &stderr); got != cli.OK || !strings.Contains(stdout.String(), "Usage:") {
		t.Errorf("run(-h) = %d, %s, want the usage", got, &stdout)
	}
}
