package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	faultv1 "github.com/openyuanrong/statusmap/examples/internal/pb/fault/v1"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/maptest"
)

// start runs the program and returns where it listens.
func start(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var stderr bytes.Buffer
		if got := run(ctx, []string{"-addr", "127.0.0.1:0"}, in, &stderr); got != cli.OK {
			t.Errorf("run = %d: %s", got, &stderr)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	line, err := bufio.NewReader(out).ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("the program says %q, %v", line, err)
	}
	return addr
}

// A plain client of Go gets what the others get.
func TestServer(t *testing.T) {
	t.Parallel()
	conn, err := grpc.NewClient(start(t), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := faultv1.NewFaultServiceClient(conn)
	call := func(number int32, headers ...string) (string, error) {
		ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), headers...), 30*time.Second)
		defer cancel()
		var trailer metadata.MD
		_, err := client.Unary(ctx, &faultv1.UnaryRequest{Fault: &faultv1.Fault{Domain: sdk.Domain, Number: number}}, grpc.Trailer(&trailer))
		return strings.Join(trailer["interop-attempt"], ","), err
	}

	attempt, err := call(1003)
	maptest.Check(t, err, sdk.InstanceNotFound, maptest.Metadata("method", "Unary"), maptest.Metadata("code", "1003"), maptest.Origin(mapping.OriginPeer))
	if attempt != "1" {
		t.Errorf("attempt %q, want 1", attempt)
	}
	_, err = call(1005, "interop-delay-ms", "250")
	maptest.Check(t, err, sdk.InvokeRateLimited, maptest.Retry(mapping.Safe, 250*time.Millisecond))
	_, err = call(4)
	maptest.Check(t, err, sdk.ParamInvalid, maptest.MessageContains("no code 4"))

	_, err = call(1005, "interop-failures", "2", "grpc-previous-rpc-attempts", "1")
	maptest.Check(t, err, sdk.InvokeRateLimited)
	if attempt, err := call(1005, "interop-failures", "2", "grpc-previous-rpc-attempts", "2"); err != nil || attempt != "3" {
		t.Errorf("attempt %q, %v, want 3 to succeed", attempt, err)
	}
}

func TestRunMisuse(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-colour"}, {"serve"}} {
		var stdout, stderr bytes.Buffer
		if got := run(t.Context(), args, &stdout, &stderr); got != cli.Misused || !strings.Contains(stderr.String(), "Usage:") {
			t.Errorf("run(%q) = %d, %s, want %d and the usage", args, got, &stderr, cli.Misused)
		}
	}
	var stdout, stderr bytes.Buffer
	if got := run(t.Context(), []string{"-addr", "nowhere:-1"}, &stdout, &stderr); got != cli.Failed || stderr.Len() == 0 {
		t.Errorf("run = %d, %q, want %d and a reason", got, &stderr, cli.Failed)
	}
}
