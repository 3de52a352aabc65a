package registry

import (
	"context"
	"log/slog"
	"strconv"

	"google.golang.org/grpc"

	functionv1 "github.com/openyuanrong/statusmap/examples/internal/pb/function/v1"
	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

// NewServer returns a server with an empty registry. Every error that a client gets is
// logged, with the cause that the client does not get.
func NewServer(log *slog.Logger) *grpc.Server {
	srv := grpc.NewServer(interceptor.ServerOptions(
		interceptor.WithRules(mapping.WhenAs[*strconv.NumError](rest.InvalidQualifier)),
		interceptor.WithRecovery(),
		interceptor.WithObserver(func(ctx context.Context, ev interceptor.Event) {
			log.WarnContext(ctx, "call failed", "method", ev.Method, "error", ev.Error)
		}),
	)...)
	functionv1.RegisterFunctionServiceServer(srv, New())
	return srv
}
