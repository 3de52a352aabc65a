package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/openyuanrong/statusmap/gen/sdk"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
)

// The sample error of all benchmarks: code 3011, a message of 54 bytes, two metadata
// entries of 77 bytes encoded, and the catalogue's retry hint, which goes out as
// RetryInfo too because the method is declared idempotent.
const (
	sampleMessage = "local scheduler rejected the instance: no node matches"
	sampleNode    = "dggphis36581-node-0017"
	sampleMethod  = "/statusmap.benchmark.Benchmark/Call"
)

func sampleInstance(i int) string { return "0b7f6c1e-9d42-4f0a-8c3e" + strconv.Itoa(100000+i%900000) }

func sample(i int) *mapping.Error {
	return sdk.LocalSchedulerOperationError.Errorf(sampleMessage).
		With("instance_id", sampleInstance(i), "node", sampleNode)
}

func naiveSample(i int) *naiveError {
	return &naiveError{
		domain: sdk.Domain, number: 3011, reason: "LOCAL_SCHEDULER_OPERATION_ERROR",
		grpc: codes.Internal, message: sampleMessage,
		metadata: map[string]string{"instance_id": sampleInstance(i), "node": sampleNode},
		class:    errorsv1.RetryClass_RETRY_CLASS_IDEMPOTENT, delay: time.Second,
	}
}

func plainSample(int) error { return status.Error(codes.Internal, sampleMessage) }

// declareSampleMethod registers a descriptor by which the sample's method is
// idempotent, as generated code would.
func declareSampleMethod(tb testing.TB) {
	if _, err := protoregistry.GlobalFiles.FindFileByPath("statusmap/benchmark.proto"); err == nil {
		return
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name:       proto.String("statusmap/benchmark.proto"),
		Package:    proto.String("statusmap.benchmark"),
		Syntax:     proto.String("proto3"),
		Dependency: []string{"grpc/testing/empty.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: proto.String("Benchmark"),
			Method: []*descriptorpb.MethodDescriptorProto{{
				Name:       proto.String("Call"),
				InputType:  proto.String(".grpc.testing.Empty"),
				OutputType: proto.String(".grpc.testing.Empty"),
				Options:    &descriptorpb.MethodOptions{IdempotencyLevel: descriptorpb.MethodOptions_IDEMPOTENT.Enum()},
			}},
		}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		tb.Fatal(err)
	}
	if err := protoregistry.GlobalFiles.RegisterFile(file); err != nil {
		tb.Fatal(err)
	}
}

// incoming returns a context as a server of grpc-go makes it, with the headers that
// every call has, and others.
func incoming(headers ...string) context.Context {
	return metadata.NewIncomingContext(context.Background(), metadata.Pairs(append([]string{
		":authority", "127.0.0.1:50051", "content-type", "application/grpc",
		"user-agent", "grpc-go/1.67.0", "grpc-accept-encoding", "gzip"}, headers...)...))
}

var (
	sampleInfo = &grpc.UnaryServerInfo{FullMethod: sampleMethod}
	sink       error
	statusSink *status.Status
	bytesSink  []byte
)

// withHeap gives a benchmark what a service has in memory. With an empty heap the garbage
// collector would run every few hundred calls, and be a good part of what is measured.
func withHeap(b *testing.B) {
	heap := make([]byte, 64<<20)
	b.Cleanup(func() { runtime.KeepAlive(heap) })
}

// returning is a handler that fails with err.
func returning(err error) grpc.UnaryHandler {
	return func(context.Context, any) (any, error) { return nil, err }
}

// encodeWith returns the error that an interceptor hands to grpc-go, its status made.
func encodeWith(in grpc.UnaryServerInterceptor, ctx context.Context, h grpc.UnaryHandler) *status.Status {
	_, sink = in(ctx, nil, sampleInfo, h)
	st, _ := status.FromError(sink)
	return st
}

