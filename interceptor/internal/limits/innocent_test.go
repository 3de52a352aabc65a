package limits_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

// innocents are calls that succeed while others fail on their connection: two streams
// that last all the time, and unary calls meanwhile.
type innocents struct {
	client  testgrpc.TestServiceClient
	echoed  testgrpc.TestService_FullDuplexCallClient
	counted testgrpc.TestService_StreamingInputCallClient
	sent    int32
	harm    error // the first that one of them got
}

// startInnocents returns them once they are all under way.
func startInnocents(ctx context.Context, t *testing.T, client testgrpc.TestServiceClient) *innocents {
	t.Helper()
	in := &innocents{client: client}
	var err error
	if in.echoed, err = client.FullDuplexCall(ctx); err != nil {
		t.Fatal(err)
	}
	if in.counted, err = client.StreamingInputCall(ctx); err != nil {
		t.Fatal(err)
	}
	if in.step(ctx); in.harm != nil {
		t.Fatal(in.harm)
	}
	return in
}

// step makes each of them do something, unless one has come to harm.
func (in *innocents) step(ctx context.Context) {
	if in.harm == nil {
		in.harm = in.work(ctx)
	}
}

func (in *innocents) work(ctx context.Context) error {
	// What fails in sending is told by receiving.
	_ = in.echoed.Send(&testgrpc.StreamingOutputCallRequest{})
	if _, err := in.echoed.Recv(); err != nil {
		return fmt.Errorf("a stream: %w", err)
	}
	if in.counted.Send(&testgrpc.StreamingInputCallRequest{}) != nil {
		_, err := in.counted.CloseAndRecv()
		return fmt.Errorf("a client stream: %w", err)
	}
	in.sent++
	if _, err := in.client.UnaryCall(ctx, &testgrpc.SimpleRequest{}); err != nil {
		return fmt.Errorf("a unary call: %w", err)
	}
	return nil
}

// end ends the streams, and returns what harm came to any of them.
func (in *innocents) end() error {
	if in.harm != nil {
		return in.harm
	}
	_ = in.echoed.CloseSend()
	if _, err := in.echoed.Recv(); err != io.EOF {
		return fmt.Errorf("a stream ends with %v, want io.EOF", err)
	}
	reply, err := in.counted.CloseAndRecv()
	if err != nil {
		return fmt.Errorf("a client stream: %w", err)
	}
	if got := reply.GetAggregatedPayloadSize(); got != in.sent {
		return fmt.Errorf("%d messages of a client stream arrived, want %d", got, in.sent)
	}
	return nil
}
