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
package httperr