// BenchmarkSentinel: a bare code returned by a handler, to the error handed to
// grpc-go with its status. "request" has the headers of a real call, in which the
// request id has to be looked for.
func BenchmarkSentinel(b *testing.B) {
	withHeap(b)
	declareSampleMethod(b)
	ours := interceptor.UnaryServer()
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			sink = plainSample(i)
			statusSink, _ = status.FromError(sink)
		}
	})
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
	}{
		{"statusmap", context.Background(), sdk.InstanceNotFound},
		{"statusmap-idempotent", context.Background(), sdk.LocalSchedulerOperationError},
		{"statusmap-request", incoming(), sdk.InstanceNotFound},
	} {
		h := returning(c.err)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				statusSink = encodeWith(ours, c.ctx, h)
			}
		})
	}
}

// BenchmarkEncode: the sample error to the error handed to grpc-go; "wrapped" has it
// under two %w; "made" includes what the handler does to make it. "request" has the
// headers of a real call, in which both look for a request id, and "call" takes the
// trailer too.
func BenchmarkEncode(b *testing.B) {
	withHeap(b)
	declareSampleMethod(b)
	ours := interceptor.UnaryServer()
	wrap := func(err error) error { return fmt.Errorf("invoke: %w", fmt.Errorf("schedule: %w", err)) }
	for _, c := range []struct {
		name string
		in   grpc.UnaryServerInterceptor
		ctx  context.Context
		h    grpc.UnaryHandler
	}{
		{"naive", naiveUnaryServer, context.Background(), returning(naiveSample(1))},
		{"statusmap", ours, context.Background(), returning(sample(1))},
		{"naive-request", naiveUnaryServer, incoming(), returning(naiveSample(1))},
		{"statusmap-request", ours, incoming(), returning(sample(1))},
		{"naive-call", naiveUnaryServer, inCall(incoming()), returning(naiveSample(1))},
		{"statusmap-call", ours, inCall(incoming()), returning(sample(1))},
		{"naive-wrapped", naiveUnaryServer, context.Background(), returning(wrap(naiveSample(1)))},
		{"statusmap-wrapped", ours, context.Background(), returning(wrap(sample(1)))},
		{"naive-made", naiveUnaryServer, context.Background(), func(context.Context, any) (any, error) { return nil, naiveSample(1) }},
		{"statusmap-made", ours, context.Background(), func(context.Context, any) (any, error) { return nil, sample(1) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				statusSink = encodeWith(c.in, c.ctx, c.h)
			}
		})
	}
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			sink = plainSample(i)
			statusSink, _ = status.FromError(sink)
		}
	})
}

// BenchmarkBytes: the sample error to the bytes of grpc-status-details-bin. grpc-go
// marshals its own copy of the status; here one of equal content, made before, stands
// for it, because the public way to the status makes another copy.
func BenchmarkBytes(b *testing.B) {
	withHeap(b)
	declareSampleMethod(b)
	for _, c := range []struct {
		name string
		in   grpc.UnaryServerInterceptor
		h    grpc.UnaryHandler
	}{
		{"naive", naiveUnaryServer, returning(naiveSample(1))},
		{"statusmap", interceptor.UnaryServer(), returning(sample(1))},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			p := encodeWith(c.in, context.Background(), c.h).Proto()
			var err error
			for range b.N {
				statusSink = encodeWith(c.in, context.Background(), c.h)
				if bytesSink, err = proto.Marshal(p); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(bytesSink)), "wire-B")
		})
	}
}

// received returns what grpc-go gives the client for a status.
func received(tb testing.TB, st *status.Status) error {
	bin, err := proto.Marshal(st.Proto())
	if err != nil {
		tb.Fatal(err)
	}
	p := st.Proto()
	p.Reset()
	if err := proto.Unmarshal(bin, p); err != nil {
		tb.Fatal(err)
	}
	return status.ErrorProto(p)
}

