package interceptor

import (
	"context"
	"crypto/rand"
	"strings"

	"google.golang.org/grpc/metadata"
)

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

// traceID returns the trace id in a traceparent header, "" if it is malformed.
// https://www.w3.org/TR/trace-context/#traceparent-header
func traceID(parent string) string {
	parts := strings.Split(parent, "-")
	if len(parts) < 4 || len(parts[1]) != 32 || strings.Trim(parts[1], "0123456789abcdef") != "" {
		return ""
	}
	return parts[1]
}

// newRequestID returns an id for a request that came without one.
func newRequestID() string { return rand.Text() }
