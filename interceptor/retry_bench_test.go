package interceptor_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
)

// What retries cost a call that succeeds: in the interceptor alone, and over a
// connection.
func BenchmarkRetryOfASuccess(b *testing.B) {
	variants := []struct {
		name string
		opts []interceptor.ClientOption
	}{
		{"off", nil},
		{"on", []interceptor.ClientOption{interceptor.WithRetry(interceptor.RetryPolicy{})}},
	}
	for _, v := range variants {
		b.Run("interceptor/"+v.name, func(b *testing.B) {
			unary := interceptor.UnaryClient(v.opts...)
			invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				_ = unary(ctx, unaryMethod, nil, nil, nil, invoker)
			}
		})
		b.Run("tcp/"+v.name, func(b *testing.B) {
			addr := stubtest.Start(b, stubtest.Each(func(context.Context) error { return nil }))
			conn := stubtest.Dial(b, addr, interceptor.DialOptions(v.opts...)...)
			ctx, req := context.Background(), new(testgrpc.SimpleRequest)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.UnaryCall(ctx, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