// BenchmarkDecode: the received status to the typed error, and errors.Is. "value" reads
// one metadata entry too, "metadata" all of them as a map; "foreign" is a status without
// details.
func BenchmarkDecode(b *testing.B) {
	withHeap(b)
	declareSampleMethod(b)
	err := received(b, encodeWith(interceptor.UnaryServer(), context.Background(), returning(sample(1))))
	foreign := status.Error(codes.NotFound, "no such object")
	invoker := func(err error) grpc.UnaryInvoker {
		return func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return err }
	}
	ours := interceptor.UnaryClient()
	ctx := context.Background()
	target := &naiveError{domain: sdk.Domain, number: 3011}
	var found bool
	run := func(name string, in grpc.UnaryClientInterceptor, err error, look func(error) bool) {
		invoke := invoker(err)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				sink = in(ctx, sampleMethod, nil, nil, nil, invoke)
				found = look(sink)
			}
			if !found {
				b.Fatal("the error did not arrive")
			}
		})
	}
	run("plain", func(context.Context, string, any, any, *grpc.ClientConn, grpc.UnaryInvoker, ...grpc.CallOption) error {
		return err
	}, err,
		func(err error) bool { return status.Code(err) == codes.Internal })
	run("naive", naiveStatusClient, err, func(err error) bool { return errors.Is(err, target) })
	run("statusmap", ours, err, func(err error) bool { return errors.Is(err, sdk.LocalSchedulerOperationError) })
	run("naive-metadata", naiveStatusClient, err, func(err error) bool {
		var e *naiveError
		return errors.Is(err, target) && errors.As(err, &e) && e.metadata["node"] == sampleNode
	})
	run("statusmap-value", ours, err, func(err error) bool {
		e, ok := mapping.FromError(err)
		return ok && e.Code() == sdk.LocalSchedulerOperationError && e.MetadataValue("node") == sampleNode
	})
	run("statusmap-metadata", ours, err, func(err error) bool {
		e, ok := mapping.FromError(err)
		return ok && e.Code() == sdk.LocalSchedulerOperationError && e.Metadata()["node"] == sampleNode
	})
	run("naive-foreign", naiveStatusClient, foreign, func(err error) bool { return status.Code(err) == codes.NotFound })
	run("statusmap-foreign", ours, foreign, func(err error) bool { return status.Code(err) == codes.NotFound })
}

// What gRPC would call, as variables, so that the compiler cannot look inside. They do
// as little as a call that answers at all: they make an empty reply.
var (
	okHandler       grpc.UnaryHandler  = func(context.Context, any) (any, error) { return new(testgrpc.SimpleResponse), nil }
	okStreamHandler grpc.StreamHandler = func(any, grpc.ServerStream) error { sinkReply = new(testgrpc.SimpleResponse); return nil }
	okInvoker       grpc.UnaryInvoker  = func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		sinkReply = new(testgrpc.SimpleResponse)
		return nil
	}
	okStreamer grpc.Streamer = func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
		sinkReply = new(testgrpc.SimpleResponse)
		return new(okStream), nil
	}
)

// BenchmarkSuccess: calls that succeed; "bare" calls the handler or invoker itself.
func BenchmarkSuccess(b *testing.B) {
	ctx := context.Background()
	desc := &grpc.StreamDesc{ServerStreams: true}
	streamInfo := &grpc.StreamServerInfo{FullMethod: sampleMethod}
	unaryServer, streamServer := interceptor.UnaryServer(), interceptor.StreamServer()
	unaryClient, streamClient := interceptor.UnaryClient(), interceptor.StreamClient()
	stream := &serverStream{ctx: ctx}
	for _, c := range []struct {
		name      string
		bare, via func() (any, error)
	}{
		{"unary-server",
			func() (any, error) { return okHandler(ctx, nil) },
			func() (any, error) { return unaryServer(ctx, nil, sampleInfo, okHandler) }},
		{"stream-server",
			func() (any, error) { return nil, okStreamHandler(nil, stream) },
			func() (any, error) { return nil, streamServer(nil, stream, streamInfo, okStreamHandler) }},
		{"unary-client",
			func() (any, error) { return nil, okInvoker(ctx, sampleMethod, nil, nil, nil) },
			func() (any, error) { return nil, unaryClient(ctx, sampleMethod, nil, nil, nil, okInvoker) }},
		{"stream-client",
			func() (any, error) { return nil, drain(okStreamer(ctx, desc, nil, sampleMethod)) },
			func() (any, error) { return nil, drain(streamClient(ctx, desc, nil, sampleMethod, okStreamer)) }},
	} {
		b.Run(c.name+"/bare", func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				sinkReply, sink = c.bare()
			}
		})
		b.Run(c.name+"/statusmap", func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				sinkReply, sink = c.via()
			}
		})
	}
}

var sinkReply any

