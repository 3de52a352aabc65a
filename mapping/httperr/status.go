package httperr

import (
	"net/http"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/mapping/internal/httpcode"
)

// Status returns the HTTP status for a gRPC code, by the mapping that google.rpc.Code
// documents: 200 for OK, and 500 for what is no gRPC code.
func Status(c codes.Code) int { return httpcode.Of(c) }

// grpcCodeOf returns the gRPC code that an HTTP status most likely stands for: one for
// which Status returns it, where there is one.
func grpcCodeOf(status int) codes.Code {
	switch status {
	case http.StatusBadRequest:
		return codes.InvalidArgument
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound, http.StatusGone:
		return codes.NotFound
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return codes.Unimplemented
	case http.StatusConflict:
		return codes.Aborted
	case http.StatusRequestedRangeNotSatisfiable:
		return codes.OutOfRange
	case http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case httpcode.ClientClosed:
		return codes.Canceled
	case http.StatusInternalServerError:
		return codes.Internal
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return codes.Unavailable
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return codes.DeadlineExceeded
	}
	if status >= 400 && status < 500 {
		return codes.FailedPrecondition
	}
	return codes.Unknown
}
