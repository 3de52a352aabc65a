package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc/codes"
)

// observers are what watches the calls of one side: a log and a counter, which are
// interceptors, and OpenTelemetry, which is a stats handler.
type observers struct {
	mu   sync.Mutex
	seen seen

	counted  *prometheus.Registry
	server   *grpcprom.ServerMetrics
	client   *grpcprom.ClientMetrics
	spans    *tracetest.InMemoryExporter
	measured *sdkmetric.ManualReader
}

// seen is what observers saw, one code for each call.
type seen struct {
	// Log and Metric are what the interceptors saw, Span and Measure the stats handler.
	Log, Metric, Span, Measure []codes.Code
	// LogText and SpanText are everything that log and spans say.
	LogText, SpanText string
}

func newObservers() *observers {
	o := &observers{
		counted: prometheus.NewRegistry(),
		server:  grpcprom.NewServerMetrics(),
		client:  grpcprom.NewClientMetrics(),
		spans:   tracetest.NewInMemoryExporter(), measured: sdkmetric.NewManualReader(),
	}
	o.counted.MustRegister(o.server, o.client)
	return o
}

// log is what go-grpc-middleware writes its lines with.
func (o *observers) log(_ context.Context, _ logging.Level, message string, fields ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "grpc.code" {
			o.seen.Log = append(o.seen.Log, codeOf(fields[i+1].(string)))
		}
	}
	o.seen.LogText += message + " " + fmt.Sprintln(fields...)
}

func (o *observers) otel() []otelgrpc.Option {
	return []otelgrpc.Option{
		otelgrpc.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(o.spans))),
		otelgrpc.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(o.measured))),
	}
}

// collect returns what was seen. The calls must be over.
func (o *observers) collect(ctx context.Context) (seen, error) {
	o.mu.Lock()
	s := o.seen
	o.mu.Unlock()
	families, err := o.counted.Gather()
	if err != nil {
		return seen{}, err
	}
	for _, family := range families {
		if !strings.HasSuffix(family.GetName(), "_handled_total") {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "grpc_code" {
					s.Metric = append(s.Metric, slices.Repeat([]codes.Code{codeOf(label.GetValue())}, int(metric.GetCounter().GetValue()))...)
				}
			}
		}
	}
	for _, span := range o.spans.GetSpans() {
		for _, attr := range span.Attributes {
			if attr.Key == statusCodeKey {
				s.Span = append(s.Span, codeOf(attr.Value.AsString()))
			}
		}
		s.SpanText += fmt.Sprintln(span.Name, span.Status, span.Attributes, span.Events)
	}
	var measured metricdata.ResourceMetrics
	if err := o.measured.Collect(ctx, &measured); err != nil {
		return seen{}, err
	}
	for _, scope := range measured.ScopeMetrics {
		for _, metric := range scope.Metrics {
			if durations, ok := metric.Data.(metricdata.Histogram[float64]); ok {
				for _, point := range durations.DataPoints {
					if code, ok := point.Attributes.Value(statusCodeKey); ok {
						s.Measure = append(s.Measure, slices.Repeat([]codes.Code{codeOf(code.AsString())}, int(point.Count))...)
					}
				}
			}
		}
	}
	return s, nil
}

// statusCodeKey is the attribute by which OpenTelemetry tells the gRPC code.
const statusCodeKey = attribute.Key("rpc.response.status_code")

// codeOf returns the gRPC code of that name, "NotFound" or "NOT_FOUND".
func codeOf(name string) codes.Code {
	for c := codes.OK; c <= codes.Unauthenticated; c++ {
		if c.String() == name {
			return c
		}
	}
	var c codes.Code
	if err := json.Unmarshal([]byte(`"`+name+`"`), &c); err != nil {
		panic(err) // the observers name codes in these two ways
	}
	return c
}
