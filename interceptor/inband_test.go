package interceptor_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/inband"
)

// The methods of a service whose replies carry codes: EchoStatus has code and message,
// SimpleRequest has them in a nested message, Empty has no place for them.
const (
	topMethod    = "/statusmap.test.Replies/Top"
	nestedMethod = "/statusmap.test.Replies/Nested"
	bareMethod   = "/statusmap.test.Replies/Bare"
	upMethod     = "/statusmap.test.Replies/Up"
	downMethod   = "/statusmap.test.Replies/Down"
	bothMethod   = "/statusmap.test.Replies/Both"
)

// shapesInBand are the methods with a code at the top of the reply, one of each shape.
var shapesInBand = []string{topMethod, upMethod, downMethod, bothMethod}

var declareReplies = sync.OnceValue(func() error {
	fdp := new(descriptorpb.FileDescriptorProto)
	err := prototext.Unmarshal([]byte(`
		name: "statusmap/test/replies.proto" package: "statusmap.test" syntax: "proto3"
		dependency: "grpc/testing/messages.proto" dependency: "grpc/testing/empty.proto"
		service { name: "Replies"
			method { name: "Top" input_type: ".grpc.testing.SimpleRequest" output_type: ".grpc.testing.EchoStatus" }
			method { name: "Nested" input_type: ".grpc.testing.SimpleRequest" output_type: ".grpc.testing.SimpleRequest" }
			method { name: "Bare" input_type: ".grpc.testing.SimpleRequest" output_type: ".grpc.testing.Empty" }
			method { name: "Up" input_type: ".grpc.testing.SimpleRequest" output_type: ".grpc.testing.EchoStatus" client_streaming: true }
			method { name: "Down" input_type: ".grpc.testing.SimpleRequest" output_type: ".grpc.testing.EchoStatus" server_streaming: true }
			method { name: "Both" input_type: ".grpc.testing.SimpleRequest" output_type: ".grpc.testing.EchoStatus" client_streaming: true server_streaming: true }
		}`), fdp)
	if err != nil {
		return err
	}
	fd, err := protodesc.NewFile(fdp, protoregistry.GlobalFiles)
	if err != nil {
		return err
	}
	return protoregistry.GlobalFiles.RegisterFile(fd)
})

// A replying service answers every call by the same function: with messages, the last
// of which is the reply of a call that has only one, and an error.
type replying func(ctx context.Context) ([]proto.Message, error)

func (r replying) unary(ctx context.Context) (any, error) {
	messages, err := r(ctx)
	if len(messages) == 0 {
		return nil, err
	}
	return messages[len(messages)-1], err
}

func (r replying) stream(_ any, stream grpc.ServerStream) error {
	messages, err := r(stream.Context())
	for _, m := range messages {
		if err := stream.SendMsg(m); err != nil {
			return err
		}
	}
	return err
}

// start serves r until the test ends and returns a connection to it.
func (r replying) start(t testing.TB, server []grpc.ServerOption, client ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	if err := declareReplies(); err != nil {
		t.Fatal(err)
	}
	desc := &grpc.ServiceDesc{ServiceName: "statusmap.test.Replies", HandlerType: (*any)(nil)}
	for _, method := range []string{topMethod, nestedMethod, bareMethod} {
		desc.Methods = append(desc.Methods, grpc.MethodDesc{
			MethodName: strings.TrimPrefix(method, "/statusmap.test.Replies/"),
			Handler: func(srv any, ctx context.Context, dec func(any) error, in grpc.UnaryServerInterceptor) (any, error) {
				req := new(testgrpc.SimpleRequest)
				if err := dec(req); err != nil {
					return nil, err
				}
				handler := func(ctx context.Context, _ any) (any, error) { return r.unary(ctx) }
				if in == nil {
					return handler(ctx, req)
				}
				return in(ctx, req, &grpc.UnaryServerInfo{Server: srv, FullMethod: method}, handler)
			},
		})
	}
	for _, method := range []string{upMethod, downMethod, bothMethod} {
		desc.Streams = append(desc.Streams, grpc.StreamDesc{
			StreamName: strings.TrimPrefix(method, "/statusmap.test.Replies/"), Handler: r.stream,
			ClientStreams: method != downMethod, ServerStreams: method != upMethod,
		})
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(server...)
	srv.RegisterService(desc, r)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(lis) }()
	conn, err := grpc.NewClient(lis.Addr().String(), append(client, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		srv.Stop()
		<-done
	})
	return conn
}

