// Package httperr carries errors over HTTP, in the form that the platform documents for
// its REST API: [Write] answers a request with one, [FromResponse] and [Parse] read one.
package httperr

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/internal/httpcode"
)

// The headers of an error over HTTP.
const (
	// headerInnerCode carries the number of the code, as the platform's frontend
	// sends it.
	headerInnerCode = "X-Inner-Code"
	// headerRetryAfter is that of RFC 9110 §10.2.3.
	headerRetryAfter = "Retry-After"
)

// Status returns the HTTP status for a gRPC code, by the mapping that google.rpc.Code
// documents. It is 200 for OK, and 500 for what is no gRPC code.
func Status(c codes.Code) int { return httpcode.Of(c) }

// body is the body of an error: code and message as the platform documents them,
// and beside them what makes the error whole.
type body struct {
	// Code is the number, or the HTTP status where there is no platform code, for the
	// platform's clients take 0 for success. Only with a domain is it a code.
	Code      int32             `json:"code"`
	Message   string            `json:"message"`
	Reason    string            `json:"reason,omitempty"`
	Domain    string            `json:"domain,omitempty"`
	GRPCCode  string            `json:"grpc_code,omitempty"`
	Retry     *retry            `json:"retry,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	RequestID string            `json:"request_id,omitempty"`
}

type retry struct {
	Class   string `json:"class"`
	DelayMS int64  `json:"delay_ms,omitempty"`
}

// Write answers an HTTP request with an error: the status by [Status] of its gRPC
// code, and a JSON body such as
//
//	{"code":4115,"message":"no function \"f\"","reason":"FUNCTION_NOT_FOUND","domain":"rest.yuanrong",
//	 "grpc_code":"NOT_FOUND","retry":{"class":"NEVER"},"metadata":{"function":"f"},"request_id":"r1"}
//
// Code and message are what the platform documents. The number stands in the header
// X-Inner-Code too. Retry-After, in seconds, rounded up, comes only where repeating
// this very call is safe, for there are clients that repeat on its mere presence: with
// class SAFE, and with IDEMPOTENT if the server found the method idempotent.
//
// The error is what [mapping.FromError] finds in err; one that our client interceptor got from
// another service is passed on by [mapping.Relay], so that its text does not cross where a
// gRPC server would not let it. Of an error without a gRPC status and
// without a code nothing is written but 3003 and the catalogue's text; context errors
// are CANCELLED and DEADLINE_EXCEEDED. An error without a platform code has the HTTP
// status as its code, and no domain. For nil nothing is written.
func Write(w http.ResponseWriter, err error) {
	if err == nil {
		return
	}
	e, ok := mapping.FromError(err)
	switch typed, _ := err.(*mapping.Error); {
	case !ok:
		e = new(mapping.Mapper).Map(context.Background(), err)
	case typed != nil && typed.Origin() != mapping.OriginLocal:
		e = mapping.Relay(e)
	}
	httpStatus := Status(e.GRPCCode())
	body := body{
		Code: int32(httpStatus), Message: e.Message(), GRPCCode: code.Code(e.GRPCCode()).String(),
		Metadata: e.Metadata(), RequestID: e.RequestID(),
	}
	h := w.Header()
	for _, stale := range [...]string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified", "Cache-Control", headerInnerCode, headerRetryAfter} {
		h.Del(stale)
	}
	if !e.Code().IsZero() {
		body.Code, body.Domain, body.Reason = e.Code().Number(), e.Code().Domain(), e.Reason()
		body.Retry = &retry{e.Retry().Class.String(), e.Retry().Delay.Milliseconds()}
		h.Set(headerInnerCode, strconv.Itoa(int(body.Code)))
	}
	if isRepeatable(e) {
		h.Set(headerRetryAfter, strconv.FormatInt(int64((e.Retry().Delay+time.Second-1)/time.Second), 10))
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(httpStatus)
	_ = json.NewEncoder(w).Encode(body) // a client that is gone needs no answer
}

// isRepeatable reports whether this very call may be repeated as it is. The status
// says so by RetryInfo: whoever made it knew whether the method is idempotent, and
// whether a service in the middle has passed the error on.
func isRepeatable(e *mapping.Error) bool {
	if !e.Repeatable(true) {
		return false
	}
	return slices.ContainsFunc(e.GRPCStatus().Proto().GetDetails(), func(d *anypb.Any) bool {
		return d.MessageIs((*errdetails.RetryInfo)(nil))
	})
}
