package httperr_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/mapping/httperr"
)

// The comments of google.rpc.Code.
func TestStatus(t *testing.T) {
	for c, want := range map[codes.Code]int{
		codes.OK: 200, codes.Canceled: 499, codes.Unknown: 500, codes.InvalidArgument: 400,
		codes.DeadlineExceeded: 504, codes.NotFound: 404, codes.AlreadyExists: 409,
		codes.PermissionDenied: 403, codes.ResourceExhausted: 429, codes.FailedPrecondition: 400,
		codes.Aborted: 409, codes.OutOfRange: 400, codes.Unimplemented: 501, codes.Internal: 500,
		codes.Unavailable: 503, codes.DataLoss: 500, codes.Unauthenticated: 401, codes.Code(17): 500,
	} {
		if got := httperr.Status(c); got != want {
			t.Errorf("Status(%v) = %d, want %d", c, got, want)
		}
	}
}

// Reading a status alone gives a gRPC code that is written as that status.
func TestStatusAndBack(t *testing.T) {
	statuses := map[int]bool{}
	for c := codes.Canceled; c <= codes.Unauthenticated; c++ {
		status := httperr.Status(c)
		statuses[status] = true
		if e, _ := httperr.Parse(status, nil, nil); httperr.Status(e.GRPCCode()) != status {
			t.Errorf("%d is read as %v, which is written as %d", status, e.GRPCCode(), httperr.Status(e.GRPCCode()))
		}
	}
	for status, want := range map[int]codes.Code{
		405: codes.Unimplemented, 408: codes.DeadlineExceeded, 410: codes.NotFound, 413: codes.FailedPrecondition,
		416: codes.OutOfRange, 502: codes.Unavailable, 507: codes.Unknown,
	} {
		if e, _ := httperr.Parse(status, nil, nil); e.GRPCCode() != want || statuses[status] {
			t.Errorf("%d is read as %v, want %v", status, e.GRPCCode(), want)
		}
	}
}