// open starts a call of a streaming method and sends its only request.
func open(ctx context.Context, conn *grpc.ClientConn, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	desc := &grpc.StreamDesc{ClientStreams: method != downMethod, ServerStreams: method != upMethod}
	stream, err := conn.NewStream(ctx, desc, method, opts...)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(new(testgrpc.SimpleRequest)); err != nil && err != io.EOF {
		return nil, err
	}
	return stream, stream.CloseSend()
}

// call makes a call of any shape and returns what came: the messages and the error.
func call(t testing.TB, conn *grpc.ClientConn, method string, opts ...grpc.CallOption) ([]*testgrpc.EchoStatus, error) {
	ctx := stubtest.Context(t)
	if method == topMethod {
		reply := new(testgrpc.EchoStatus)
		if err := conn.Invoke(ctx, method, new(testgrpc.SimpleRequest), reply, opts...); err != nil {
			return nil, err
		}
		return []*testgrpc.EchoStatus{reply}, nil
	}
	stream, err := open(ctx, conn, method, opts...)
	var messages []*testgrpc.EchoStatus
	for err == nil {
		m := new(testgrpc.EchoStatus)
		if err = stream.RecvMsg(m); err == nil {
			messages = append(messages, m)
			if method == upMethod {
				return messages, nil
			}
		}
	}
	if err == io.EOF {
		err = nil
	}
	return messages, err
}

// events collects what observers see.
type events struct {
	mu   sync.Mutex
	seen []interceptor.Event
}

func (e *events) option() interceptor.Option {
	return interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.seen = append(e.seen, ev)
	})
}

func (e *events) all() []interceptor.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen
}

var notFound = sdk.InstanceNotFound.Errorf("no a1").With("instance", "a1")

// A server that never heard of statuses, and one of ours.
func oldServer(context.Context) ([]proto.Message, error) {
	return []proto.Message{&testgrpc.EchoStatus{Code: 1003, Message: "no a1"}}, nil
}
func newServer(context.Context) ([]proto.Message, error) { return nil, notFound }

func TestInBandPairings(t *testing.T) {
	for _, method := range shapesInBand {
		for _, pair := range []struct {
			name                 string
			newServer, newClient bool
		}{
			{"old server, old client", false, false},
			{"old server, new client", false, true},
			{"new server, old client", true, false},
			{"new server, new client", true, true},
		} {
			t.Run(method+", "+pair.name, func(t *testing.T) {
				var atServer, atClient events
				service, so, do := replying(oldServer), []grpc.ServerOption(nil), []grpc.DialOption(nil)
				if pair.newServer {
					service = newServer
					so = interceptor.ServerOptions(interceptor.WithInBandReplies(nil), interceptor.WithInBandStreams(shapesInBand...), atServer.option())
				}
				if pair.newClient {
					do = interceptor.DialOptions(interceptor.WithInBand(nil), interceptor.WithInBandStreams(shapesInBand...), atClient.option())
				}
				messages, err := call(t, service.start(t, so, do...), method)

				if !pair.newClient {
					want := []*testgrpc.EchoStatus{{Code: 1003, Message: "no a1"}}
					if diff := cmp.Diff(want, messages, protocmp.Transform()); err != nil || diff != "" {
						t.Errorf("the old client got %v, %v; want the code in the reply", messages, err)
					}
				} else {
					e := typed(t, err)
					if !errors.Is(err, sdk.InstanceNotFound) || e.Message() != "no a1" || status.Code(err) != codes.NotFound || e.Origin() != mapping.OriginPeer {
						t.Errorf("the new client got %v", e.LogValue())
					}
					var reply *inband.Reply
					if errors.As(err, &reply) == pair.newServer {
						t.Errorf("a reply in the error: %v", reply)
					} else if reply != nil && reply.Reply.(*testgrpc.EchoStatus).GetCode() != 1003 {
						t.Errorf("the reply is %v", reply.Reply)
					}
					if metadata := e.Metadata()["instance"]; (metadata == "a1") != pair.newServer {
						t.Errorf("metadata %q", metadata)
					}
				}
				checkInBand(t, "server", atServer.all(), pair.newServer, !pair.newClient)
				checkInBand(t, "client", atClient.all(), pair.newClient, !pair.newServer)
			})
		}
	}
}

// checkInBand holds what one side's observer saw to one event with that mark, or none.
func checkInBand(t *testing.T, side string, events []interceptor.Event, want, inBand bool) {
	t.Helper()
	switch {
	case !want:
		if len(events) > 0 {
			t.Errorf("%s: observed %v", side, events)
		}
	case len(events) != 1 || events[0].InBand != inBand || events[0].Error.Code() != sdk.InstanceNotFound || events[0].Cause == nil:
		t.Errorf("%s: observed %+v, want one event with InBand %v", side, events, inBand)
	}
}

