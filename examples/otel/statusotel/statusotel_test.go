package statusotel_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/openyuanrong/statusmap/examples/otel/statusotel"
	"github.com/openyuanrong/statusmap/gen/sdk"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

// service fails with what a test sets.
type service struct {
	testgrpc.UnimplementedTestServiceServer
	fail func() error
}

func (s *service) UnaryCall(context.Context, *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	if err := s.fail(); err != nil {
		return nil, err
	}
	return &testgrpc.SimpleResponse{}, nil
}

// rig is a server, a client, and the real SDK with its in-memory exporters.
type rig struct {
	client testgrpc.TestServiceClient
	reader *sdkmetric.ManualReader
	tracer *sdktrace.TracerProvider
	spans  *tracetest.InMemoryExporter
	server *grpc.Server
}

func newRig(t *testing.T, fail func() error) *rig {
	t.Helper()
	r := &rig{reader: sdkmetric.NewManualReader(), spans: tracetest.NewInMemoryExporter()}
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader))
	r.tracer = sdktrace.NewTracerProvider(sdktrace.WithSyncer(r.spans))
	observer, err := statusotel.New(statusotel.WithMeterProvider(meters))
	if err != nil {
		t.Fatal(err)
	}
	r.server = grpc.NewServer(append(
		interceptor.ServerOptions(interceptor.WithRecovery(), interceptor.WithObserver(observer)),
		grpc.StatsHandler(otelgrpc.NewServerHandler(otelgrpc.WithTracerProvider(r.tracer), otelgrpc.WithMeterProvider(sdkmetric.NewMeterProvider()))))...)
	testgrpc.RegisterTestServiceServer(r.server, &service{fail: fail})
	listener := bufconn.Listen(1 << 16)
	done := make(chan struct{})
	go func() { defer close(done); _ = r.server.Serve(listener) }()
	t.Cleanup(func() { r.server.Stop(); <-done })
	conn, err := grpc.NewClient("passthrough:///test", append(
		interceptor.DialOptions(interceptor.WithRetry(interceptor.RetryPolicy{MaxAttempts: 2}), interceptor.WithObserver(observer)),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	r.client = testgrpc.NewTestServiceClient(conn)
	return r
}

// call makes a call inside a span named "caller".
func (r *rig) call(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ctx, span := r.tracer.Tracer("test").Start(ctx, "caller")
	defer span.End()
	_, err := r.client.UnaryCall(ctx, &testgrpc.SimpleRequest{})
	return err
}

// errorsCounted returns the values of the counter, by their labels in one line.
func (r *rig) errorsCounted(t *testing.T) map[string]int64 {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := r.reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	counted := map[string]int64{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != "statusmap.errors" || m.Unit != "{error}" {
				t.Errorf("a metric %s in %s, want only the counter", m.Name, m.Unit)
				continue
			}
			for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
				counted[point.Attributes.Encoded(attribute.DefaultEncoder())] += point.Value
			}
		}
	}
	return counted
}

// A series is what tells one time series of the counter from others here.
type series struct {
	side, domain, errorType, grpcCode, class, origin string

	inBand, inferred, retrying bool
	gaveUp                     string
}

// String returns the labels in one line.
func (s series) String() string {
	gaveUp := ""
	if s.gaveUp != "" {
		gaveUp = "statusmap.gave_up=" + s.gaveUp + ","
	}
	return fmt.Sprintf("error.type=%s,rpc.method=grpc.testing.TestService/UnaryCall,rpc.response.status_code=%s,rpc.system.name=grpc,"+
		"statusmap.domain=%s,%sstatusmap.in_band=%t,statusmap.inferred=%t,statusmap.origin=%s,statusmap.retry.class=%s,statusmap.retrying=%t,statusmap.side=%s",
		s.errorType, s.grpcCode, s.domain, gaveUp, s.inBand, s.inferred, s.origin, s.class, s.retrying, s.side)
}

// unlisted is a code of a catalogue that this program does not have.
func unlisted(number int32) error {
	var details []*anypb.Any
	for _, m := range []proto.Message{
		&errorsv1.ErrorInfo{Domain: fmt.Sprintf("team%d.acme", number), Number: number, Retry: &errorsv1.RetryHint{Class: errorsv1.RetryClass_RETRY_CLASS_NEVER}},
		&errdetails.ErrorInfo{Reason: fmt.Sprintf("REASON_%d", number), Domain: fmt.Sprintf("team%d.acme", number)},
	} {
		detail, err := anypb.New(m)
		if err != nil {
			panic(err)
		}
		details = append(details, detail)
	}
	return status.FromProto(&spb.Status{Code: int32(codes.Aborted), Message: "odd", Details: details}).Err()
}

