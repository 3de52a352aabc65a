//go:build nginx

package limits_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// nginxConf leaves all buffers as they are by default. The paths are such that nginx
// needs no right to write anywhere else. It listens on a socket in the file system, which
// needs no port that would have to be free.
const nginxConf = `
daemon off;
pid nginx.pid;
error_log error.log;
events {}
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	server {
		listen unix:%s http2;
		location / {
			grpc_pass grpc://%s;
			%s
		}
	}
}
`

// nginx is a running one.
type nginx struct{ dir string }

func (n nginx) socket() string { return filepath.Join(n.dir, "front") }

// target is where clients reach it.
func (n nginx) target() string { return "unix:" + n.socket() }

// log returns what it has complained of.
func (n nginx) log(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(n.dir, "error.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// startNginx starts Debian's nginx in front of a server, with further directives, until
// the test ends.
func startNginx(t *testing.T, addr, directives string) nginx {
	t.Helper()
	n := nginx{t.TempDir()}
	conf := filepath.Join(n.dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, n.socket(), addr, directives), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/sbin/nginx", "-p", n.dir, "-c", conf, "-e", "error.log")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	var result error
	go func() {
		result = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if <-ended; result != nil {
			t.Errorf("nginx: %v\n%s%s", result, &output, n.log(t))
		}
	})
	for deadline := time.After(30 * time.Second); ; {
		conn, err := net.Dial("unix", n.socket())
		if err == nil {
			_ = conn.Close()
			return n
		}
		select {
		case <-ended:
			t.FailNow() // the cleanup says why
		case <-deadline:
			t.Fatalf("nginx does not listen: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// others is what handlers send beside the status here.
const others = 500

// With its default buffers, nginx passes what keeps to the default budget.
func TestNginx(t *testing.T) {
	server := stubtest.Start(t, service(others, talkative), interceptor.ServerOptions()...)
	for _, r := range readers() {
		checkEveryCode(t, startNginx(t, server, "").target(), rpcerr.DefaultBudget, r)
	}
}

func TestNginxRelayed(t *testing.T) {
	relay := startRelay(t, others, rpcerr.DefaultBudget, overloaded)
	checkEveryCode(t, startNginx(t, relay, "").target(), rpcerr.DefaultBudget, readers()[0])
}

// A client with a limit of its own, behind an nginx with buffers for the largest budget.
func TestNginxWithLargerBuffer(t *testing.T) {
	server := stubtest.Start(t, service(others, talkative), interceptor.ServerOptions(interceptor.WithBudget(rpcerr.MaxBudget))...)
	front := startNginx(t, server, "grpc_buffer_size 8k;")
	for _, r := range readers() {
		checkEveryCode(t, front.target(), rpcerr.MaxBudget, r, grpc.WithMaxHeaderListSize(limit))
	}
}

// What does not fit becomes an UNAVAILABLE of nginx's own, which invites clients to try
// again whatever the error was.
func TestNginxLosesLargeStatuses(t *testing.T) {
	for name, server := range map[string]string{
		"without a budget": stubtest.Start(t, service(0, naive)),
		"within the largest budget, and the buffer is the default": stubtest.Start(t, service(0, talkative),
			interceptor.ServerOptions(interceptor.WithBudget(rpcerr.MaxBudget))...),
	} {
		t.Run(name, func(t *testing.T) {
			front := startNginx(t, server, "")
			if harm := checkNaiveIsLost(t, front.target(), codes.Unavailable); harm != nil {
				t.Errorf("innocent calls came to harm: %v", harm)
			}
			if log := front.log(t); !strings.Contains(log, "upstream sent too big header") {
				t.Errorf("nginx has another reason:\n%s", log)
			}
		})
	}
}

// TestNginxMargin looks for the largest status that nginx passes by default, beside the
// longest grpc-retry-pushback-ms. Its buffer holds the header list as HPACK has encoded
// it, so that depends on the bytes.
func TestNginxMargin(t *testing.T) {
	var st *spb.Status // of the next call
	front := startNginx(t, stubtest.Start(t, stubtest.Each(func(ctx context.Context) error {
		if err := grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", "2147483647")); err != nil {
			return err
		}
		return status.FromProto(st).Err()
	})), "")
	client, ctx := stubtest.Dial(t, front.target()), stubtest.Context(t)
	passes := func(made *spb.Status) bool {
		st = made
		return status.Code(stubtest.Shapes()[0].Call(ctx, client)) == codes.Code(made.GetCode())
	}
	for _, tt := range []struct {
		name   string
		status func(n int) *spb.Status // which grows with n
		want   int
	}{
		{"Chinese text", chinese, rpcerr.DefaultBudget + 1000},
		{"bytes that HPACK cannot shorten", incompressible, rpcerr.DefaultBudget},
	} {
		ofSize := func(size int) *spb.Status {
			tooLarge := sort.Search(size, func(n int) bool { return rpcerr.Size(tt.status(n)) > size })
			return tt.status(tooLarge - 1)
		}
		got := rpcerr.MinBudget - 1 + sort.Search(rpcerr.MaxBudget, func(more int) bool { return !passes(ofSize(rpcerr.MinBudget + more)) })
		t.Logf("%s: %d bytes pass", tt.name, got)
		if got < tt.want {
			t.Errorf("%s: %d bytes pass, want %d", tt.name, got, tt.want)
		}
	}
}

// chinese has a message of n bytes, or a little less.
func chinese(n int) *spb.Status {
	return withDetail(&spb.Status{Message: strings.Repeat("超", n/3)}, nil)
}

// incompressible has n bytes that are plus signs in base64, for which HPACK's Huffman code
// has eleven bits.
func incompressible(n int) *spb.Status {
	const plus = "\xfb\xef\xbe"
	var st *spb.Status
	var most int
	for offset := range 3 { // one of these puts them where three bytes begin
		made := withDetail(new(spb.Status), []byte(strings.Repeat(plus, n/3+2)[offset:][:n]))
		b, err := proto.Marshal(made)
		if err != nil {
			panic(err)
		}
		if signs := strings.Count(base64.StdEncoding.EncodeToString(b), "+"); st == nil || signs > most {
			st, most = made, signs
		}
	}
	return st
}

func withDetail(st *spb.Status, value []byte) *spb.Status {
	st.Code = int32(codes.NotFound)
	st.Details = append(st.Details, &anypb.Any{TypeUrl: "type.googleapis.com/example.Unknown", Value: value})
	return st
}
