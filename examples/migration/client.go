package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/grpc"

	inbandv1 "github.com/openyuanrong/statusmap/examples/internal/pb/inband/v1"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/inband"
)

// newDialOptions make errors out of codes in replies.
func newDialOptions(seen *count) []grpc.DialOption {
	return interceptor.DialOptions(interceptor.WithInBand(nil), streams, interceptor.WithObserver(seen.observe))
}

// A call is one row of the matrix: a call that a client makes, and what it sees.
type call struct {
	name string
	want string // what comes of it, by its code; "" if it succeeds
	see  func(context.Context, inbandv1.InstanceServiceClient) string
}

// The calls, by what happens at the server.
const (
	createFine  = "Create, fine"
	createTwice = "Create, there already"
	createHuge  = "Create, no room"
	invokeFine  = "Invoke, fine"
	invokeGone  = "Invoke, no such instance"
	invokeThrow = "Invoke, the function throws"
	killGone    = "Kill, no such instance"
	streamGone  = "InvokeStream, gone after 2 outputs"
	saveGone    = "SaveState, no such instance"
	manyCalls   = "Multiplex, one call of three fails"
)

// wanted are the codes that the calls end with.
var wanted = map[string]string{
	createTwice: "1004", createHuge: "1002", invokeGone: "1003", invokeThrow: "2002",
	killGone: "1003", streamGone: "1003", saveGone: "1003", manyCalls: "1003",
}

func newCall(name string, see func(context.Context, inbandv1.InstanceServiceClient) string) call {
	return call{name, wanted[name], see}
}

// code is what an old client says about a code in a reply.
func code[T ~int32](n T) string {
	if n == 0 {
		return "fine"
	}
	return fmt.Sprintf("reply: %d", n)
}

// firstOf returns the code of the way to the function, or else that of the function.
func firstOf(reply *inbandv1.InvokeResponse) string {
	if c := reply.GetStatus().GetCode(); c != 0 {
		return code(c)
	}
	return code(reply.GetCallResult().GetCode())
}

// oldCalls are the calls of a client that looks into every reply. It is lost if the
// error is not there.
func oldCalls() []call {
	create := func(id string) func(context.Context, inbandv1.InstanceServiceClient) string {
		return func(ctx context.Context, c inbandv1.InstanceServiceClient) string {
			reply, err := c.Create(ctx, &inbandv1.CreateRequest{InstanceId: id})
			if err != nil {
				return "lost: " + err.Error()
			}
			return code(reply.GetStatus().GetCode())
		}
	}
	invoke := func(id, input string) func(context.Context, inbandv1.InstanceServiceClient) string {
		return func(ctx context.Context, c inbandv1.InstanceServiceClient) string {
			reply, err := c.Invoke(ctx, &inbandv1.InvokeRequest{InstanceId: id, Input: input})
			if err != nil {
				return "lost: " + err.Error()
			}
			return firstOf(reply)
		}
	}
	return []call{
		newCall(createFine, create("a2")),
		newCall(createTwice, create("a1")),
		newCall(createHuge, create("huge")),
		newCall(invokeFine, invoke("a1", "hello")),
		newCall(invokeGone, invoke("a9", "hello")),
		newCall(invokeThrow, invoke("a1", "throw")),
		newCall(killGone, func(ctx context.Context, c inbandv1.InstanceServiceClient) string {
			reply, err := c.Kill(ctx, &inbandv1.KillRequest{InstanceId: "a9"})
			if err != nil {
				return "lost: " + err.Error()
			}
			return code(reply.GetCode())
		}),
		newCall(streamGone, func(ctx context.Context, c inbandv1.InstanceServiceClient) string {
			outputs, last := 0, "fine"
			err := receive(ctx, c, func(m *inbandv1.InvokeStreamResponse) {
				if m.GetCode() == 0 {
					outputs++
				} else {
					last = code(m.GetCode())
				}
			})
			if err != nil {
				return "lost: " + err.Error()
			}
			return fmt.Sprintf("%d, %s", outputs, last)
		}),
		newCall(saveGone, func(ctx context.Context, c inbandv1.InstanceServiceClient) string {
			reply, err := save(ctx, c)
			if err != nil {
				return "lost: " + err.Error()
			}
			return code(reply.GetStatus().GetCode())
		}),
		newCall(manyCalls, func(ctx context.Context, c inbandv1.InstanceServiceClient) string {
			return answers(ctx, c, func(m *inbandv1.MultiplexResponse) string { return code(m.GetCode()) })
		}),
	}
}