func TestAnnouncement(t *testing.T) {
	if interceptor.AnnounceHeader != strings.ToLower(interceptor.AnnounceHeader) {
		t.Errorf("%q is no name of a gRPC header", interceptor.AnnounceHeader)
	}
	for _, test := range []struct {
		name   string
		client []grpc.DialOption
		want   []string
	}{
		{"a stock client", nil, nil},
		{"ours", interceptor.DialOptions(), []string{"1"}},
		{"ours that reads replies", interceptor.DialOptions(interceptor.WithInBand(nil)), []string{"1"}},
		{"ours that keeps silent", interceptor.DialOptions(interceptor.WithoutAnnouncement()), nil},
		{"interceptors alone", []grpc.DialOption{interceptor.Announce()}, []string{"1"}},
		{"twice", append(interceptor.DialOptions(), interceptor.Announce()), []string{"1"}},
		{"beside credentials", append(interceptor.DialOptions(interceptor.WithInBand(nil)), grpc.WithPerRPCCredentials(token{})), []string{"1"}},
	} {
		for _, method := range shapesInBand {
			service := replying(func(ctx context.Context) ([]proto.Message, error) {
				if got := metadata.ValueFromIncomingContext(ctx, "statusmap"); !cmp.Equal(got, test.want) {
					t.Errorf("%s, %s: the header is %q, want %q", test.name, method, got, test.want)
				}
				return []proto.Message{new(testgrpc.EchoStatus)}, nil
			})
			if _, err := call(t, service.start(t, nil, test.client...), method); err != nil {
				t.Errorf("%s, %s: %v", test.name, method, err)
			}
		}
	}
}

// Whoever has announced itself gets the status, with all that no reply can hold, whatever
// else it is made of.
func TestAnnouncedCallersGetStatuses(t *testing.T) {
	for _, method := range shapesInBand {
		so := interceptor.ServerOptions(interceptor.WithInBandReplies(nil), interceptor.WithInBandStreams(shapesInBand...))
		conn := replying(newServer).start(t, so, interceptor.Announce())
		messages, err := call(t, conn, method)
		if e, ok := mapping.FromError(err); !ok || len(messages) > 0 || e.Code() != sdk.InstanceNotFound || e.Metadata()["instance"] != "a1" {
			t.Errorf("%s: a stock client that announces itself got %v, %v; want the status", method, messages, err)
		}
	}
}

type token struct{}

func (token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer x"}, nil
}
func (token) RequireTransportSecurity() bool { return false }

// An error that a reply cannot tell has to remain one.
func TestErrorsThatNoReplyCanTell(t *testing.T) {
	for _, test := range []struct {
		name   string
		method string
		err    error
		want   codes.Code
	}{
		{"a type without the fields", bareMethod, notFound, codes.NotFound},
		{"nested fields that are not named", nestedMethod, notFound, codes.NotFound},
		{"a plain status", topMethod, status.Error(codes.InvalidArgument, "bad"), codes.InvalidArgument},
		{"an ended context", topMethod, context.DeadlineExceeded, codes.DeadlineExceeded},
		{"a domain that the replies do not speak", topMethod, rest.FunctionNameExist, codes.AlreadyExists},
	} {
		t.Run(test.name, func(t *testing.T) {
			var seen events
			service := replying(func(context.Context) ([]proto.Message, error) { return nil, test.err })
			conn := service.start(t, interceptor.ServerOptions(interceptor.WithInBandReplies(nil), seen.option()))
			err := conn.Invoke(stubtest.Context(t), test.method, new(testgrpc.SimpleRequest), new(testgrpc.Empty))
			if status.Code(err) != test.want {
				t.Errorf("the client got %v, want %v", err, test.want)
			}
			if evs := seen.all(); len(evs) != 1 || evs[0].InBand {
				t.Errorf("observed %+v, want one event that is not in-band", evs)
			}
		})
	}
}

// Nor can one of a method that is not linked in, or one that cannot be sent.
func TestRepliesThatThereAreNot(t *testing.T) {
	if err := declareReplies(); err != nil {
		t.Fatal(err)
	}
	var seen events
	opts := []interceptor.ServerOption{interceptor.WithInBandReplies(nil), interceptor.WithInBandStreams(downMethod), seen.option()}
	_, err := interceptor.UnaryServer(opts...)(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/statusmap.test.Nothing/Top"},
		func(context.Context, any) (any, error) { return nil, notFound })
	if !errors.Is(err, sdk.InstanceNotFound) {
		t.Errorf("of an unknown method the client got %v, want the status", err)
	}
	err = interceptor.StreamServer(opts...)(nil, brokenStream{}, &grpc.StreamServerInfo{FullMethod: downMethod, IsServerStream: true},
		func(any, grpc.ServerStream) error { return notFound })
	if !errors.Is(err, sdk.InstanceNotFound) {
		t.Errorf("on a broken stream the client got %v, want the status", err)
	}
	if evs := seen.all(); len(evs) != 2 || evs[0].InBand || evs[1].InBand {
		t.Errorf("observed %+v, want two events that are not in-band", evs)
	}
}