func TestCounter(t *testing.T) {
	t.Parallel()
	next := []error{
		sdk.InvokeRateLimited.AsError().RetryAfter(0), // repeated by the client
		nil,
		sdk.ParamInvalid,
		sdk.ParamInvalid,
		status.Error(codes.NotFound, "gone"),
		status.Error(codes.Internal, "broken"),
	}
	r := newRig(t, func() error { err := next[0]; next = next[1:]; return err })
	for range 5 {
		_ = r.call(t)
	}
	want := map[string]int64{
		series{side: "server", domain: "sdk.yuanrong", errorType: "INVOKE_RATE_LIMITED", grpcCode: "RESOURCE_EXHAUSTED", class: "SAFE", origin: "local"}.String():                            1,
		series{side: "client", domain: "sdk.yuanrong", errorType: "INVOKE_RATE_LIMITED", grpcCode: "RESOURCE_EXHAUSTED", class: "SAFE", origin: "peer", retrying: true}.String():             1,
		series{side: "server", domain: "sdk.yuanrong", errorType: "PARAM_INVALID", grpcCode: "INVALID_ARGUMENT", class: "NEVER", origin: "local"}.String():                                   2,
		series{side: "client", domain: "sdk.yuanrong", errorType: "PARAM_INVALID", grpcCode: "INVALID_ARGUMENT", class: "NEVER", origin: "peer", gaveUp: "error"}.String():                   2,
		series{side: "server", domain: "grpc", errorType: "NOT_FOUND", grpcCode: "NOT_FOUND", class: "NEVER", origin: "local"}.String():                                                      1,
		series{side: "client", domain: "grpc", errorType: "NOT_FOUND", grpcCode: "NOT_FOUND", class: "NEVER", origin: "peer", gaveUp: "error"}.String():                                      1,
		series{side: "server", domain: "grpc", errorType: "INTERNAL", grpcCode: "INTERNAL", class: "NEVER", origin: "local"}.String():                                                        1,
		series{side: "client", domain: "sdk.yuanrong", errorType: "INNER_SYSTEM_ERROR", grpcCode: "INTERNAL", class: "NEVER", origin: "transport", gaveUp: "error", inferred: true}.String(): 1,
	}
	if diff := cmp.Diff(want, r.errorsCounted(t)); diff != "" {
		t.Errorf("counted otherwise (-want +got):\n%s", diff)
	}
}

// However many codes and methods a peer invents, the counter has few time series.
func TestCounterIsBounded(t *testing.T) {
	t.Parallel()
	number := int32(0)
	r := newRig(t, func() error { number++; return unlisted(number) })
	for range 300 {
		_ = r.call(t)
	}
	want := map[string]int64{
		series{side: "server", domain: "_OTHER", errorType: "_OTHER", grpcCode: "ABORTED", class: "NEVER", origin: "peer"}.String():                  300,
		series{side: "client", domain: "_OTHER", errorType: "_OTHER", grpcCode: "ABORTED", class: "NEVER", origin: "peer", gaveUp: "error"}.String(): 300,
	}
	if diff := cmp.Diff(want, r.errorsCounted(t)); diff != "" {
		t.Errorf("unknown codes are counted otherwise (-want +got):\n%s", diff)
	}

	reader := sdkmetric.NewManualReader()
	observer, err := statusotel.New(nil, statusotel.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))), statusotel.WithMeterProvider(nil))
	if err != nil {
		t.Fatal(err)
	}
	// Numbers that are no gRPC codes.
	for i := range 300 {
		odd, _ := mapping.FromStatus(status.New(codes.Code(17+i), "odd"))
		observer(t.Context(), interceptor.Event{Side: interceptor.ClientSide, Method: "/grpc.testing.TestService/UnaryCall", Error: odd})
	}
	want = map[string]int64{series{side: "client", domain: "grpc", errorType: "_OTHER", grpcCode: "_OTHER", class: "NEVER", origin: "transport"}.String(): 300}
	if diff := cmp.Diff(want, (&rig{reader: reader}).errorsCounted(t)); diff != "" {
		t.Errorf("numbers that are no gRPC codes are counted otherwise (-want +got):\n%s", diff)
	}

	// Errors in replies are told apart.
	observer(t.Context(), interceptor.Event{Method: "/grpc.testing.TestService/UnaryCall", Error: sdk.ParamInvalid.AsError(), InBand: true})
	inBand := series{side: "server", domain: "sdk.yuanrong", errorType: "PARAM_INVALID", grpcCode: "INVALID_ARGUMENT", class: "NEVER", origin: "local", inBand: true}
	if got := (&rig{reader: reader}).errorsCounted(t)[inBand.String()]; got != 1 {
		t.Errorf("an error in a reply is counted %d times as such, want 1", got)
	}

	// Methods.
	for i := range 4999 {
		observer(t.Context(), interceptor.Event{Method: fmt.Sprintf("/invented.Service/Method%d", i), Error: sdk.ParamInvalid.AsError()})
	}
	// However many are invented, those of the program's own services stay apart.
	observer(t.Context(), interceptor.Event{Method: "/grpc.testing.TestService/EmptyCall", Error: sdk.ParamInvalid.AsError()})
	own := 0
	counted := (&rig{reader: reader}).errorsCounted(t)
	total := int64(0)
	for label, n := range counted {
		total += n
		if strings.Contains(label, "rpc.method=grpc.testing.TestService/EmptyCall,") {
			own++
		}
	}
	if len(counted) != 2+102 || total != 301+5000 || own != 1 {
		t.Errorf("5000 methods make %d time series with %d errors, %d of them of the own method, want 102, 5000 and 1", len(counted)-2, total-301, own)
	}
}

