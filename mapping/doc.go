// Package mapping turns errors into gRPC statuses and statuses into errors. It
// holds only pure functions and values: no connection, no goroutine, no global
// that changes.
//
// # Raising an error
//
// The packages gen/sdk and gen/rest have a [Code] for each error of the platform. A code
// is an error that a handler can return, and makes one that says more:
//
//	return nil, sdk.InstanceNotFound
//	return nil, sdk.InstanceNotFound.Errorf("no instance %q", id).With("instance", id)
//	return nil, sdk.EtcdOperationError.Wrap(err) // the cause stays in the process
//
// The second and the third are an [Error]. It and [Code] are types of package rpcerr, on
// which generated catalogues stand. Their methods are documented there, at [rpcerr.Error]
// and [rpcerr.Code].
//
// # Reading an error
//
// With the client interceptors of this module the error of a call is an *Error:
//
//	if errors.Is(err, sdk.InstanceNotFound) { … }
//
// Without them [FromError] reads the same out of gRPC's error, and [FromStatus] out of a
// status:
//
//	if e, ok := mapping.FromError(err); ok { … e.Code(), e.Metadata(), e.Retry() … }
//	switch mapping.CodeOf(err) { case sdk.InstanceNotFound: … }
//
// A plain status has no code or a guessed one, which errors.Is finds like any other: ask
// [rpcerr.Error.Inferred] before you act on it.
//
// Both know the catalogues sdk and rest ([Catalogs], [Lookup]); a [Decoder] from
// [NewDecoder] knows yours as well. [Advise] says what a caller may do next.
//
// # What a client gets
//
// A [Mapper] decides what becomes of the errors that handlers return. Its rules ([WhenIs],
// [WhenAs], or your own) claim errors that know nothing of the platform, and [Relay] is its
// policy for errors that another service sent. The server interceptors use a Mapper for
// every call.
//
// # Other ways than a status
//
// [ParseText] reads codes that are printed into texts. Package inband reads them out of
// replies of calls that end OK, and writes them; package httperr carries errors over
// HTTP. Package maptest checks errors in tests.
//
// # Invariants
//
//   - nil maps to nil, and nothing else does.
//   - The status of an error never has code OK.
//   - The gRPC code and the message of a received error are those received.
//   - Details that nobody here knows are passed on byte for byte.
package mapping