// brokenStream sends nothing.
type brokenStream struct{ grpc.ServerStream }

func (brokenStream) Context() context.Context { return context.Background() }
func (brokenStream) SendMsg(any) error        { return io.ErrClosedPipe }

// TestRetryFlagOfAReply: whether the method is idempotent decides what an old caller is told.
func TestRetryFlagOfAReply(t *testing.T) {
	if err := declareFlagged(); err != nil {
		t.Fatal(err)
	}
	const method = "/statusmap.test.Flags/Call"
	for _, idempotent := range []bool{false, true} {
		opts := []interceptor.ServerOption{interceptor.WithInBandReplies(nil)}
		if idempotent {
			opts = append(opts, interceptor.WithIdempotent(method))
		}
		reply, err := interceptor.UnaryServer(opts...)(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: method},
			func(context.Context, any) (any, error) { return nil, sdk.InnerCommunication })
		if err != nil {
			t.Fatal(err)
		}
		m := reply.(proto.Message).ProtoReflect()
		if got := m.Get(m.Descriptor().Fields().ByName("retryable")).Bool(); got != idempotent {
			t.Errorf("idempotent %t: the reply says %t", idempotent, got)
		}
	}
}

// declareFlagged links in a service whose replies have a retry flag.
var declareFlagged = sync.OnceValue(func() error {
	fdp := new(descriptorpb.FileDescriptorProto)
	err := prototext.Unmarshal([]byte(`
		name: "statusmap/test/flags.proto" package: "statusmap.test" syntax: "proto3"
		message_type { name: "Flagged"
			field { name: "code" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
			field { name: "message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
			field { name: "retryable" number: 3 type: TYPE_BOOL label: LABEL_OPTIONAL }
		}
		service { name: "Flags" method { name: "Call" input_type: ".statusmap.test.Flagged" output_type: ".statusmap.test.Flagged" } }`), fdp)
	if err != nil {
		return err
	}
	fd, err := protodesc.NewFile(fdp, protoregistry.GlobalFiles)
	if err != nil {
		return err
	}
	if err := protoregistry.GlobalFiles.RegisterFile(fd); err != nil {
		return err
	}
	return protoregistry.GlobalTypes.RegisterMessage(dynamicpb.NewMessageType(fd.Messages().Get(0)))
})

func TestNestedRepliesByOneDescription(t *testing.T) {
	inBand := &inband.Format{Nested: []string{"response_status"}, Catalogs: []*mapping.Catalog{rest.Catalog()}}
	service := replying(func(context.Context) ([]proto.Message, error) { return nil, rest.FunctionNotFound.Errorf("no f") })
	conn := service.start(t, interceptor.ServerOptions(interceptor.WithInBandReplies(inBand)))
	got := new(testgrpc.SimpleRequest)
	if err := conn.Invoke(stubtest.Context(t), nestedMethod, new(testgrpc.SimpleRequest), got); err != nil {
		t.Fatal(err)
	}
	want := &testgrpc.SimpleRequest{ResponseStatus: &testgrpc.EchoStatus{Code: 4115, Message: "no f"}}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
	if e, _ := inBand.FromReply(nestedMethod, got); e.Code() != rest.FunctionNotFound {
		t.Errorf("FromReply = %v, want 4115", e)
	}
}

// An error that goes out in a reply is a success to other interceptors and to stats
// handlers; one that goes out as a status is what the client gets.
func TestWhoSeesAnInBandReply(t *testing.T) {
	service := replying(func(context.Context) ([]proto.Message, error) { return nil, sdk.InstanceNotFound.Wrap(errSecret) })
	for _, test := range []struct {
		name   string
		client []grpc.DialOption
		want   codes.Code
	}{
		{"old", nil, codes.OK},
		{"new", interceptor.DialOptions(), codes.NotFound},
	} {
		ends := make(callEnds, 1)
		var outside error
		outer := grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			reply, err := handler(ctx, req)
			outside = err
			return reply, err
		})
		var seen events
		options := append([]grpc.ServerOption{grpc.StatsHandler(ends), outer},
			interceptor.ServerOptions(interceptor.WithInBandReplies(nil), seen.option())...)
		_, _ = call(t, service.start(t, options, test.client...), topMethod)
		if got := status.Code(<-ends); got != test.want {
			t.Errorf("%s client: the stats handler sees %v, want %v", test.name, got, test.want)
		}
		if got := status.Code(outside); got != test.want {
			t.Errorf("%s client: the interceptor outside sees %v, want %v", test.name, got, test.want)
		}
		if evs := seen.all(); len(evs) != 1 || !errors.Is(evs[0].Cause, errSecret) {
			t.Errorf("%s client: observed %+v, want the handler's error", test.name, evs)
		}
	}
}

