// Package mapping turns errors into gRPC statuses and statuses into errors. It
// holds only pure functions and values: no connection, no goroutine, no global
// that changes.
//
// Raise an error by its code, in a handler:
//
//	return nil, sdk.InstanceNotFound.Errorf("no instance %q", id).With("instance", id)
//
// Read one. With the client interceptor of this module the error of a call is typed:
//
//	if errors.Is(err, sdk.InstanceNotFound) { … }
//
// Without it the same is read out of gRPC's error:
//
//	if e, ok := mapping.FromError(err); ok { … e.Code(), e.Metadata(), e.Retry() … }
//
// [FromError] and [FromStatus] know the catalogues sdk and rest; a [Decoder] from
// [NewDecoder] knows yours as well. A [Mapper] decides what becomes of the errors
// that handlers return, by its rules. The types [Error] and [Code] are those of
// package rpcerr, on which generated catalogues stand.
//
// # Other ways than a status
//
// [ParseText] reads codes that are printed into texts. Package inband reads them out of
// replies of calls that end OK, and writes them; package httperr carries errors over
// HTTP.
//
// # Invariants
//
//   - nil maps to nil, and nothing else does.
//   - The status of an error never has code OK.
//   - The gRPC code and the message of a received error are those received.
//   - Details that nobody here knows are passed on byte for byte.
package mapping