// An okStream yields ten messages and ends well.
type okStream struct {
	grpc.ClientStream
	n int
}

func (s *okStream) RecvMsg(any) error {
	if s.n++; s.n > 10 {
		return io.EOF
	}
	return nil
}

func drain(s grpc.ClientStream, err error) error {
	for err == nil {
		err = s.RecvMsg(nil)
	}
	return err
}

type serverStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *serverStream) Context() context.Context { return s.ctx }

// A contender is a server and a connection to it over TCP loopback.
type contender struct {
	name string
	call func() error
}

// newContender serves the sample's method with a handler that fails as fail says.
func newContender(tb testing.TB, name string, fail func(i int) error, so []grpc.ServerOption, do []grpc.DialOption) contender {
	i := 0
	handle := func(context.Context, any) (any, error) {
		if i++; fail != nil {
			return nil, fail(i)
		}
		return new(testgrpc.Empty), nil
	}
	srv := grpc.NewServer(so...)
	srv.RegisterService(&grpc.ServiceDesc{
		ServiceName: "statusmap.benchmark.Benchmark",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Call",
			Handler: func(impl any, ctx context.Context, decode func(any) error, in grpc.UnaryServerInterceptor) (any, error) {
				req := new(testgrpc.Empty)
				if err := decode(req); err != nil {
					return nil, err
				}
				if in == nil {
					return handle(ctx, req)
				}
				return in(ctx, req, sampleInfo, handle)
			},
		}},
	}, struct{}{})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	go srv.Serve(lis)
	tb.Cleanup(srv.Stop)
	conn, err := grpc.NewClient(lis.Addr().String(), append(do, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return contender{name, func() error {
		return conn.Invoke(context.Background(), sampleMethod, new(testgrpc.Empty), new(testgrpc.Empty))
	}}
}

// paired runs batches of calls of each contender in turn, so that what disturbs the
// machine disturbs all, and reports the median ratios to the first one.
func paired(b *testing.B, contenders []contender) {
	withHeap(b)
	const batch = 64
	for _, c := range contenders {
		for range batch {
			c.call()
		}
	}
	ratios := make([][]float64, len(contenders))
	var first []float64
	for n := 0; b.Loop(); n++ {
		took := make([]float64, len(contenders))
		for k := range contenders {
			i := (k + n) % len(contenders)
			start := time.Now()
			for range batch {
				sink = contenders[i].call()
			}
			took[i] = float64(time.Since(start))
		}
		for i := range contenders {
			ratios[i] = append(ratios[i], took[i]/took[0])
		}
		first = append(first, took[0]/batch)
	}
	b.ReportMetric(median(first), contenders[0].name+"-ns")
	for i, c := range contenders[1:] {
		b.ReportMetric(median(ratios[i+1]), c.name+"/"+contenders[0].name)
	}
	b.ReportMetric(0, "ns/op")
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

// BenchmarkEndToEnd: one unary call over TCP loopback, in paired batches. A failing
// call makes its error in the handler, another one each time, and the client looks
// for the code. "alone" goes without the two headers beside the status: the client's
// announcement and the server's pushback.
func BenchmarkEndToEnd(b *testing.B) {
	declareSampleMethod(b)
	naiveServer := []grpc.ServerOption{grpc.UnaryInterceptor(naiveUnaryServer)}
	naiveClient := []grpc.DialOption{grpc.WithUnaryInterceptor(naiveUnaryClient)}
	naiveAlone := []grpc.DialOption{grpc.WithUnaryInterceptor(naiveStatusClient)}
	target := &naiveError{domain: sdk.Domain, number: 3011}
	looking := func(c contender, found func(error) bool) contender {
		call := c.call
		c.call = func() error {
			err := call()
			if !found(err) {
				b.Fatalf("%s: %v did not arrive", c.name, err)
			}
			return err
		}
		return c
	}
	b.Run("fail", func(b *testing.B) {
		paired(b, []contender{
			looking(newContender(b, "plain", plainSample, nil, nil),
				func(err error) bool { return status.Code(err) == codes.Internal }),
			looking(newContender(b, "naive", func(i int) error { return naiveSample(i) }, naiveServer, naiveClient),
				func(err error) bool { return errors.Is(err, target) }),
			looking(newContender(b, "statusmap", func(i int) error { return sample(i) }, interceptor.ServerOptions(), interceptor.DialOptions()),
				func(err error) bool { return errors.Is(err, sdk.LocalSchedulerOperationError) }),
			looking(newContender(b, "naive-alone", func(i int) error { return naiveSample(i) },
				[]grpc.ServerOption{grpc.UnaryInterceptor(naiveStatusServer)}, naiveAlone),
				func(err error) bool { return errors.Is(err, target) }),
			looking(newContender(b, "statusmap-alone", func(i int) error { return sample(i) },
				interceptor.ServerOptions(interceptor.WithoutPushback()), interceptor.DialOptions(interceptor.WithoutAnnouncement())),
				func(err error) bool { return errors.Is(err, sdk.LocalSchedulerOperationError) }),
		})
	})
	b.Run("ok", func(b *testing.B) {
		paired(b, []contender{
			newContender(b, "plain", nil, nil, nil),
			newContender(b, "naive", nil, naiveServer, naiveClient),
			newContender(b, "statusmap", nil, interceptor.ServerOptions(), interceptor.DialOptions()),
			newContender(b, "naive-alone", nil, naiveServer, naiveAlone),
			newContender(b, "statusmap-alone", nil, interceptor.ServerOptions(), interceptor.DialOptions(interceptor.WithoutAnnouncement())),
		})
	})
}

// BenchmarkParallel: all goroutines fail through the same interceptors, as the calls of a
// server and of a connection do; run it with -cpu 1,2,4.
func BenchmarkParallel(b *testing.B) {
	withHeap(b)
	declareSampleMethod(b)
	server, client := interceptor.UnaryServer(), interceptor.UnaryClient(interceptor.WithRetry(interceptor.RetryPolicy{MaxAttempts: 1}))
	ctx, handler := incoming(), returning(sample(1))
	arrived := received(b, encodeWith(server, ctx, handler))
	invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return arrived }
	run := func(name string, call func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := call(); !errors.Is(err, sdk.LocalSchedulerOperationError) {
						b.Error(err)
					}
				}
			})
		})
	}
	run("server", func() error {
		_, err := server(ctx, nil, sampleInfo, handler)
		return err
	})
	run("client", func() error { return client(context.Background(), sampleMethod, nil, nil, nil, invoker) })
}