// callEnds gets the error of every call that ends, nil for success.
type callEnds chan error

func (callEnds) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (callEnds) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (callEnds) HandleConn(context.Context, stats.ConnStats)                       {}
func (c callEnds) HandleRPC(_ context.Context, s stats.RPCStats) {
	if end, ok := s.(*stats.End); ok {
		c <- end.Error
	}
}

// What the handler said and the peer may not know does not cross in a reply either.
func TestInBandRepliesHideCauses(t *testing.T) {
	for name, service := range map[string]replying{
		"error": func(context.Context) ([]proto.Message, error) { return nil, errSecret },
		"panic": func(context.Context) ([]proto.Message, error) { panic(errSecret) },
	} {
		var seen events
		conn := service.start(t, interceptor.ServerOptions(interceptor.WithInBandReplies(nil), interceptor.WithRecovery(), seen.option()))
		messages, err := call(t, conn, topMethod)
		want := []*testgrpc.EchoStatus{{Code: 3003, Message: sdk.InnerSystemError.Description("en")}}
		if diff := cmp.Diff(want, messages, protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%s: the client got %v, %v", name, messages, err)
		}
		if evs := seen.all(); len(evs) != 1 || !evs[0].InBand || (evs[0].Panic != nil) != (name == "panic") {
			t.Errorf("%s: observed %+v", name, evs)
		}
	}
}

func TestStreamsThatAreNotNamedAreLeftAlone(t *testing.T) {
	for _, method := range []string{upMethod, downMethod, bothMethod} {
		conn := replying(newServer).start(t, interceptor.ServerOptions(interceptor.WithInBandReplies(nil)))
		if messages, err := call(t, conn, method); status.Code(err) != codes.NotFound || len(messages) > 0 {
			t.Errorf("%s: the old client got %v, %v; want the status", method, messages, err)
		}
		conn = replying(oldServer).start(t, nil, interceptor.DialOptions(interceptor.WithInBand(nil))...)
		if messages, err := call(t, conn, method); err != nil || len(messages) != 1 {
			t.Errorf("%s: the new client got %v, %v; want the message", method, messages, err)
		}
	}
}

func TestNamedStreamsDoNothingAlone(t *testing.T) {
	named := interceptor.WithInBandStreams(shapesInBand...)
	conn := replying(newServer).start(t, interceptor.ServerOptions(named))
	if _, err := call(t, conn, downMethod); status.Code(err) != codes.NotFound {
		t.Errorf("the old client got %v, want the status", err)
	}
	conn = replying(oldServer).start(t, nil, interceptor.DialOptions(named)...)
	if messages, err := call(t, conn, downMethod); err != nil || len(messages) != 1 {
		t.Errorf("the new client got %v, %v; want the message", messages, err)
	}
}

func TestInBandErrorEndsTheStream(t *testing.T) {
	fine, failed := &testgrpc.EchoStatus{Message: "fine"}, &testgrpc.EchoStatus{Code: 1003, Message: "no a1"}
	ended := make(chan struct{})
	service := replying(func(ctx context.Context) ([]proto.Message, error) {
		context.AfterFunc(ctx, func() { close(ended) })
		return []proto.Message{fine, failed, fine}, nil
	})
	var seen events
	conn := service.start(t, nil, interceptor.DialOptions(interceptor.WithInBand(nil), interceptor.WithInBandStreams(bothMethod), seen.option())...)
	ctx := stubtest.Context(t)
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, bothMethod)
	if err != nil {
		t.Fatal(err)
	}
	m := new(testgrpc.EchoStatus)
	if err := stream.RecvMsg(m); err != nil || m.GetMessage() != "fine" {
		t.Fatalf("the first message: %v, %v", m, err)
	}
	first := stream.RecvMsg(new(testgrpc.EchoStatus))
	if !errors.Is(first, sdk.InstanceNotFound) {
		t.Fatalf("RecvMsg = %v, want 1003", first)
	}
	if again := stream.RecvMsg(new(testgrpc.EchoStatus)); again != first {
		t.Errorf("RecvMsg again = %v, want the same value", again)
	}
	for where, over := range map[string]<-chan struct{}{"server": ended, "client": stream.Context().Done()} {
		select {
		case <-over: // gRPC holds nothing any more
		case <-ctx.Done():
			t.Errorf("the stream is still open at the %s", where)
		}
	}
	if evs := seen.all(); len(evs) != 1 || !evs[0].InBand {
		t.Errorf("observed %+v, want one in-band event", evs)
	}
}

