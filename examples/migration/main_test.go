package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	inbandv1 "github.com/openyuanrong/statusmap/examples/internal/pb/inband/v1"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/inband"
)

func contextOf(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

const wantOutput = `
                                    old server, old client  old server, new client  new server, old client  new server, new client
Create, fine                        fine                    fine                    fine                    fine
Create, there already               reply: 1004             error 1004 (reply)      reply: 1004             error 1004 (status)
Create, no room                     reply: 1002             error 1002 (reply)      reply: 1002             error 1002 (status)
Invoke, fine                        fine                    fine                    fine                    fine
Invoke, no such instance            reply: 1003             error 1003 (reply)      reply: 1003             error 1003 (status)
Invoke, the function throws         reply: 2002             error 2002 (reply)      reply: 2002             error 2002 (status)
Kill, no such instance              reply: 1003             error 1003 (reply)      reply: 1003             error 1003 (status)
InvokeStream, gone after 2 outputs  2, reply: 1003          2, error 1003 (reply)   2, reply: 1003          2, error 1003 (status)
SaveState, no such instance         reply: 1003             error 1003 (reply)      reply: 1003             error 1003 (status)
Multiplex, one call of three fails  reply: 1003             error 1003 (reply)      reply: 1003             error 1003 (reply)

The new server's observer counted 7 errors in replies and 7 as statuses.
The new client's observer counted 7 errors in replies and 7 as statuses.
Only calls that fail are counted: when no reply was counted for long enough, the options can go.
`

func TestRun(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if got := run(contextOf(t), nil, &stdout, &stderr); got != 0 || stderr.Len() > 0 {
		t.Fatalf("run = %d, %s", got, stderr.String())
	}
	if diff := cmp.Diff(strings.TrimPrefix(wantOutput, "\n"), stdout.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestRunMisused(t *testing.T) {
	for _, args := range [][]string{{"x"}, {"-x"}} {
		var stdout, stderr bytes.Buffer
		if got := run(contextOf(t), args, &stdout, &stderr); got != 2 || !strings.Contains(stderr.String(), "Usage") {
			t.Errorf("run(%q) = %d, %s; want 2 and the usage", args, got, stderr.String())
		}
	}
}

// A cell that is not as it should be must not pass.
func TestCheckNamesTheCell(t *testing.T) {
	var seen []string
	for _, c := range oldCalls() {
		if c.want == "" {
			seen = append(seen, "fine")
		} else {
			seen = append(seen, "reply: "+c.want)
		}
	}
	if err := check([]column{{"a server, a client", seen}}); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"fine", "reply: 9999", "lost: 1003"} {
		broken := append([]string(nil), seen...)
		broken[4] = wrong
		err := check([]column{{"a server, a client", broken}})
		if err == nil || !strings.Contains(err.Error(), invokeGone) {
			t.Errorf("check of %q = %v, want the cell named", wrong, err)
		}
	}
}

func dial(t *testing.T, service inbandv1.InstanceServiceServer, server []grpc.ServerOption, client []grpc.DialOption) inbandv1.InstanceServiceClient {
	t.Helper()
	addr, stop, err := serve(service, server)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(addr, append(client, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(); stop() })
	return inbandv1.NewInstanceServiceClient(conn)
}

// The platform puts data beside the code.
func TestNewClientReachesTheReplyOfAnOldServer(t *testing.T) {
	c := dial(t, oldServer{}, nil, newDialOptions(new(count)))
	_, err := c.Invoke(contextOf(t), &inbandv1.InvokeRequest{InstanceId: "a1", Input: "throw"})
	if !errors.Is(err, sdk.UserFunctionException) || status.Code(err) != codes.Unknown {
		t.Fatalf("Invoke = %v, want 2002", err)
	}
	var in *inband.Reply
	if !errors.As(err, &in) {
		t.Fatal("the reply is lost")
	}
	if got := in.Reply.(*inbandv1.InvokeResponse).GetCallResult().GetOutput(); got != "half of it" {
		t.Errorf("output %q, want what the function had written", got)
	}
}

func TestNewClientDoesNotTakeTheFlagAtItsWord(t *testing.T) {
	c := dial(t, oldServer{}, nil, newDialOptions(new(count)))
	_, err := c.Create(contextOf(t), &inbandv1.CreateRequest{InstanceId: "a1"})
	if e, _ := mapping.FromError(err); e.Code() != sdk.InstanceDuplicated || e.Retry().Class != mapping.Never {
		t.Errorf("Create = %v, retry %v; want 1004, NEVER", err, e.Retry())
	}
}

func TestNewPairKeepsEverything(t *testing.T) {
	c := dial(t, newServer{}, newServerOptions(new(count)), newDialOptions(new(count)))
	_, err := c.Invoke(contextOf(t), &inbandv1.InvokeRequest{InstanceId: "a9"})
	if e, _ := mapping.FromError(err); e.Metadata()["instance"] != "a9" || e.Message() != `no instance "a9"` {
		t.Errorf("Invoke = %v, metadata %v", err, e.Metadata())
	}
}

// What the old client gets from the new server is what the old one would have sent, but
// for the flag, which is only set where a repetition is safe.
func TestOldClientGetsAWholeReplyFromANewServer(t *testing.T) {
	c := dial(t, newServer{}, newServerOptions(new(count)), nil)
	reply, err := c.Create(contextOf(t), &inbandv1.CreateRequest{InstanceId: "huge"})
	if err != nil {
		t.Fatal(err)
	}
	s := reply.GetStatus()
	if s.GetCode() != inbandv1.ErrorCode_ERROR_CODE_RESOURCE_NOT_ENOUGH || s.GetMessage() != `no node has room for "huge"` || !s.GetRetryable() || s.GetRetryReason() != "pre-dispatch" {
		t.Errorf("Create = %v", s)
	}
	reply, err = c.Create(contextOf(t), &inbandv1.CreateRequest{InstanceId: "a1"})
	if err != nil || reply.GetStatus().GetRetryable() {
		t.Errorf("Create = %v, %v; want it not retryable", reply, err)
	}
}
