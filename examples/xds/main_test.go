package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
)

// The policy of a route allows three attempts, WithRetry's five. Where the route repeats a
// call, its attempts are all; where the server forbids it, there is one.
func TestWhoRepeats(t *testing.T) {
	for _, test := range []struct {
		retryOn          string
		raise            error
		code             mapping.Code
		grpc             codes.Code
		alone, withRetry int64 // executions
	}{
		{"resource-exhausted,unavailable", rateLimited, sdk.InvokeRateLimited, codes.ResourceExhausted, 3, 3},
		{"resource-exhausted,unavailable", sdk.InnerCommunication, sdk.InnerCommunication, codes.Unavailable, 1, 1},
		{"internal", sdk.InnerSystemError, sdk.InnerSystemError, codes.Internal, 3, 3},
		{"unavailable", rateLimited, sdk.InvokeRateLimited, codes.ResourceExhausted, 1, 5},
	} {
		for i, want := range []int64{test.alone, test.withRetry} {
			got, err := call(context.Background(), scenario{test.retryOn, func() error { return test.raise }}, users[i])
			if err != nil {
				t.Errorf("%v %s: %v", test.raise, users[i].name, err)
				continue
			}
			if got.executions != want || got.err.Code() != test.code || got.err.GRPCCode() != test.grpc {
				t.Errorf("%v %s: %d executions and %v, want %d and %v", test.raise, users[i].name, got.executions, got.err, want, test.code)
			}
		}
	}
}

func TestRun(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run(context.Background(), nil, &stdout, &stderr); status != 0 {
		t.Fatalf("exit status %d: %s", status, stderr.String())
	}
	if rows := strings.Count(stdout.String(), "\n"); rows != 1+len(scenarios)*len(users) {
		t.Errorf("printed %d lines:\n%s", rows, stdout.String())
	}
	if status := run(context.Background(), []string{"surplus"}, &stdout, &stderr); status != 2 {
		t.Errorf("with an argument: exit status %d, want 2", status)
	}
}