func TestInBandStreamsPassOtherErrors(t *testing.T) {
	do := interceptor.DialOptions(interceptor.WithInBand(nil), interceptor.WithInBandStreams(shapesInBand...))
	for _, method := range shapesInBand {
		conn := replying(newServer).start(t, interceptor.ServerOptions(), do...)
		if _, err := call(t, conn, method); typed(t, err).Metadata()["instance"] != "a1" {
			t.Errorf("%s: the client got %v, want the status", method, err)
		}
		_ = conn.Close()
		if _, err := call(t, conn, method); typed(t, err).GRPCCode() != codes.Canceled {
			t.Errorf("%s: on a closed connection the client got %v", method, err)
		}
	}
}

// TestStreamThatFailsToSendIsReleased: nobody need receive on a stream on which sending has
// failed, and nothing of it stays with the caller's context.
func TestStreamThatFailsToSendIsReleased(t *testing.T) {
	addr := stubtest.Start(t, &stubtest.Service{BidiStream: func(stream testgrpc.TestService_FullDuplexCallServer) error {
		<-stream.Context().Done()
		return stream.Context().Err()
	}})
	var inner context.Context
	opts := append(interceptor.DialOptions(interceptor.WithInBand(nil), interceptor.WithInBandStreams("/grpc.testing.TestService/FullDuplexCall")),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(10)),
		grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			inner = ctx
			return streamer(ctx, desc, cc, method, opts...)
		}))
	stream, err := stubtest.Dial(t, addr, opts...).FullDuplexCall(stubtest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&testgrpc.StreamingOutputCallRequest{Payload: &testgrpc.Payload{Body: make([]byte, 100)}})
	if got := typed(t, err).GRPCCode(); got != codes.ResourceExhausted {
		t.Errorf("sending: got %v, want %v", got, codes.ResourceExhausted)
	}
	if inner.Err() != context.Canceled {
		t.Errorf("the context of the stream: got %v, want %v", inner.Err(), context.Canceled)
	}
}

// A second reply of a call that has only one would be a broken protocol.
func TestReplyThatWasSentStands(t *testing.T) {
	service := replying(func(context.Context) ([]proto.Message, error) {
		return []proto.Message{&testgrpc.EchoStatus{Message: "fine"}}, notFound
	})
	so := interceptor.ServerOptions(interceptor.WithInBandReplies(nil), interceptor.WithInBandStreams(shapesInBand...))
	if _, err := call(t, service.start(t, so), upMethod); status.Code(err) != codes.NotFound {
		t.Errorf("the client got %v, want the status", err)
	}
	messages, err := call(t, service.start(t, so), downMethod)
	want := []*testgrpc.EchoStatus{{Message: "fine"}, {Code: 1003, Message: "no a1"}}
	if diff := cmp.Diff(want, messages, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("the client got %v, %v; want a last message", messages, err)
	}
}

func TestMultiplexedStreamGoesOn(t *testing.T) {
	service := replying(func(context.Context) ([]proto.Message, error) {
		return []proto.Message{&testgrpc.EchoStatus{Code: 1003, Message: "of call 1"}, &testgrpc.EchoStatus{Message: "of call 2"}}, nil
	})
	conn := service.start(t, nil, interceptor.DialOptions(interceptor.WithInBand(nil))...)
	messages, err := call(t, conn, bothMethod)
	if err != nil || len(messages) != 2 {
		t.Fatalf("the client got %v, %v; want both messages", messages, err)
	}
	inBand := new(inband.Format)
	if e, _ := inBand.FromReply(bothMethod, messages[0]); e.Code() != sdk.InstanceNotFound {
		t.Errorf("call 1: %v, want 1003", e)
	}
	if e, ok := inBand.FromReply(bothMethod, messages[1]); ok {
		t.Errorf("call 2: %v, want success", e)
	}
}

