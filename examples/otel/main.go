// Command otel shows what OpenTelemetry learns about errors: it makes a few calls that
// fail, then prints the page that Prometheus would scrape, and the trace of one call.
//
//	cd examples/otel && go run .
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	faultv1 "github.com/openyuanrong/statusmap/examples/internal/pb/fault/v1"
	"github.com/openyuanrong/statusmap/examples/otel/statusotel"
	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns its exit status: 0, 1 if something failed that should
// not, 2 if it was called in the wrong way.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("otel", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, "Usage: otel\n\nIt takes no arguments.\n") }
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 0 {
		flags.Usage()
		return 2
	}
	if err := show(ctx, stdout); err != nil {
		fmt.Fprintln(stderr, "otel:", err)
		return 1
	}
	return 0
}

// show makes the calls and prints what was collected.
func show(ctx context.Context, out io.Writer) error {
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return err
	}
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))
	observer, err := statusotel.New(statusotel.WithMeterProvider(meters))
	if err != nil {
		return err
	}
	quiet := sdktrace.NewTracerProvider()
	if err := call(ctx, observer, quiet, sdk.InvokeRateLimited, sdk.InvokeRateLimited, rest.FunctionNotFound, sdk.InnerCommunication); err != nil {
		return err
	}
	fmt.Fprint(out, "# What Prometheus scrapes\n\n")
	if err := scrape(registry, out); err != nil {
		return err
	}

	fmt.Fprint(out, "\n# The trace of a call that fails\n\n")
	spans, err := stdouttrace.New(stdouttrace.WithWriter(out), stdouttrace.WithPrettyPrint())
	if err != nil {
		return err
	}
	loud := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(resource.Empty()))
	return errors.Join(call(ctx, observer, loud, sdk.InstanceNotFound), loud.Shutdown(ctx))
}

// scrape writes the page that Prometheus reads.
func scrape(registry *prometheus.Registry, out io.Writer) error {
	families, err := registry.Gather()
	if err != nil {
		return err
	}
	encoder := expfmt.NewEncoder(out, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return err
		}
	}
	return nil
}

// faults fails with the code that the request names.
type faults struct {
	faultv1.UnimplementedFaultServiceServer
}

func (faults) Unary(_ context.Context, req *faultv1.UnaryRequest) (*faultv1.UnaryResponse, error) {
	code, ok := mapping.Lookup(req.GetFault().GetDomain(), req.GetFault().GetNumber())
	if !ok {
		return nil, sdk.ParamInvalid
	}
	return nil, code.Wrap(errors.New("dial tcp 10.0.0.7:22772: connection refused"))
}

// call has a server raise codes, one call after the other, with server and client
// observed.
func call(ctx context.Context, observer func(context.Context, interceptor.Event), tracer *sdktrace.TracerProvider, raised ...mapping.Code) error {
	stats := []otelgrpc.Option{
		otelgrpc.WithTracerProvider(tracer), otelgrpc.WithMeterProvider(noop.NewMeterProvider()),
		otelgrpc.WithPropagators(propagation.TraceContext{}),
	}
	server := grpc.NewServer(append(
		interceptor.ServerOptions(interceptor.WithObserver(observer)),
		grpc.StatsHandler(otelgrpc.NewServerHandler(stats...)))...)
	faultv1.RegisterFaultServiceServer(server, faults{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = server.Serve(listener) }() // returns when the server is stopped
	defer server.GracefulStop()
	conn, err := grpc.NewClient(listener.Addr().String(), append(
		interceptor.DialOptions(interceptor.WithObserver(observer)),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(stats...)),
		grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	ctx, span := tracer.Tracer("example").Start(ctx, "caller")
	defer span.End()
	for _, code := range raised {
		_, err := faultv1.NewFaultServiceClient(conn).Unary(ctx, &faultv1.UnaryRequest{
			Fault: &faultv1.Fault{Domain: code.Domain(), Number: code.Number()},
		})
		if !errors.Is(err, code) {
			return fmt.Errorf("the server raised %s, the client got %v", code.String(), err)
		}
	}
	return nil
}
