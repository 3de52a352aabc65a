// Package statusotel reports the errors of calls to OpenTelemetry: as attributes of
// spans and as a counter. It stands on the observer of package interceptor, and beside
// otelgrpc, which makes the spans and the metrics of calls.
//
//	observer, err := statusotel.New()
//	srv := grpc.NewServer(append(
//		interceptor.ServerOptions(interceptor.WithObserver(observer)),
//		grpc.StatsHandler(otelgrpc.NewServerHandler()))...)
//
// # Spans
//
// On a server the span of the call gets error.type, rpc.response.status_code and the
// attributes below but [SideKey], and the real cause, if there is more to know than the
// code, as an exception event. On a client an event "rpc.error" with these and rpc.method is
// added to the caller's span, because that span may have many calls, and a call many
// attempts. The status of spans is left to otelgrpc.
//
// # Counter
//
// statusmap.errors counts errors, by rpc.system.name, rpc.method, rpc.response.status_code,
// error.type and the attributes from [DomainKey] to [GaveUpKey]. The number of its time
// series is bounded, whatever peers send: a code that no catalogue of this program lists has
// "_OTHER" for its domain and error.type, a gRPC code that there is not has it for its status
// code, and methods that no descriptor in this program declares have it after the first 100.
package statusotel

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

const scope = "github.com/openyuanrong/statusmap/examples/otel/statusotel"

// Attributes that the semantic conventions have no name for.
const (
	// DomainKey is the domain of the code, "grpc" for an error without one.
	DomainKey = attribute.Key("statusmap.domain")
	// SideKey is "server" or "client".
	SideKey = attribute.Key("statusmap.side")
	// RetryClassKey is the retry class, such as "SAFE".
	RetryClassKey = attribute.Key("statusmap.retry.class")
	// RetryingKey tells whether the attempt is about to be repeated.
	RetryingKey = attribute.Key("statusmap.retrying")
	// InBandKey tells whether the error crossed in a reply, as with a peer that does not
	// know statuses. On spans it is set where it is true.
	InBandKey = attribute.Key("statusmap.in_band")
	// InferredKey tells whether nobody has sent the code: the client guesses it by a plain
	// status. On spans it is set where it is true.
	InferredKey = attribute.Key("statusmap.inferred")
	// OriginKey tells where the error was born: "local", "peer", "transport", "unsent".
	OriginKey = attribute.Key("statusmap.origin")
	// GaveUpKey tells why the call is not repeated, see interceptor.GaveUp. It is not there
	// where it is repeated, and for clients without retries.
	GaveUpKey = attribute.Key("statusmap.gave_up")

	// NumberKey is the number of the code.
	NumberKey = attribute.Key("statusmap.number")
	// ReasonKey is the reason, also of a code that is not listed here.
	ReasonKey = attribute.Key("statusmap.reason")
	// RetryDelayKey is the delay before a retry, in milliseconds.
	RetryDelayKey = attribute.Key("statusmap.retry.delay_ms")
	// RequestIDKey is the id of the request in logs.
	RequestIDKey = attribute.Key("statusmap.request_id")
	// AttemptKey tells which attempt failed.
	AttemptKey = attribute.Key("statusmap.attempt")
	// TrimmedKey is set where something was left out to fit the wire budget.
	TrimmedKey = attribute.Key("statusmap.trimmed")
)

// other is what the semantic conventions put in place of a value that is not known
// beforehand.
const other = "_OTHER"

// An Option configures New.
type Option func(*options)

type options struct{ meters metric.MeterProvider }

// WithMeterProvider sets where the counter is made; the default is the global provider,
// and nil is ignored.
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(o *options) {
		if p != nil {
			o.meters = p
		}
	}
}

// New returns an observer for [interceptor.WithObserver]. One is enough for all servers and
// clients of a program. The error is that of the provider, if it makes no counter.
func New(opts ...Option) (func(context.Context, interceptor.Event), error) {
	o := options{meters: otel.GetMeterProvider()}
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	errors, err := o.meters.Meter(scope).Int64Counter("statusmap.errors",
		metric.WithUnit("{error}"), metric.WithDescription("Errors of calls, by code."))
	if err != nil {
		return nil, err
	}
	methods := &bounded{known: map[string]bool{}}
	return func(ctx context.Context, ev interceptor.Event) {
		errors.Add(ctx, 1, metric.WithAttributeSet(labels(ev, methods)))
		annotate(ctx, ev)
	}, nil
}