func TestInBandErrorsAreRetried(t *testing.T) {
	for _, test := range []struct {
		code     int32
		attempts int64
	}{
		{1002, 3}, // SAFE: until it succeeds
		{3002, 1}, // IDEMPOTENT, of a method that is not
		{1003, 1}, // HIGHER_LEVEL
	} {
		var attempts atomic.Int64
		service := replying(func(context.Context) ([]proto.Message, error) {
			if attempts.Add(1) < 3 {
				return []proto.Message{&testgrpc.EchoStatus{Code: test.code, Message: "not now"}}, nil
			}
			return []proto.Message{&testgrpc.EchoStatus{}}, nil
		})
		var seen events
		inBand := &inband.Format{Extract: func(reply any) inband.Outcome {
			// As by shape; the reply must not hold what the attempt before has left.
			s := reply.(*testgrpc.EchoStatus)
			return inband.Outcome{Number: int64(s.GetCode()), Message: s.GetMessage()}
		}}
		conn := service.start(t, nil, ours(fast, interceptor.WithInBand(inBand), seen.option())...)
		messages, err := call(t, conn, topMethod)
		if got := attempts.Load(); got != test.attempts {
			t.Errorf("code %d: %d attempts, want %d", test.code, got, test.attempts)
		}
		if test.attempts > 1 {
			if err != nil || messages[0].GetMessage() != "" {
				t.Errorf("code %d: the client got %v, %v; want the last reply", test.code, messages, err)
			}
		} else if e := typed(t, err); e.Code().Number() != test.code || e.Attempts() != 1 {
			t.Errorf("code %d: the client got %v after %d attempts", test.code, e, e.Attempts())
		}
		for _, ev := range seen.all() {
			if !ev.InBand || ev.Retrying != (test.attempts > 1) {
				t.Errorf("code %d: observed %+v", test.code, ev)
			}
		}
	}
}

func TestDeclaredSuccessIsNoError(t *testing.T) {
	inBand := &inband.Format{Success: map[string][]mapping.Code{topMethod: {sdk.InstanceNotFound}}}
	conn := replying(oldServer).start(t, nil, interceptor.DialOptions(interceptor.WithInBand(inBand))...)
	if messages, err := call(t, conn, topMethod); err != nil || messages[0].GetCode() != 1003 {
		t.Errorf("the client got %v, %v; want the reply", messages, err)
	}
	// A status stays an error: there is no reply that could be returned.
	conn = replying(newServer).start(t, interceptor.ServerOptions(), interceptor.DialOptions(interceptor.WithInBand(inBand))...)
	if _, err := call(t, conn, topMethod); !errors.Is(err, sdk.InstanceNotFound) {
		t.Errorf("the client got %v, want 1003", err)
	}
}

// A call that ends OK is not to be repeated by anybody.
func TestInBandRepliesComeWithoutPushback(t *testing.T) {
	service := replying(func(context.Context) ([]proto.Message, error) { return nil, sdk.ResourceNotEnough })
	for _, client := range []struct {
		options []grpc.DialOption
		want    int
	}{{nil, 0}, {interceptor.DialOptions(interceptor.WithInBand(nil)), 1}} {
		var trailer metadata.MD
		conn := service.start(t, interceptor.ServerOptions(interceptor.WithInBandReplies(nil)), client.options...)
		_, _ = call(t, conn, topMethod, grpc.Trailer(&trailer))
		if got := trailer["grpc-retry-pushback-ms"]; len(got) != client.want {
			t.Errorf("pushback %q, want %d values", got, client.want)
		}
	}
}

func TestTextCodes(t *testing.T) {
	const text = "create to 10.0.0.7:8080 failed, code: 1003, message: no a1"
	service := stubtest.Each(func(context.Context) error { return status.Error(codes.Unknown, text) })
	addr := stubtest.Start(t, service)
	for _, shape := range stubtest.Shapes() {
		c := stubtest.Dial(t, addr, interceptor.DialOptions(interceptor.WithTextCodes())...)
		e := typed(t, shape.Call(stubtest.Context(t), c))
		if e.Code() != sdk.InstanceNotFound || !e.Parsed() || e.GRPCCode() != codes.Unknown || e.Message() != text {
			t.Errorf("%s: the client got %v", shape.Name, e.LogValue())
		}
		c = stubtest.Dial(t, addr, interceptor.DialOptions()...)
		if e := typed(t, shape.Call(stubtest.Context(t), c)); e.Parsed() || errors.Is(e, sdk.InstanceNotFound) {
			t.Errorf("%s: without the option the client got %v", shape.Name, e.LogValue())
		}
		billing := exampleCatalog()
		c = stubtest.Dial(t, addr, interceptor.DialOptions(interceptor.WithTextCodes(billing))...)
		if want, _ := billing.Lookup(1003); typed(t, shape.Call(stubtest.Context(t), c)).Code() != want {
			t.Errorf("%s: with another catalogue the client did not get %v", shape.Name, want)
		}
	}
}

