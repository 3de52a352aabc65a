package httperr

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/openyuanrong/statusmap/mapping"
)

// The headers of an error over HTTP.
const (
	// headerInnerCode carries the number of the code, as the platform's frontend
	// sends it.
	headerInnerCode = "X-Inner-Code"
	// headerRetryAfter is that of RFC 9110 §10.2.3.
	headerRetryAfter = "Retry-After"
)

// Write answers an HTTP request with an error: the status by [Status] of its gRPC
// code, and a JSON body such as
//
//	{"code":4115,"message":"no function \"f\"","reason":"FUNCTION_NOT_FOUND","domain":"rest.yuanrong",
//	 "grpc_code":"NOT_FOUND","retry":{"class":"NEVER"},"metadata":{"function":"f"},"request_id":"r1"}
//
// Code and message are what the platform documents. The number stands in the header
// X-Inner-Code too. Retry-After, in seconds, rounded up, is set only if repeating this very
// call is safe, because some clients repeat on its mere presence: with class SAFE, and with
// IDEMPOTENT if [rpcerr.Error.Seal] was told that the method is idempotent. It is not set
// for an error of another service, which says nothing of what was done here before that
// service was called. If nothing was, as in a gateway, say so on the error by
// WithOrigin(mapping.OriginLocal).
//
// Any error may be given. The client gets what a gRPC client would get by the zero
// [mapping.Mapper], except details, which do not cross. For rules or another policy, give
// Write what Map of your Mapper returns. An error without a platform code has the HTTP
// status as its code, and its message, its gRPC code and, unlike over gRPC, its request id.
// For nil nothing is written.
//
// Unlike the server interceptors Write makes no request id and tells no observer: the
// cause goes nowhere. Log the error yourself, and give it the id by which the log has it:
//
//	e := new(mapping.Mapper).Map(ctx, err)
//	if e.RequestID() == "" { // else it is that of the service that raised it
//		e = e.WithRequestID(id)
//	}
//	slog.ErrorContext(ctx, "call failed", "error", e) // the cause too
//	httperr.Write(w, e)
//
// Nothing else may have been written before, and nothing may be written after it. Headers
// that speak of a success, such as Content-Length, Etag, Cache-Control and Location, are
// removed; all others stay, Content-Encoding too: whoever has set it compresses what is
// written. If the body would be longer than [MaxBody], it has no metadata, and the message
// that a gRPC client would get.
func Write(w http.ResponseWriter, err error) {
	if err == nil {
		return
	}
	e := new(mapping.Mapper).Map(context.Background(), err)
	status := Status(e.GRPCCode())
	b := body{Code: int32(status), Message: e.Message(), GRPCCode: code.Code(e.GRPCCode()).String(), RequestID: e.RequestID()}
	var inner, after string
	if !e.Code().IsZero() && !e.Guessed() {
		b.Code, b.Domain, b.Reason = e.Code().Number(), e.Code().Domain(), e.Reason()
		b.Retry = &retry{e.Retry().Class.String(), e.Retry().Delay.Milliseconds()}
		b.Metadata = e.Metadata()
		inner = strconv.Itoa(int(b.Code))
	}
	if isRepeatable(e) {
		after = strconv.FormatInt(int64(inSeconds(e.Retry().Delay)/time.Second), 10)
	}
	data, _ := json.Marshal(b) // strings, numbers and a map of strings: there is no error
	if len(data) >= MaxBody {
		b.Message, b.Metadata = e.GRPCStatus().Message(), nil
		data, _ = json.Marshal(b)
	}
	answer(w, status, data, inner, after)
}

// WriteStatus answers an HTTP request that reached no service: for routers that do not know
// a path or a method, and for requests that are too large. The status is 400 to 599; any
// other counts as 500. The body is that of [Write] for an error without a platform code.
// For an empty message it has the name of the status.
func WriteStatus(w http.ResponseWriter, status int, message string) {
	if status < 400 || status > 599 {
		status = http.StatusInternalServerError
	}
	data, _ := json.Marshal(body{
		Code: int32(status), Message: cmp.Or(message, nameOf(status)), GRPCCode: code.Code(grpcCodeOf(status)).String(),
	})
	answer(w, status, data, "", "")
}

// staleHeaders belong to the answer that an error takes the place of: what describes its
// body (RFC 9110 §8 and §14, RFC 9530), how long it may be kept, and what it has made.
var staleHeaders = [...]string{
	"Accept-Ranges", "Content-Digest", "Content-Disposition", "Content-Language", "Content-Length", "Content-Location",
	"Content-Range", "Etag", "Last-Modified", "Repr-Digest",
	"Cache-Control", "Expires",
	"Location",
	headerInnerCode, headerRetryAfter,
}

// answer writes a response, without the headers whose value is empty.
func answer(w http.ResponseWriter, status int, data []byte, inner, after string) {
	h := w.Header()
	for _, stale := range staleHeaders {
		h.Del(stale)
	}
	if inner != "" {
		h.Set(headerInnerCode, inner)
	}
	if after != "" {
		h.Set(headerRetryAfter, after)
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // a client that is gone needs no answer
}

// isRepeatable reports whether this very call may be repeated as it is, by the rule by
// which a gRPC server sends RetryInfo. What stands in the status of a received error is
// about another call.
func isRepeatable(e *mapping.Error) bool {
	if e.Origin() != mapping.OriginLocal || !e.Repeatable(true) {
		return false
	}
	return slices.ContainsFunc(e.GRPCStatus().Proto().GetDetails(), func(d *anypb.Any) bool {
		return d.MessageIs((*errdetails.RetryInfo)(nil))
	})
}

// inSeconds returns a delay in whole seconds, rounded up, as Retry-After has it.
func inSeconds(delay time.Duration) time.Duration {
	return (delay + time.Second - 1) / time.Second * time.Second
}

// nameOf returns the name of an HTTP status.
func nameOf(status int) string {
	return cmp.Or(http.StatusText(status), "HTTP status "+strconv.Itoa(status))
}