// TestSample holds the sample to what the benchmarks say of it, and both ways of
// writing it to the same contents in as many bytes: the order of a map's entries is all
// in which generated messages may differ.
func TestSample(t *testing.T) {
	declareSampleMethod(t)
	if got := len(sampleMessage); got != 54 {
		t.Errorf("the message has %d bytes, want 54", got)
	}
	ours := encodeWith(interceptor.UnaryServer(), context.Background(), returning(sample(1))).Proto()
	naive := encodeWith(naiveUnaryServer, context.Background(), returning(naiveSample(1))).Proto()
	if diff := cmp.Diff(naive, ours, protocmp.Transform()); diff != "" {
		t.Errorf("the status is not that of generated messages (-naive +ours):\n%s", diff)
	}
	size := proto.Size(ours)
	if naive := proto.Size(naive); size != naive {
		t.Errorf("the status has %d bytes, want the %d of generated messages", size, naive)
	}
	if size > 370 {
		t.Errorf("the status has %d bytes, want at most 370", size)
	}
}

// TestSampleHeaders holds both ways of writing the sample to the same headers of the request
// and the same trailers, in which only the status's bytes differ by their order.
func TestSampleHeaders(t *testing.T) {
	var raised error
	var seen metadata.MD
	service := stubtest.Each(func(ctx context.Context) error {
		seen, _ = metadata.FromIncomingContext(ctx)
		return raised
	})
	unary := stubtest.Shapes()[0]
	headers := func(err error, server []grpc.ServerOption, client ...grpc.DialOption) (request, trailer metadata.MD) {
		raised = err
		c := stubtest.Dial(t, stubtest.Start(t, service, server...), append(client, grpc.WithAuthority("sample"))...)
		if err := unary.Call(stubtest.Context(t), c, grpc.Trailer(&trailer)); err == nil {
			t.Fatal("the call succeeded")
		}
		for _, bin := range trailer["grpc-status-details-bin"] {
			trailer.Append("size", strconv.Itoa(len(bin)))
		}
		delete(trailer, "grpc-status-details-bin")
		return seen, trailer
	}
	idempotent := interceptor.WithIdempotent(unary.Method)
	for name, test := range map[string]struct {
		ours, naiveServer []grpc.ServerOption
		client            []grpc.DialOption
		naiveClient       grpc.UnaryClientInterceptor
	}{
		"whole": {interceptor.ServerOptions(idempotent), []grpc.ServerOption{grpc.UnaryInterceptor(naiveUnaryServer)},
			interceptor.DialOptions(), naiveUnaryClient},
		"alone": {interceptor.ServerOptions(idempotent, interceptor.WithoutPushback()), []grpc.ServerOption{grpc.UnaryInterceptor(naiveStatusServer)},
			interceptor.DialOptions(interceptor.WithoutAnnouncement()), naiveStatusClient},
	} {
		request, trailer := headers(sample(1), test.ours, test.client...)
		naiveRequest, naiveTrailer := headers(naiveSample(1), test.naiveServer, grpc.WithUnaryInterceptor(test.naiveClient))
		delete(request, "grpc-timeout")
		delete(naiveRequest, "grpc-timeout")
		if diff := cmp.Diff(naiveRequest, request); diff != "" {
			t.Errorf("%s: the request's headers (-naive +ours):\n%s", name, diff)
		}
		if diff := cmp.Diff(naiveTrailer, trailer); diff != "" {
			t.Errorf("%s: the trailers (-naive +ours):\n%s", name, diff)
		}
		if _, says := trailer[pushbackKey]; says != (name == "whole") {
			t.Errorf("%s: the trailers are %v", name, trailer)
		}
		if _, says := request[interceptor.AnnounceHeader]; says != (name == "whole") {
			t.Errorf("%s: the request's headers are %v", name, request)
		}
	}
}

