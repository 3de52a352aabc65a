// Package httperr carries errors over HTTP, in the form that the platform documents for
// its REST API. A handler answers with one:
//
//	httperr.Write(w, rest.FunctionNotFound.Errorf("no function %q", name))
//
// and a client reads it, also out of the other forms in which the platform's services
// answer:
//
//	if e, failed := httperr.FromResponse(resp); failed {
//		return e // errors.Is(e, rest.FunctionNotFound)
//	}
//
// # Invariants
//
//   - An error is answered with a status from 400.
//   - What Write writes, FromResponse reads back: gRPC code and message, and, if there is a
//     platform code, that code, its metadata, retry hint and request id. Without one, the
//     reader may infer one from the gRPC code, as from a plain gRPC status.
//   - Causes and the texts of other services are not written.
//   - The body of a response can still be read, from its beginning, error or not.
package httperr
