package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	functionv1 "github.com/openyuanrong/statusmap/examples/internal/pb/function/v1"
	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
)

// A program is a running server.
type program struct {
	addr   string
	stop   context.CancelFunc
	output <-chan string // everything behind the first line, when it has ended
	status <-chan int
}

// startServer runs the program on a port that is free.
func startServer(t *testing.T) program {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	r, w := io.Pipe()
	status, output := make(chan int, 1), make(chan string, 1)
	go func() {
		status <- run(ctx, []string{"-addr", "127.0.0.1:0"}, w, w)
		w.Close()
	}()
	stdout := bufio.NewReader(r)
	line, err := stdout.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		rest, _ := io.ReadAll(stdout)
		output <- string(rest)
	}()
	addr, _, _ := strings.Cut(strings.TrimPrefix(line, "listening on "), ",")
	return program{addr, stop, output, status}
}

func dial(t *testing.T, addr string) functionv1.FunctionServiceClient {
	t.Helper()
	creds := grpc.WithTransportCredentials(insecure.NewCredentials())
	conn, err := grpc.NewClient(addr, append(interceptor.DialOptions(), creds)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return functionv1.NewFunctionServiceClient(conn)
}

func TestRun(t *testing.T) {
	t.Parallel()
	p := startServer(t)
	client := dial(t, p.addr)
	_, err := client.CreateFunction(t.Context(), &functionv1.CreateFunctionRequest{Name: "broken", Handler: "throw", MemoryMib: 128})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Invoke(t.Context(), &functionv1.InvokeRequest{Name: "broken", Payload: "x"})
	if !errors.Is(err, sdk.UserFunctionException) {
		t.Errorf("Invoke = %v, want %v", err, sdk.UserFunctionException)
	}
	if strings.Contains(err.Error(), "password") {
		t.Errorf("the client got the cause: %v", err)
	}
	_, err = client.GetFunction(t.Context(), &functionv1.GetFunctionRequest{Name: "broken:1x"})
	if !errors.Is(err, rest.InvalidQualifier) {
		t.Errorf("GetFunction = %v, want %v, by a rule", err, rest.InvalidQualifier)
	}

	p.stop()
	if got := <-p.status; got != cli.OK {
		t.Errorf("exit status %d, want %d", got, cli.OK)
	}
	if conn, err := net.Dial("tcp", p.addr); err == nil {
		conn.Close()
		t.Errorf("%s still listens", p.addr)
	}
	log := <-p.output
	for _, want := range []string{"error.number=2002", "password of the database", "error.number=121047", "strconv.ParseInt", "stopped\n"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	addr := busy.Addr().String()
	for _, tt := range []struct {
		args   []string
		status int
		want   []string
	}{
		{[]string{"-addr", addr}, cli.Failed, []string{addr, "in use", "-addr"}},
		{[]string{"-addr", "nowhere"}, cli.Failed, []string{"cannot listen", "nowhere"}},
		{[]string{"-port", "1"}, cli.Misused, []string{"-port", "Usage:"}},
		{[]string{"50051"}, cli.Misused, []string{"50051", "Usage:"}},
	} {
		var stdout, stderr bytes.Buffer
		if got := run(t.Context(), tt.args, &stdout, &stderr); got != tt.status {
			t.Errorf("run(%q) = %d, want %d", tt.args, got, tt.status)
		}
		for _, want := range tt.want {
			if !strings.Contains(stderr.String(), want) {
				t.Errorf("run(%q): stderr lacks %q: %s", tt.args, want, &stderr)
			}
		}
	}
}