// labels returns the attributes of the counter.
func labels(ev interceptor.Event, methods *bounded) attribute.Set {
	domain, errorType := kind(ev.Error)
	attrs := []attribute.KeyValue{
		semconv.RPCSystemNameGRPC,
		semconv.RPCMethod(methods.name(ev.Method)),
		semconv.RPCResponseStatusCode(grpcName(ev.Error)),
		semconv.ErrorTypeKey.String(errorType),
		DomainKey.String(domain),
		RetryClassKey.String(ev.Error.Retry().Class.String()),
		SideKey.String(ev.Side.String()),
		RetryingKey.Bool(ev.Retrying),
		InBandKey.Bool(ev.InBand),
		InferredKey.Bool(ev.Error.Inferred()),
		OriginKey.String(ev.Error.Origin().String()),
	}
	if ev.GaveUp != "" {
		attrs = append(attrs, GaveUpKey.String(string(ev.GaveUp)))
	}
	return attribute.NewSet(attrs...)
}

// kind returns domain and error.type of an error: of a listed code its reason, of an
// error without a code its gRPC code, else what stands for everything else.
func kind(e *mapping.Error) (domain, errorType string) {
	switch c := e.Code(); {
	case c.IsZero():
		return "grpc", grpcName(e)
	case c.Listed():
		return c.Domain(), c.Reason()
	}
	return other, other
}

// grpcName returns the name of the gRPC code. A number without one counts as other: a peer
// can send two billion of them.
func grpcName(e *mapping.Error) string {
	if name, ok := code.Code_name[int32(e.GRPCCode())]; ok {
		return name
	}
	return other
}

// annotate tells the span of the context about the error.
func annotate(ctx context.Context, ev interceptor.Event) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	attrs := attributes(ev)
	if ev.Side == interceptor.ClientSide {
		span.AddEvent("rpc.error", trace.WithAttributes(append(attrs, semconv.RPCMethod(trimmed(ev.Method)))...))
		return
	}
	span.SetAttributes(attrs...)
	if ev.Panic != nil {
		span.AddEvent(semconv.ExceptionEventName, trace.WithAttributes(
			semconv.ExceptionType("panic"), semconv.ExceptionMessage(fmt.Sprint(ev.Panic)), semconv.ExceptionStacktrace(string(ev.Stack))))
	} else if text := ev.CauseText(); text != "" {
		span.AddEvent(semconv.ExceptionEventName, trace.WithAttributes(
			semconv.ExceptionType(fmt.Sprintf("%T", ev.Cause)), semconv.ExceptionMessage(text)))
	}
}

// attributes returns what a span is told.
func attributes(ev interceptor.Event) []attribute.KeyValue {
	e := ev.Error
	domain, errorType := kind(e)
	if c := e.Code(); !c.IsZero() {
		domain = c.Domain() // a span may say what a time series must not
	}
	attrs := []attribute.KeyValue{
		semconv.RPCResponseStatusCode(grpcName(e)),
		semconv.ErrorTypeKey.String(errorType),
		DomainKey.String(domain),
		RetryClassKey.String(e.Retry().Class.String()),
		OriginKey.String(e.Origin().String()),
	}
	if c := e.Code(); !c.IsZero() {
		attrs = append(attrs, NumberKey.Int(int(c.Number())), ReasonKey.String(e.Reason()))
	}
	if delay := e.Retry().Delay; delay > 0 {
		attrs = append(attrs, RetryDelayKey.Int64(delay.Milliseconds()))
	}
	if ev.RequestID != "" {
		attrs = append(attrs, RequestIDKey.String(ev.RequestID))
	}
	if ev.Attempt > 0 {
		attrs = append(attrs, AttemptKey.Int(ev.Attempt), RetryingKey.Bool(ev.Retrying))
	}
	if ev.GaveUp != "" {
		attrs = append(attrs, GaveUpKey.String(string(ev.GaveUp)))
	}
	for _, flag := range []struct {
		key attribute.Key
		set bool
	}{{InferredKey, e.Inferred()}, {TrimmedKey, e.Trimmed()}, {InBandKey, ev.InBand}} {
		if flag.set {
			attrs = append(attrs, flag.key.Bool(true))
		}
	}
	return attrs
}

// maxMethods bounds the methods that are told apart beside those of the services that are
// linked in. A server that handles unknown services sees as many as its clients invent.
const maxMethods = 100

// bounded is the set of methods that are told apart.
type bounded struct {
	mu       sync.RWMutex
	known    map[string]bool
	unlinked int // how many of them are declared nowhere
}

func (b *bounded) name(method string) string {
	method = trimmed(method)
	b.mu.RLock()
	known := b.known[method]
	b.mu.RUnlock()
	if known {
		return method
	}
	linked := isLinked(method)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.known[method]:
		return method
	case !linked && b.unlinked >= maxMethods:
		return other
	case !linked:
		b.unlinked++
	}
	b.known[method] = true
	return method
}

// isLinked reports whether a descriptor in this program declares the method.
func isLinked(method string) bool {
	name := protoreflect.FullName(strings.ReplaceAll(method, "/", "."))
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	_, isMethod := d.(protoreflect.MethodDescriptor)
	return err == nil && isMethod
}

// trimmed returns a full method as the semantic conventions write it.
func trimmed(method string) string { return strings.TrimPrefix(method, "/") }
