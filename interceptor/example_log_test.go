package interceptor_test

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
)

// The log has what the client must not see.
func ExampleEvent_LogValue() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "took" {
			return slog.Attr{} // not the same at every run
		}
		return a
	}}))
	server := interceptor.UnaryServer(interceptor.WithObserver(func(ctx context.Context, ev interceptor.Event) {
		log.WarnContext(ctx, "call failed", "call", ev)
	}))

	info := &grpc.UnaryServerInfo{FullMethod: "/acme.v1.Store/Get"}
	ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("x-request-id", "r7"))
	_, _ = server(ctx, nil, info, func(context.Context, any) (any, error) {
		return nil, sdk.EtcdOperationError.Wrap(errors.New("dial 10.0.0.7:2379: refused")).With("key", "a")
	})

	// Output:
	// level=WARN msg="call failed" call.side=server call.method=/acme.v1.Store/Get call.domain=sdk.yuanrong call.number=3005 call.reason=ETCD_OPERATION_ERROR call.grpc=Unavailable call.message="Access to etcd failed." call.retry="IDEMPOTENT after 1s" call.request_id=r7 call.metadata=map[key:a] call.cause="dial 10.0.0.7:2379: refused"
}
