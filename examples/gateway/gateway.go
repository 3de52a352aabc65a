package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	functionv1 "github.com/openyuanrong/statusmap/examples/internal/pb/function/v1"
	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/httperr"
)

// newGateway returns the REST API of the function service behind conn. Every error of a
// call is answered by writeError, and every request that finds no route by
// routes.writeError.
func newGateway(conn grpc.ClientConnInterface) (http.Handler, error) {
	known := routes{http.NewServeMux()}
	mux := runtime.NewServeMux(
		runtime.WithErrorHandler(writeError),
		runtime.WithRoutingErrorHandler(known.writeError),
		runtime.WithIncomingHeaderMatcher(matchHeader),
	)
	c := functionv1.NewFunctionServiceClient(conn)
	for _, add := range []func() error{
		route(mux, known, "POST", "/v1/functions", functionv1.FunctionService_CreateFunction_FullMethodName, c.CreateFunction),
		route(mux, known, "GET", "/v1/functions/{name}", functionv1.FunctionService_GetFunction_FullMethodName, c.GetFunction),
		route(mux, known, "PUT", "/v1/functions/{name}", functionv1.FunctionService_UpdateFunction_FullMethodName, c.UpdateFunction),
		route(mux, known, "DELETE", "/v1/functions/{name}", functionv1.FunctionService_DeleteFunction_FullMethodName, c.DeleteFunction),
		route(mux, known, "POST", "/v1/functions/{name}/versions", functionv1.FunctionService_PublishFunction_FullMethodName, c.PublishFunction),
		route(mux, known, "POST", "/v1/functions/{name}/aliases", functionv1.FunctionService_CreateAlias_FullMethodName, c.CreateAlias),
		route(mux, known, "PUT", "/v1/functions/{name}/instances", functionv1.FunctionService_ScaleFunction_FullMethodName, c.ScaleFunction),
		route(mux, known, "POST", "/v1/functions/{name}/invocations", functionv1.FunctionService_Invoke_FullMethodName, c.Invoke),
	} {
		if err := add(); err != nil {
			return nil, err
		}
	}
	return mux, nil
}

// writeError is all that a gateway needs for errors of this module. What the service says
// about repeating the call holds for the request too, because the gateway does nothing
// before it calls.
func writeError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
	if e, ok := mapping.FromError(err); ok && e.Repeatable(false) {
		err = e.WithOrigin(mapping.OriginLocal)
	}
	httperr.Write(w, err)
}

// routes knows which methods a path has.
type routes struct{ mux *http.ServeMux }

// writeError answers a request that no route is for. gRPC-Gateway alone would turn 405
// into UNIMPLEMENTED, and that into 501.
func (rs routes) writeError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, status int) {
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", strings.Join(rs.allowed(r), ", "))
	}
	httperr.WriteStatus(w, status, "")
}

// allowed returns the methods by which the path of a request can be asked for.
func (rs routes) allowed(r *http.Request) []string {
	var methods []string
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		if _, pattern := rs.mux.Handler(&http.Request{Method: method, Host: r.Host, URL: r.URL}); pattern != "" {
			methods = append(methods, method)
		}
	}
	return methods
}

// matchHeader passes the request id on, under the name by which the server looks for it.
func matchHeader(name string) (string, bool) {
	if textproto.CanonicalMIMEHeaderKey(name) == "X-Request-Id" {
		return "x-request-id", true
	}
	return runtime.DefaultHeaderMatcher(name)
}

// maxRequest bounds the body of a request.
const maxRequest = 1 << 20

// message is a pointer to a generated message.
type message[T any] interface {
	*T
	proto.Message
}

// route connects a path to a method, as protoc-gen-grpc-gateway generates it from
// annotations. The body is the request, and a name in the path is its field.
func route[Req any, P message[Req], Resp proto.Message](mux *runtime.ServeMux, known routes, verb, path, method string, call func(context.Context, P, ...grpc.CallOption) (Resp, error)) func() error {
	handler := func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		in, out := runtime.MarshalerForRequest(mux, r)
		ctx, err := runtime.AnnotateContext(r.Context(), mux, r, method, runtime.WithHTTPPathPattern(path))
		if err != nil {
			runtime.HTTPError(ctx, mux, out, w, r, err)
			return
		}
		req := P(new(Req))
		err = in.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(req)
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			httperr.WriteStatus(w, http.StatusRequestEntityTooLarge, "")
			return
		}
		if err != nil && err != io.EOF {
			runtime.HTTPError(ctx, mux, out, w, r, rest.InvalidJSONBody.Wrapf(err, "the body is no JSON of the request"))
			return
		}
		if name, ok := params["name"]; ok {
			if err := runtime.PopulateFieldFromPath(req, "name", name); err != nil {
				runtime.HTTPError(ctx, mux, out, w, r, rest.InvalidUserParam.Wrap(err))
				return
			}
		}
		resp, err := call(ctx, req)
		if err != nil {
			runtime.HTTPError(ctx, mux, out, w, r, err)
			return
		}
		runtime.ForwardResponseMessage(ctx, mux, out, w, r, resp)
	}
	known.mux.Handle(verb+" "+path, http.NotFoundHandler()) // only to be looked up
	return func() error { return mux.HandlePath(verb, path, handler) }
}
