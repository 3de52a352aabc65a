// Package rpcerr holds the types that error catalogues are made of: a [Code], the [Catalog]
// it belongs to, and the [Error] that a handler raises from it. Generated catalogues stand
// on this package as generated messages stand on the protobuf runtime. Code that raises or
// reads errors imports a catalogue and package mapping, and rarely this one, but the
// methods are documented here:
//
//   - to raise an error: [Code.Errorf], [Code.Wrap], [Code.Wrapf] and [Code.With], then
//     [Error.With], [Error.WithDetails], [Error.RetryAfter], [Error.NotExecuted] and
//     [Error.DoNotRetry];
//   - to read one: [Error.Code], [Error.Message], [Error.Metadata], [Error.Retry],
//     [Error.Repeatable], [Error.RequestID], [Error.Origin], [Error.Inferred],
//     [Error.Trimmed] and [Error.Attempts], and what a code means: [Code.Describe];
//   - for policies and interceptors: [Plain], [Error.WithRetry], [Error.WithOrigin],
//     [Error.Seal] and [Decoder]; for generated catalogues: [Row], [CodeOf] and [CatalogOf].
//
// # Identity
//
// A code is identified by its domain and number, never by text, gRPC code or detail bytes:
// number 1003 of one domain and number 1003 of another are two codes.
//
// # What crosses the wire
//
// An error becomes one google.rpc.Status that says each fact once, in this order:
//
//  1. yuanrong.errors.v1.ErrorInfo: domain, number, retry class and delay,
//     request id, and a mark if something was trimmed;
//  2. google.rpc.ErrorInfo: reason, domain and metadata, for clients in any language that
//     know no more than AIP-193; on demand with the number too (see [Wire]);
//  3. google.rpc.RetryInfo, only where repeating this very call is safe;
//  4. details that others attached, as they were.
//
// Only the message, the metadata and attached details travel. Causes and stacks stay in the
// process. So does the text of errors that wrap a platform error, if the server interceptor
// is installed: gRPC alone sends the text of a wrapping error.
//
// # What is trimmed
//
// A status is kept to a budget, [DefaultBudget] unless [Wire] says otherwise, counted as
// [Size] does. If it is too large, these go in turn until it fits:
//
//  1. details of others: LocalizedMessage, DebugInfo and Help first, then from the
//     last to the first;
//  2. the message, down to a quarter of the budget;
//  3. metadata values, the longest first; the keys stay;
//  4. the rest of the metadata; of a status without a code of ours, what its author wrote
//     in the place of our details: google.rpc.ErrorInfo, then RetryInfo;
//  5. the message, as far as needed.
//
// # Invariants
//
//   - Every value is immutable and safe for concurrent use.
//   - No method panics on a nil *Error or the zero Code.
//   - A non-nil error never has a status of code OK.
//   - Equal errors give equal bytes.
//   - Whatever has to be trimmed, these arrive: domain, number, reason, gRPC code, retry
//     hint and request id, and the number in the metadata if it is there.
package rpcerr
