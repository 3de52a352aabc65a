package mapping_test

import (
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/maptest"
)

// What a status with nothing but a gRPC code becomes, as the table at FromStatus says.
func TestPlainStatuses(t *testing.T) {
	t.Parallel()
	never := mapping.Retry{Class: mapping.Never}
	for _, tt := range []struct {
		grpc   []codes.Code
		code   mapping.Code
		retry  mapping.Retry
		origin mapping.Origin
	}{
		{
			[]codes.Code{codes.Unavailable},
			sdk.InnerCommunication, mapping.Retry{Class: mapping.Idempotent, Delay: 500 * time.Millisecond}, mapping.OriginTransport,
		},
		{[]codes.Code{codes.Internal, codes.Unknown}, sdk.InnerSystemError, never, mapping.OriginTransport},
		{[]codes.Code{codes.DataLoss}, sdk.InnerSystemError, never, mapping.OriginPeer},
		{
			[]codes.Code{codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition, codes.Aborted, codes.OutOfRange},
			mapping.Code{}, never, mapping.OriginPeer,
		},
		{
			[]codes.Code{codes.Canceled, codes.DeadlineExceeded, codes.PermissionDenied, codes.ResourceExhausted, codes.Unimplemented, codes.Unauthenticated},
			mapping.Code{}, never, mapping.OriginTransport,
		},
	} {
		for _, grpc := range tt.grpc {
			e, ok := mapping.FromError(status.Error(grpc, "x"))
			if !ok || e.Code() != tt.code || e.Inferred() == tt.code.IsZero() || e.Retry() != tt.retry || e.Origin() != tt.origin {
				t.Errorf("%v becomes %v, inferred %t, %v, %v, want %v, %v, %v",
					grpc, e.Code(), e.Inferred(), e.Retry(), e.Origin(), tt.code, tt.retry, tt.origin)
			}
			if c := mapping.CodeOf(status.Error(grpc, "x")); c != tt.code {
				t.Errorf("CodeOf an error with %v = %v, want %v", grpc, c, tt.code)
			}
		}
	}
}

// The delay that a plain status asks for counts where its gRPC code allows a repetition.
func TestPlainStatusWithRetryInfo(t *testing.T) {
	t.Parallel()
	for grpc, want := range map[codes.Code]mapping.Retry{
		codes.Unavailable:       {Class: mapping.Idempotent, Delay: 3 * time.Second},
		codes.Internal:          {Class: mapping.Never},
		codes.ResourceExhausted: {Class: mapping.Never},
	} {
		st, err := status.New(grpc, "x").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(3 * time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		e, _ := mapping.FromStatus(st)
		maptest.CheckGRPC(t, e, grpc, maptest.Retry(want.Class, want.Delay))
	}
}