// outcome is what a new client says about an error: what it is, and how it came.
func outcome(err error) string {
	if err == nil {
		return "fine"
	}
	e, ok := mapping.FromError(err)
	if !ok || e.Code().IsZero() {
		return "lost: " + err.Error()
	}
	var reply *inband.Reply
	if errors.As(err, &reply) {
		return fmt.Sprintf("error %d (reply)", e.Code().Number())
	}
	return fmt.Sprintf("error %d (status)", e.Code().Number())
}

// newCalls are the calls of a client that looks at errors only.
func newCalls() []call {
	create := func(id string) func(context.Context, inbandv1.InstanceServiceClient) string {
		return func(ctx context.Context, c inbandv1.InstanceServiceClient) string {
			_, err := c.Create(ctx, &inbandv1.CreateRequest{InstanceId: id})
			return outcome(err)
		}
	}
	invoke := func(id, input string) func(context.Context, inbandv1.InstanceServiceClient) string {
		return func(ctx context.Context, c inbandv1.InstanceServiceClient) string {
			_, err := c.Invoke(ctx, &inbandv1.InvokeRequest{InstanceId: id, Input: input})
			return outcome(err)
		}
	}
	return []call{
		newCall(createFine, create("a2")),
		newCall(createTwice, create("a1")),
		newCall(createHuge, create("huge")),
		newCall(invokeFine, invoke("a1", "hello")),
		newCall(invokeGone, invoke("a9", "hello")),
		newCall(invokeThrow, invoke("a1", "throw")),
		newCall(killGone, func(ctx context.Context, c inbandv1.InstanceServiceClient) string {
			_, err := c.Kill(ctx, &inbandv1.KillRequest{InstanceId: "a9"})
			return outcome(err)
		}),
		newCall(streamGone, func(ctx context.Context, c inbandv1.InstanceServiceClient) string {
			outputs := 0
			err := receive(ctx, c, func(*inbandv1.InvokeStreamResponse) { outputs++ })
			return fmt.Sprintf("%d, %s", outputs, outcome(err))
		}),
		newCall(saveGone, func(ctx context.Context, c inbandv1.InstanceServiceClient) string {
			_, err := save(ctx, c)
			return outcome(err)
		}),
		newCall(manyCalls, func(ctx context.Context, c inbandv1.InstanceServiceClient) string {
			// The code is that of one call, so the stream must go on: no interceptor, but
			// the function that it uses.
			var inBand inband.Format
			return answers(ctx, c, func(m *inbandv1.MultiplexResponse) string {
				if e, failed := inBand.FromReply(inbandv1.InstanceService_Multiplex_FullMethodName, m); failed {
					return outcome(e)
				}
				return "fine"
			})
		}),
	}
}

// receive calls InvokeStream for an instance that is gone after two outputs.
func receive(ctx context.Context, c inbandv1.InstanceServiceClient, got func(*inbandv1.InvokeStreamResponse)) error {
	stream, err := c.InvokeStream(ctx, &inbandv1.InvokeStreamRequest{InstanceId: "a9", Outputs: 2})
	if err != nil {
		return err
	}
	m, err := stream.Recv()
	for ; err == nil; m, err = stream.Recv() {
		got(m)
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// save calls SaveState for an instance that is not there.
func save(ctx context.Context, c inbandv1.InstanceServiceClient) (*inbandv1.SaveStateResponse, error) {
	stream, err := c.SaveState(ctx)
	if err != nil {
		return nil, err
	}
	for range 2 {
		// io.EOF says that the server has answered already.
		if err := stream.Send(&inbandv1.SaveStateRequest{InstanceId: "a9", Part: []byte("x")}); err != nil {
			break
		}
	}
	return stream.CloseAndRecv()
}

// answers makes three calls on one stream and returns what the second came to, if the
// others were fine.
func answers(ctx context.Context, c inbandv1.InstanceServiceClient, say func(*inbandv1.MultiplexResponse) string) string {
	stream, err := c.Multiplex(ctx)
	if err != nil {
		return "lost: " + err.Error()
	}
	var said []string
	for i, id := range []string{"a1", "a9", "a1"} {
		if err := stream.Send(&inbandv1.MultiplexRequest{CallId: int32(i), InstanceId: id}); err != nil {
			return "lost: " + err.Error()
		}
		m, err := stream.Recv()
		if err != nil {
			return "lost: " + err.Error()
		}
		said = append(said, say(m))
	}
	_ = stream.CloseSend()
	if _, err := stream.Recv(); err != io.EOF {
		return "lost: the stream ended with " + fmt.Sprint(err)
	}
	if said[0] != "fine" || said[2] != "fine" {
		return "lost: " + strings.Join(said, ", ")
	}
	return said[1]
}
