package mapping

import (
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// NewDecoder returns a decoder that knows the platform's catalogues and, in addition,
// those given; nil ones are ignored. Of a plain status it makes what [FromStatus] does.
func NewDecoder(catalogs ...*Catalog) *Decoder {
	return &Decoder{Catalogs: slices.Concat(platform[:], catalogs), Infer: infer}
}

// FromError returns the outermost platform error or gRPC status in err as an [Error], by a
// decoder that knows the platform's catalogues, and whether there is one. Without one the
// *Error is nil, whose Code is the zero one. It needs no interceptor. See
// [rpcerr.Decoder.FromError] for the outcomes.
func FromError(err error) (*Error, bool) {
	d := Decoder{Catalogs: platform[:], Infer: infer}
	return d.FromError(err)
}

// CodeOf returns the code of what [FromError] finds in err, the zero Code if that has none or
// there is nothing. It may be a guess, see there.
func CodeOf(err error) Code {
	e, _ := FromError(err)
	return e.Code()
}

// FromStatus returns the error that a status carries, by a decoder that knows the
// platform's catalogues. See [rpcerr.Decoder.FromStatus] for the outcomes.
//
// Of a plain status, which has nothing but a gRPC code and a message, it makes this:
//
//	gRPC code                               code            retry                   origin
//	UNAVAILABLE                             3002, inferred  IDEMPOTENT after 500ms  transport
//	INTERNAL, UNKNOWN                       3003, inferred  NEVER                   transport
//	DATA_LOSS                               3003, inferred  NEVER                   peer
//	INVALID_ARGUMENT, NOT_FOUND,
//	ALREADY_EXISTS, FAILED_PRECONDITION,
//	ABORTED, OUT_OF_RANGE                   none            NEVER                   peer
//	CANCELLED, DEADLINE_EXCEEDED,
//	PERMISSION_DENIED, RESOURCE_EXHAUSTED,
//	UNIMPLEMENTED, UNAUTHENTICATED          none            NEVER                   transport
//
// The origin is [OriginPeer] for the codes that gRPC libraries never make by themselves.
// The delay of UNAVAILABLE is that of a google.rpc.RetryInfo, if the status has one. With
// any other code a RetryInfo changes nothing: only UNAVAILABLE says by itself that another
// try may help (AIP-194).
func FromStatus(st *status.Status) (*Error, bool) {
	d := Decoder{Catalogs: platform[:], Infer: infer}
	return d.FromStatus(st)
}

// infer returns the code that a status with nothing but a gRPC code most likely
// stands for.
func infer(c codes.Code) rpcerr.Code {
	switch c {
	case codes.Unavailable:
		return sdk.InnerCommunication
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return sdk.InnerSystemError
	}
	return rpcerr.Code{}
}
