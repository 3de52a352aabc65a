// Package httpcode holds the one table of HTTP statuses for gRPC codes, for package
// mapping and for the plugin that writes the pages of catalogues. The plugin cannot
// import package mapping, which imports what the plugin generates.
package httpcode

import (
	"net/http"

	"google.golang.org/grpc/codes"
)

// ClientClosed is Client Closed Request, for which package http has no name.
const ClientClosed = 499

// Of returns the HTTP status for a gRPC code, by the mapping that google.rpc.Code
// documents: 200 for OK, and 500 for what is no gRPC code.
func Of(c codes.Code) int {
	switch c {
	case codes.OK:
		return http.StatusOK
	case codes.Canceled:
		return ClientClosed
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return http.StatusBadRequest
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	case codes.NotFound:
		return http.StatusNotFound
	case codes.AlreadyExists, codes.Aborted:
		return http.StatusConflict
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Unimplemented:
		return http.StatusNotImplemented
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