// TestSampleAllocations holds the sample to its allocations on the way out and in.
func TestSampleAllocations(t *testing.T) {
	declareSampleMethod(t)
	ctx := context.Background()
	server, client := interceptor.UnaryServer(), interceptor.UnaryClient()
	failing := func(err error) grpc.UnaryInvoker {
		return func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return err }
	}
	arrived := failing(received(t, encodeWith(server, ctx, returning(sample(1)))))
	foreign := failing(status.Error(codes.NotFound, "no such object"))
	raised := returning(sample(1))
	wrapped := returning(fmt.Errorf("invoke: %w", fmt.Errorf("schedule: %w", sample(1))))
	bare := returning(sdk.LocalSchedulerOperationError)
	for _, tt := range []struct {
		name string
		max  float64
		f    func()
	}{
		{"a sentinel of an idempotent method", 0, func() { statusSink = encodeWith(server, ctx, bare) }},
		{"the sample", 12, func() { statusSink = encodeWith(server, ctx, raised) }},
		{"the sample, wrapped", 13, func() { statusSink = encodeWith(server, ctx, wrapped) }},
		{"the sample, received", 11, func() {
			sink = client(ctx, sampleMethod, nil, nil, nil, arrived)
			if !errors.Is(sink, sdk.LocalSchedulerOperationError) {
				t.Error("the sample did not arrive")
			}
		}},
		{"the sample, received, and one value", 12, func() {
			sink = client(ctx, sampleMethod, nil, nil, nil, arrived)
			if e, ok := mapping.FromError(sink); !ok || e.MetadataValue("node") != sampleNode {
				t.Error("the value did not arrive")
			}
		}},
		{"the sample, received, and its metadata", 14, func() {
			sink = client(ctx, sampleMethod, nil, nil, nil, arrived)
			if e, ok := mapping.FromError(sink); !ok || e.Metadata()["node"] != sampleNode {
				t.Error("the metadata did not arrive")
			}
		}},
		{"a foreign status, received", 2, func() { sink = client(ctx, sampleMethod, nil, nil, nil, foreign) }},
	} {
		// Many runs, because under the race detector a pool drops what it is given by chance.
		if got := testing.AllocsPerRun(2000, tt.f); got > tt.max {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.max)
		}
	}
}