// attrs returns attributes as text.
func attrs(list []attribute.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range list {
		m[string(kv.Key)] = kv.Value.Emit()
	}
	return m
}

func has(t *testing.T, what string, got map[string]string, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: %s = %q, want %q", what, k, got[k], v)
		}
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	secret := errors.New("dial 10.0.0.7: refused")
	r := newRig(t, func() error { return sdk.RequestBetweenRuntimeBus.Wrap(secret).DoNotRetry().With("node", "n1") })
	if err := r.call(t); !errors.Is(err, sdk.RequestBetweenRuntimeBus) {
		t.Fatalf("the call ended with %v", err)
	}
	r.server.GracefulStop() // ends the server's span

	want := map[string]string{
		"rpc.response.status_code": "UNAVAILABLE", "error.type": "REQUEST_BETWEEN_RUNTIME_BUS",
		"statusmap.domain": "sdk.yuanrong", "statusmap.number": "3001", "statusmap.reason": "REQUEST_BETWEEN_RUNTIME_BUS",
		"statusmap.retry.class": "NEVER",
	}
	var server, caller bool
	for _, span := range r.spans.GetSpans() {
		got := attrs(span.Attributes)
		switch span.Name {
		case "caller":
			caller = true
			if _, set := got["error.type"]; set || len(span.Events) != 1 || span.Events[0].Name != "rpc.error" {
				t.Fatalf("the caller's span has %v and %v, want one event", got, span.Events)
			}
			event := attrs(span.Events[0].Attributes)
			has(t, "the caller's event", event, want)
			has(t, "the caller's event", event, map[string]string{"rpc.method": "grpc.testing.TestService/UnaryCall", "statusmap.origin": "peer", "statusmap.attempt": "1", "statusmap.gave_up": "error"})
		default:
			server = true
			has(t, "the server's span", got, want)
			has(t, "the server's span", got, map[string]string{"statusmap.origin": "local"})
			if len(span.Events) == 0 || attrs(span.Events[len(span.Events)-1].Attributes)["exception.message"] != secret.Error() {
				t.Errorf("the server's span has the events %v, want the cause", span.Events)
			}
		}
	}
	if !server || !caller {
		t.Errorf("spans of server %t and caller %t, want both", server, caller)
	}
}

// What a span says of special errors.
func TestSpanAttributes(t *testing.T) {
	t.Parallel()
	inferred, _ := mapping.FromStatus(status.New(codes.Unavailable, "refused"))
	notFound, _ := mapping.FromStatus(status.New(codes.NotFound, "gone"))
	odd, _ := mapping.FromStatus(status.Convert(unlisted(7)))
	for _, tt := range []struct {
		name string
		ev   interceptor.Event
		want map[string]string
	}{
		{"inferred", interceptor.Event{Error: inferred, InBand: true}, map[string]string{
			"statusmap.inferred": "true", "statusmap.in_band": "true", "statusmap.number": "3002", "statusmap.retry.delay_ms": "500", "statusmap.origin": "transport"}},
		{"not listed", interceptor.Event{Error: odd, RequestID: "r1"}, map[string]string{
			"error.type": "_OTHER", "statusmap.domain": "team7.acme", "statusmap.number": "7", "statusmap.reason": "REASON_7", "statusmap.request_id": "r1"}},
		{"without a code", interceptor.Event{Error: notFound}, map[string]string{
			"error.type": "NOT_FOUND", "statusmap.domain": "grpc", "statusmap.number": ""}},
	} {
		spans := tracetest.NewInMemoryExporter()
		ctx, span := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)).Tracer("test").Start(t.Context(), "call")
		observer, err := statusotel.New(statusotel.WithMeterProvider(sdkmetric.NewMeterProvider()))
		if err != nil {
			t.Fatal(err)
		}
		observer(ctx, tt.ev)
		span.End()
		has(t, tt.name, attrs(spans.GetSpans()[0].Attributes), tt.want)
	}

	spans := tracetest.NewInMemoryExporter()
	ctx, span := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)).Tracer("test").Start(t.Context(), "call")
	observer, _ := statusotel.New(statusotel.WithMeterProvider(sdkmetric.NewMeterProvider()))
	observer(ctx, interceptor.Event{Error: sdk.InnerSystemError.AsError(), Panic: "boom", Stack: []byte("goroutine 7")})
	observer(ctx, interceptor.Event{Error: sdk.InnerSystemError.AsError(), Cause: (*spanless)(nil)}) // must not panic
	span.End()
	if events := spans.GetSpans()[0].Events; len(events) != 2 || attrs(events[0].Attributes)["exception.stacktrace"] != "goroutine 7" {
		t.Errorf("a panic leaves %v, want the stack", events)
	}
}

// spanless is an error whose methods cannot be called on a nil pointer.
type spanless struct{ text string }

func (e *spanless) Error() string { return e.text }
