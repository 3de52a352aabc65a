package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
)

// The policy of a route allows three attempts, WithRetry's five. Where the route repeats a
// call, its attempts are all; where the server forbids it, there is one. What the mesh drops
// never left.
func TestWhoRepeats(t *testing.T) {
	const usual = "resource-exhausted,unavailable"
	for _, test := range []struct {
		scenario
		code                mapping.Code
		executions          int64
		attempts, withRetry int64 // attempts and executions of the client with WithRetry
	}{
		{scenario{usual, false, rateLimited}, sdk.InvokeRateLimited, 3, 0, 3},
		{scenario{usual, false, sdk.InnerCommunication}, sdk.InnerCommunication, 1, 1, 1},
		{scenario{"internal", false, sdk.InnerSystemError}, sdk.InnerSystemError, 3, 0, 3},
		{scenario{"unavailable", false, rateLimited}, sdk.InvokeRateLimited, 1, 5, 5},
		{scenario{"unavailable", true, nil}, sdk.InnerCommunication, 0, 5, 0},
	} {
		for i, want := range []int64{test.executions, test.withRetry} {
			name := fmt.Sprintf("%v, mesh repeats %s, drops: %t, client %s", test.code.Reason(), test.retryOn, test.drops, users[i].name)
			got, err := call(context.Background(), test.scenario, users[i])
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got.executions != want || got.err.Code() != test.code {
				t.Errorf("%s: %d executions and %v, want %d", name, got.executions, got.err, want)
			}
			if attempts := int64(got.err.Attempts()); i == 1 && attempts != test.attempts {
				t.Errorf("%s: %d attempts, want %d", name, attempts, test.attempts)
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
