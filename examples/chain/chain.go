package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	faultv1 "github.com/openyuanrong/statusmap/examples/internal/pb/fault/v1"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
)

// A link is an interceptor in a chain, or two that see the same.
type link string

const (
	observed       link = "logging"                 // log and counter of go-grpc-middleware
	mapped         link = "STATUSMAP"               // ours
	mapsPanics     link = "STATUSMAP(WithRecovery)" // ours, where panics count as errors
	repeats        link = "STATUSMAP(WithRetry)"    // ours on a client, where calls are repeated
	recovers       link = "recovery"                // of go-grpc-middleware, as it is
	recoversToCode link = "recovery(code)"          // the same, where panics become sdk.InnerSystemError
)

// An order is a chain of interceptors, the outermost first.
type order []link

func (o order) String() string {
	names := make([]string, len(o))
	for i, l := range o {
		names[i] = string(l)
	}
	return strings.Join(names, " → ")
}

// server returns the options of a server with that chain.
func (o order) server(obs *observers) []grpc.ServerOption {
	opts := []grpc.ServerOption{grpc.StatsHandler(otelgrpc.NewServerHandler(obs.otel()...))}
	chain := func(u grpc.UnaryServerInterceptor, s grpc.StreamServerInterceptor) {
		opts = append(opts, grpc.ChainUnaryInterceptor(u), grpc.ChainStreamInterceptor(s))
	}
	for _, l := range o {
		switch l {
		case observed:
			chain(logging.UnaryServerInterceptor(logging.LoggerFunc(obs.log)), logging.StreamServerInterceptor(logging.LoggerFunc(obs.log)))
			chain(obs.server.UnaryServerInterceptor(), obs.server.StreamServerInterceptor())
		case mapped:
			opts = append(opts, interceptor.ServerOptions()...)
		case mapsPanics:
			opts = append(opts, interceptor.ServerOptions(interceptor.WithRecovery())...)
		case recovers:
			chain(recovery.UnaryServerInterceptor(), recovery.StreamServerInterceptor())
		case recoversToCode:
			handler := recovery.WithRecoveryHandler(func(any) error { return sdk.InnerSystemError })
			chain(recovery.UnaryServerInterceptor(handler), recovery.StreamServerInterceptor(handler))
		}
	}
	return opts
}

// client returns the options of a client with that chain.
func (o order) client(obs *observers) []grpc.DialOption {
	opts := []grpc.DialOption{grpc.WithStatsHandler(otelgrpc.NewClientHandler(obs.otel()...))}
	chain := func(u grpc.UnaryClientInterceptor, s grpc.StreamClientInterceptor) {
		opts = append(opts, grpc.WithChainUnaryInterceptor(u), grpc.WithChainStreamInterceptor(s))
	}
	for _, l := range o {
		switch l {
		case observed:
			chain(logging.UnaryClientInterceptor(logging.LoggerFunc(obs.log)), logging.StreamClientInterceptor(logging.LoggerFunc(obs.log)))
			chain(obs.client.UnaryClientInterceptor(), obs.client.StreamClientInterceptor())
		case mapped:
			opts = append(opts, interceptor.DialOptions()...)
		case repeats:
			opts = append(opts, interceptor.DialOptions(interceptor.WithRetry(interceptor.RetryPolicy{InitialBackoff: time.Millisecond}))...)
		}
	}
	return opts
}

// An outcome is what came of one call.
type outcome struct {
	err            error  // what the client got
	wire           string // everything that the client got, written out
	server, client seen
}

// call makes one call of a shape to a service that ends it with what raise returns.
func call(ctx context.Context, shape shape, server, client order, raise func() error) (_ outcome, err error) {
	atServer, atClient := newObservers(), newObservers()
	srv := grpc.NewServer(server.server(atServer)...)
	faultv1.RegisterFaultServiceServer(srv, &service{raise: raise})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return outcome{}, err
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), append(client.client(atClient), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		srv.Stop()
		return outcome{}, errors.Join(err, <-served)
	}
	var header, trailer metadata.MD
	callErr := shape.call(ctx, faultv1.NewFaultServiceClient(conn), grpc.Header(&header), grpc.Trailer(&trailer))

	// The observers have seen all of it once both ends are closed.
	err = conn.Close()
	srv.GracefulStop()
	if err = errors.Join(err, <-served); err != nil {
		return outcome{}, err
	}
	o := outcome{err: callErr, wire: fmt.Sprintf("%v %q %v %v", callErr, status.Convert(callErr).Proto(), header, trailer)}
	var serverErr, clientErr error
	o.server, serverErr = atServer.collect(ctx)
	o.client, clientErr = atClient.collect(ctx)
	return o, errors.Join(serverErr, clientErr)
}
