package interceptor

import (
	"context"
	"crypto/rand"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/openyuanrong/statusmap/mapping"
)

// WithRequestID sets where the server gets the id by which a request is found in its logs;
// "" means that the request has none. The default looks into the incoming metadata, first
// for x-request-id, then for the trace id of traceparent (W3C Trace Context).
//
// If there is no id, an error with a code gets a random one in two cases: it was raised
// around a cause, or the client gets only the catalogue's text for more than a bare code,
// such as for an error that a rule has claimed.
//
// An error that has an id keeps it. A plain status has no place for one, and an error that
// another service sent goes on as it came: observers find the id in Event.RequestID.
//
// The function may run concurrently. If it panics, the request has no id. A nil function is
// ignored.
//
// The client interceptors do not pass ids on to other services.
func WithRequestID(f func(ctx context.Context) string) ServerOption {
	return serverOption(func(s *server) {
		if f != nil {
			s.requestID = unlessItPanics(f)
		}
	})
}

// requestIDOf is the default for [WithRequestID].
func requestIDOf(ctx context.Context) string {
	if ids := metadata.ValueFromIncomingContext(ctx, "x-request-id"); len(ids) > 0 && ids[0] != "" {
		return ids[0]
	}
	if parents := metadata.ValueFromIncomingContext(ctx, "traceparent"); len(parents) > 0 {
		return traceID(parents[0])
	}
	return ""
}

// traceID returns the trace id in a traceparent header, "" if the header is invalid. Later
// versions may have more fields behind those that are known.
// https://www.w3.org/TR/trace-context/#traceparent-header
func traceID(parent string) string {
	fields := strings.SplitN(parent, "-", 5)
	if len(fields) < 4 || !isHex(fields[0], 2) || !isHex(fields[1], 32) || !isHex(fields[2], 16) || !isHex(fields[3], 2) {
		return ""
	}
	version, id, span := fields[0], fields[1], fields[2]
	if version == "ff" || version == "00" && len(fields) > 4 || isZero(id) || isZero(span) {
		return ""
	}
	return id
}

func isHex(s string, length int) bool {
	return len(s) == length && strings.Trim(s, "0123456789abcdef") == ""
}

func isZero(s string) bool { return strings.Trim(s, "0") == "" }

// needsRequestID reports whether the server knows more about an error than its client is
// told, which then needs an id to ask by: a cause, or what the catalogue's text stands for.
func needsRequestID(e *mapping.Error) bool {
	c := e.Code()
	return !c.IsZero() && (e.HidesCause() || e.Unwrap() != nil && e.Message() == c.AsError().Message())
}

// newRequestID returns an id for a request that came without one.
func newRequestID() string { return rand.Text() }
