package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	functionv1 "github.com/openyuanrong/statusmap/examples/internal/pb/function/v1"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

// A method is one that the clients call.
type method struct {
	name, about string
	call        func(ctx context.Context, client functionv1.FunctionServiceClient, name string) error
}

func methods() []method {
	return []method{
		{"GetFunction", "idempotent", func(ctx context.Context, client functionv1.FunctionServiceClient, name string) error {
			_, err := client.GetFunction(ctx, &functionv1.GetFunctionRequest{Name: name})
			return err
		}},
		{"Invoke", "not idempotent", func(ctx context.Context, client functionv1.FunctionServiceClient, name string) error {
			_, err := client.Invoke(ctx, &functionv1.InvokeRequest{Name: name, Payload: "x"})
			return err
		}},
	}
}

// A kind is one of the three kinds of client.
type kind struct {
	name string
	opts []grpc.DialOption
}

func kinds() ([]kind, error) {
	// region: service-config
	js, err := interceptor.ServiceConfig{
		Services: []string{functionv1.FunctionService_ServiceDesc.ServiceName},
	}.JSON()
	if err != nil {
		return nil, err
	}
	stock := grpc.WithDefaultServiceConfig(js)
	// endregion
	// region: with-retry
	ours := interceptor.DialOptions(interceptor.WithRetry(interceptor.RetryPolicy{}))
	// endregion
	return []kind{
		{"stock gRPC + config", []grpc.DialOption{stock}},
		{"WithRetry", ours},
		{"neither", nil},
	}, nil
}

// calls is how many calls each client makes, all at once.
const calls = 4

// A result is what came of the calls of one client.
type result struct {
	client                string
	executions, succeeded int
	slowest               time.Duration // of the calls that succeeded
}

// side runs the clients side by side, each with a server of its own.
func side(ctx context.Context, m method, outage time.Duration, log *log) ([]result, error) {
	kinds, err := kinds()
	if err != nil {
		return nil, err
	}
	conns := make([]*grpc.ClientConn, len(kinds))
	servers := make([]*overloaded, len(kinds))
	for i, k := range kinds {
		servers[i] = &overloaded{name: k.name, log: log}
		addr, stop, err := servers[i].serve()
		if err != nil {
			return nil, err
		}
		defer stop()
		conns[i], err = dial(ctx, addr, k.opts)
		if err != nil {
			return nil, err
		}
		defer func() { _ = conns[i].Close() }()
	}

	start := log.start()
	for _, server := range servers {
		until := start.Add(outage)
		server.until.Store(&until)
		server.executions.Store(0)
	}
	results := make([]result, len(kinds))
	var all sync.WaitGroup
	for i, k := range kinds {
		all.Add(1)
		go func() {
			defer all.Done()
			results[i] = callAll(ctx, m, conns[i], k.name, log)
			results[i].executions = int(servers[i].executions.Load())
		}()
	}
	all.Wait()
	return results, context.Cause(ctx)
}

// dial returns a connection that is up, so that the outage is all there is to wait for.
func dial(ctx context.Context, addr string, opts []grpc.DialOption) (*grpc.ClientConn, error) {
	opts = append(opts[:len(opts):len(opts)], grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient(addr, opts...)
	if err != nil {
		return nil, err
	}
	req := &functionv1.GetFunctionRequest{Name: "hello"}
	if _, err := functionv1.NewFunctionServiceClient(conn).GetFunction(ctx, req, grpc.WaitForReady(true)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// callAll makes the calls of one client.
func callAll(ctx context.Context, m method, conn *grpc.ClientConn, name string, log *log) result {
	r := result{client: name}
	client := functionv1.NewFunctionServiceClient(conn)
	var mu sync.Mutex
	var all sync.WaitGroup
	for n := range calls {
		all.Add(1)
		go func() {
			defer all.Done()
			start := time.Now()
			err := m.call(ctx, client, fmt.Sprintf("call %d", n+1))
			took := time.Since(start)
			if err != nil {
				log.add(name, "call %d gave up: %s", n+1, reason(err))
				return
			}
			mu.Lock()
			defer mu.Unlock()
			r.succeeded++
			r.slowest = max(r.slowest, took)
		}()
	}
	all.Wait()
	return r
}

// reason names an error in a word, for a client with or without our interceptor.
func reason(err error) string {
	if e, ok := mapping.FromError(err); ok && !e.Code().IsZero() {
		return e.Reason()
	}
	return err.Error()
}