func TestNilAndRepeatedInBandOptions(t *testing.T) {
	conn := replying(oldServer).start(t, interceptor.ServerOptions(nil, interceptor.WithInBandReplies(nil), interceptor.WithInBandStreams()),
		interceptor.DialOptions(nil, interceptor.WithInBand(nil), interceptor.WithInBandStreams(strings.TrimPrefix(downMethod, "/")), interceptor.WithInBandStreams(upMethod))...)
	for _, method := range []string{topMethod, downMethod, upMethod} {
		if _, err := call(t, conn, method); !errors.Is(err, sdk.InstanceNotFound) {
			t.Errorf("%s: the client got %v, want 1003", method, err)
		}
	}
}

// succeeding are the interceptors with the options of this file on, for calls that
// succeed.
func succeedingClient(opts ...interceptor.ClientOption) func() error {
	in := interceptor.UnaryClient(append(opts, interceptor.WithInBand(nil))...)
	invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
	ctx, req, reply := context.Background(), new(testgrpc.SimpleRequest), &testgrpc.EchoStatus{Message: "fine"}
	return func() error { return in(ctx, topMethod, req, reply, nil, invoker) }
}

func succeedingServer(opts ...interceptor.ServerOption) func() error {
	in := interceptor.UnaryServer(append(opts, interceptor.WithInBandReplies(nil))...)
	reply := &testgrpc.EchoStatus{Message: "fine"}
	handler := func(context.Context, any) (any, error) { return reply, nil }
	info := &grpc.UnaryServerInfo{FullMethod: topMethod}
	ctx, req := context.Background(), new(testgrpc.SimpleRequest)
	return func() error { _, err := in(ctx, req, info, handler); return err }
}

func TestInBandSuccessAllocatesNothing(t *testing.T) {
	var seen events
	for name, f := range map[string]func() error{
		"client":                  succeedingClient(),
		"client with an observer": succeedingClient(seen.option()),
		"client that parses":      succeedingClient(interceptor.WithTextCodes()),
		"server":                  succeedingServer(),
		"server with an observer": succeedingServer(seen.option()),
	} {
		if n := testing.AllocsPerRun(200, func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}

// A stream that is not opened has not ended the context of its call.
func TestInBandStreamThatIsNotOpened(t *testing.T) {
	var seen error
	stream := interceptor.StreamClient(interceptor.WithInBand(nil), interceptor.WithInBandStreams("/s/m"),
		interceptor.WithObserver(func(ctx context.Context, _ interceptor.Event) { seen = ctx.Err() }))
	streamer := func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
		return nil, errExhausted
	}
	_, err := stream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, nil, "/s/m", streamer)
	if e := typed(t, err); e.GRPCCode() != codes.Unavailable || seen != nil {
		t.Errorf("got %v, and the observer a context with %v, want UNAVAILABLE and one that goes on", e, seen)
	}
}

func BenchmarkInBandSuccess(b *testing.B) {
	for name, f := range map[string]func() error{"client": succeedingClient(), "server": succeedingServer()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A proxy passes on what its callers announce. One that announces itself speaks for those
// who do not understand statuses.
func TestProxyAnnouncesForItsCallers(t *testing.T) {
	for _, test := range []struct {
		name  string
		proxy []interceptor.ClientOption
		dial  []grpc.DialOption
		reply bool
	}{
		{"an old caller", []interceptor.ClientOption{interceptor.WithoutAnnouncement()}, nil, true},
		{"a new caller", []interceptor.ClientOption{interceptor.WithoutAnnouncement()}, interceptor.DialOptions(), false},
		{"an old caller of a proxy that announces itself", nil, nil, false},
	} {
		server := replying(newServer).start(t, interceptor.ServerOptions(interceptor.WithInBandReplies(nil)), interceptor.DialOptions(test.proxy...)...)
		proxy := replying(func(ctx context.Context) ([]proto.Message, error) {
			headers, _ := metadata.FromIncomingContext(ctx)
			reply := new(testgrpc.EchoStatus)
			err := server.Invoke(metadata.NewOutgoingContext(ctx, headers), topMethod, new(testgrpc.SimpleRequest), reply)
			return []proto.Message{reply}, err
		}).start(t, nil, test.dial...)
		messages, err := call(t, proxy, topMethod)
		if got := err == nil && len(messages) == 1 && messages[0].GetCode() == sdk.InstanceNotFound.Number(); got != test.reply {
			t.Errorf("%s got %v, %v; in a reply: %v, want %v", test.name, messages, err, got, test.reply)
		}
		if !test.reply && status.Code(err) != codes.NotFound {
			t.Errorf("%s got %v, want the status", test.name, err)
		}
	}
}
