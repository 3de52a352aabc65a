package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
)

func TestRequestIDs(t *testing.T) {
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	fixed := interceptor.WithRequestID(func(context.Context) string { return "fixed" })
	none := interceptor.WithRequestID(func(context.Context) string { return "" })
	for _, test := range []struct {
		name   string
		opts   []interceptor.ServerOption
		sent   []string // metadata of the call
		raised error
		want   string // "*": any, but not empty
	}{
		{"nothing known", nil, nil, sdk.InstanceNotFound, ""},
		{"nothing known, hidden cause", nil, nil, errSecret, "*"},
		{"x-request-id", nil, []string{"x-request-id", "r-1"}, sdk.InstanceNotFound, "r-1"},
		{"x-request-id, hidden cause", nil, []string{"x-request-id", "r-1"}, errSecret, "r-1"},
		{"x-request-id twice", nil, []string{"x-request-id", "r-1", "x-request-id", "r-2"}, sdk.InstanceNotFound, "r-1"},
		{"empty x-request-id", nil, []string{"x-request-id", "", "traceparent", "00-" + trace + "-00f067aa0ba902b7-01"}, sdk.InstanceNotFound, trace},
		{"long x-request-id", nil, []string{"x-request-id", strings.Repeat("r", 200)}, sdk.InstanceNotFound, strings.Repeat("r", 128)},
		{"traceparent", nil, []string{"traceparent", "00-" + trace + "-00f067aa0ba902b7-01"}, sdk.InstanceNotFound, trace},
		{"both", nil, []string{"traceparent", "00-" + trace + "-00f067aa0ba902b7-01", "x-request-id", "r-1"}, sdk.InstanceNotFound, "r-1"},
		{"malformed traceparent", nil, []string{"traceparent", "00-xyz-1-1"}, sdk.InstanceNotFound, ""},
		{"traceparent of no trace", nil, []string{"traceparent", "00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01"}, sdk.InstanceNotFound, ""},
		{"traceparent of no span", nil, []string{"traceparent", "00-" + trace + "-0000000000000000-01"}, sdk.InstanceNotFound, ""},
		{"traceparent of no version", nil, []string{"traceparent", "ff-" + trace + "-00f067aa0ba902b7-01"}, sdk.InstanceNotFound, ""},
		{"traceparent in capitals", nil, []string{"traceparent", "00-" + strings.ToUpper(trace) + "-00f067aa0ba902b7-01"}, sdk.InstanceNotFound, ""},
		{"traceparent with more than it has", nil, []string{"traceparent", "00-" + trace + "-00f067aa0ba902b7-01-more"}, sdk.InstanceNotFound, ""},
		{"traceparent of a later version", nil, []string{"traceparent", "01-" + trace + "-00f067aa0ba902b7-01-more-of-it"}, sdk.InstanceNotFound, trace},
		{"traceparent of an odd version", nil, []string{"traceparent", "0x-" + trace + "-00f067aa0ba902b7-01"}, sdk.InstanceNotFound, ""},
		{"traceparent with odd flags", nil, []string{"traceparent", "00-" + trace + "-00f067aa0ba902b7-1"}, sdk.InstanceNotFound, ""},
		{"traceparent without a span", nil, []string{"traceparent", "00-" + trace}, sdk.InstanceNotFound, ""},
		{"own function", []interceptor.ServerOption{fixed}, []string{"x-request-id", "r-1"}, sdk.InstanceNotFound, "fixed"},
		{"own function that knows none", []interceptor.ServerOption{none}, []string{"x-request-id", "r-1"}, sdk.InstanceNotFound, ""},
		{"own function that knows none, hidden cause", []interceptor.ServerOption{none}, nil, errSecret, "*"},
		{"own function that panics", []interceptor.ServerOption{interceptor.WithRequestID(func(context.Context) string { panic("no id") })}, nil, sdk.InstanceNotFound, ""},
		{"claimed by a rule", []interceptor.ServerOption{interceptor.WithRules(mapping.WhenIs(errSecret, sdk.ParamInvalid))}, nil, errSecret, "*"},
		{"a hidden cause behind a text of its own", nil, nil, sdk.InstanceNotFound.Wrapf(errSecret, "x"), "*"},
		{"the same, changed and wrapped", nil, nil, fmt.Errorf("y: %w", sdk.InstanceNotFound.Wrapf(errSecret, "x").With("key", "v")), "*"},
		{"a text of its own, wrapped", nil, nil, fmt.Errorf("y: %w", sdk.InstanceNotFound.Errorf("x")), ""},
		{"nil function", []interceptor.ServerOption{fixed, interceptor.WithRequestID(nil)}, nil, sdk.InstanceNotFound, "fixed"},
		{"id of the error", []interceptor.ServerOption{fixed}, nil, sdk.InstanceNotFound.Errorf("x").WithRequestID("own"), "own"},
		{"id of a received error", []interceptor.ServerOption{fixed}, nil, sentByPeer(sdk.InstanceNotFound.Errorf("x").WithRequestID("theirs").GRPCStatus()), "theirs"},
		{"received error without an id", []interceptor.ServerOption{fixed}, nil, sentByPeer(sdk.InstanceNotFound.Errorf("x").GRPCStatus()), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var observed string
			addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return test.raised }), interceptor.ServerOptions(append(test.opts,
				interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { observed = ev.Error.RequestID() }))...)...)
			c, ctx := stubtest.Dial(t, addr, interceptor.DialOptions()...), metadata.AppendToOutgoingContext(stubtest.Context(t), test.sent...)
			seen := map[string]bool{}
			for _, shape := range stubtest.Shapes() {
				got := typed(t, shape.Call(ctx, c)).RequestID()
				if got != test.want && (test.want != "*" || got == "") {
					t.Errorf("%s: the client has id %q, want %q", shape.Name, got, test.want)
				}
				if observed != got {
					t.Errorf("%s: the observer has id %q, the client %q", shape.Name, observed, got)
				}
				seen[got] = true
			}
			if test.want == "*" && len(seen) != 4 {
				t.Errorf("4 calls have the ids %v, want 4 different ones", seen)
			}
		})
	}
}

// TestObservedRequestID: an id that crosses with no error is in the event all the same, in
// the form that one would have.
func TestObservedRequestID(t *testing.T) {
	for sent, want := range map[string]string{
		"r-1":                          "r-1",
		strings.Repeat("r", 1000):      strings.Repeat("r", 128),
		strings.Repeat("r", 126) + "请": strings.Repeat("r", 126),
	} {
		server := interceptor.UnaryServer(interceptor.WithRequestID(func(context.Context) string { return sent }),
			interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
				if ev.RequestID != want || ev.Error.RequestID() != "" {
					t.Errorf("the event has id %q, the plain status %q, want %q and none", ev.RequestID, ev.Error.RequestID(), want)
				}
			}))
		handler := func(context.Context, any) (any, error) { return nil, status.Error(codes.NotFound, "nf") }
		if _, err := server(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: "/a.B/C"}, handler); status.Code(err) != codes.NotFound {
			t.Error(err)
		}
	}
}

// TestObservedRequestIDs: an error that came with the id of another service is found by that
// and by the request's own.
func TestObservedRequestIDs(t *testing.T) {
	received := sentByPeer(sdk.InstanceNotFound.AsError().WithRequestID("theirs").GRPCStatus())
	var line string
	server := interceptor.UnaryServer(interceptor.WithRequestID(func(context.Context) string { return "ours" }),
		interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
			line = logged(ev)
			if ev.RequestID != "ours" || ev.Error.RequestID() != "theirs" {
				t.Errorf("the event has id %q, the error %q", ev.RequestID, ev.Error.RequestID())
			}
		}))
	_, err := server(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: "/a.B/C"}, func(context.Context, any) (any, error) { return nil, received })
	if id := typed(t, err).RequestID(); id != "theirs" {
		t.Errorf("the client gets the id %q, want the one that the error came with", id)
	}
	if !strings.Contains(line, "call.request_id=theirs ") || !strings.Contains(line, "call.own_request_id=ours ") {
		t.Errorf("logged as %s, want both ids", line)
	}
}

// TestNoIDThatNobodyHas: a received error goes on as it came, so no id is made for it, and
// none is logged that the client could not quote.
func TestNoIDThatNobodyHas(t *testing.T) {
	received := sentByPeer(sdk.InstanceNotFound.AsError().GRPCStatus())
	server := interceptor.UnaryServer(interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
		if ev.RequestID != ev.Error.RequestID() {
			t.Errorf("the event has id %q, the error %q", ev.RequestID, ev.Error.RequestID())
		}
	}))
	for _, returned := range []error{received, fmt.Errorf("lookup: %w", received), errSecret} {
		handler := func(context.Context, any) (any, error) { return nil, returned }
		if _, err := server(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: "/a.B/C"}, handler); err == nil {
			t.Error("no error")
		}
	}
}

func TestObservers(t *testing.T) {
	type key struct{}
	var order []string
	var server, client []interceptor.Event
	serverObserver := func(_ context.Context, ev interceptor.Event) {
		order, server = append(order, "first"), append(server, ev)
	}
	clientObserver := func(ctx context.Context, ev interceptor.Event) {
		client = append(client, ev)
		if ctx.Value(key{}) != "v" {
			t.Error("the client's observer has another context than the call")
		}
	}
	var returned error
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return returned }), interceptor.ServerOptions(
		nil, interceptor.WithObserver(nil), interceptor.WithObserver(serverObserver),
		interceptor.WithObserver(func(context.Context, interceptor.Event) { order = append(order, "second") }))...)
	c := stubtest.Dial(t, addr, interceptor.DialOptions(nil, interceptor.WithObserver(nil), interceptor.WithObserver(clientObserver))...)
	ctx := context.WithValue(stubtest.Context(t), key{}, "v")
	wrapped := fmt.Errorf("secret: %w", sdk.InstanceNotFound.Wrap(errSecret))
	for _, shape := range stubtest.Shapes() {
		order, server, client, returned = nil, nil, nil, nil
		if err := shape.Call(ctx, c); err != nil {
			t.Fatal(err)
		}
		if len(server)+len(client) != 0 {
			t.Errorf("%s: a success is observed: %v %v", shape.Name, server, client)
		}
		returned = wrapped
		err := shape.Call(ctx, c)
		if got := strings.Join(order, " "); got != "first second" {
			t.Errorf("%s: observers ran in the order %q", shape.Name, got)
		}
		checkOneEvent(t, client, shape.Method, err)
		if len(server) != 1 {
			t.Fatalf("%s: %d events on the server, want 1", shape.Name, len(server))
		}
		ev := server[0]
		if ev.Side != interceptor.ServerSide || ev.Method != shape.Method || ev.Error.Code() != sdk.InstanceNotFound || ev.Cause != wrapped || ev.Panic != nil || ev.Stack != nil || ev.Duration <= 0 {
			t.Errorf("%s: observed %+v", shape.Name, ev)
		}
		if !errors.Is(ev.Error, errSecret) || status.Code(ev.Error) != sdk.InstanceNotFound.GRPCCode() {
			t.Errorf("%s: the observed error has lost its cause or code", shape.Name)
		}
	}
	if interceptor.ServerSide.String() != "server" || interceptor.ClientSide.String() != "client" {
		t.Errorf("the sides are %q and %q", interceptor.ServerSide, interceptor.ClientSide)
	}
}

// Observers see the gRPC code that the client gets, also where the handler returned one
// that there is not.
func TestObservedGRPCCodeIsTheOneSent(t *testing.T) {
	t.Parallel()
	var observed *mapping.Error
	server := interceptor.UnaryServer(interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { observed = ev.Error }))
	_, err := server(t.Context(), nil, unaryInfo, func(context.Context, any) (any, error) {
		return nil, status.Error(codes.Code(71), "odd")
	})
	if got := observed.GRPCCode(); status.Code(err) != codes.Unknown || got != codes.Unknown {
		t.Errorf("sent with %v, observed with %v, want Unknown", status.Code(err), got)
	}
}

// TestNothingSecretCrosses looks into everything that a stock client receives of
// what handlers never meant for it: texts of plain errors, causes, wrappers, panics.
func TestNothingSecretCrosses(t *testing.T) {
	fail := map[string]func(error) error{
		"returned": func(err error) error { return err },
		"wrapped":  func(err error) error { return fmt.Errorf("secret context: %w", err) },
		"joined":   func(err error) error { return errors.Join(errSecret, err, errSecret) },
		"cause":    func(err error) error { return sdk.ParamInvalid.Wrap(err) },
		"panic":    func(err error) error { panic(err) },
	}
	ctx := stubtest.Context(t)
	for _, row := range matrix() {
		var returned func() error
		addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return returned() }), interceptor.ServerOptions(append(row.opts, interceptor.WithRecovery())...)...)
		c := stubtest.Dial(t, addr)
		for how, f := range fail {
			returned = func() error { return f(row.err) }
			for _, shape := range stubtest.Shapes() {
				var header, trailer metadata.MD
				err := shape.Call(ctx, c, grpc.Header(&header), grpc.Trailer(&trailer))
				all := fmt.Sprint(header, trailer, status.Convert(err).Message(), status.Convert(err).Proto())
				if strings.Contains(all, "secret") || strings.Contains(all, "hunter2") {
					t.Errorf("%s, %s, %s: the client received %q", row.name, how, shape.Name, all)
				}
				if err == nil {
					t.Errorf("%s, %s, %s: success", row.name, how, shape.Name)
				}
			}
		}
	}
	// The test sees what there is to see.
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return sdk.ParamInvalid.With("key", "secret") }), interceptor.ServerOptions()...)
	if raw := detailsOf(ctx, t, stubtest.Dial(t, addr), stubtest.Shapes()[0]); !strings.Contains(raw, "secret") {
		t.Errorf("metadata is not found in %q", raw)
	}
}

// TestNilOptions: a nil option of any kind changes nothing.
func TestNilOptions(t *testing.T) {
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return sdk.InstanceNotFound }),
		interceptor.ServerOptions(nil, interceptor.WithMapper(nil), interceptor.WithRules(), interceptor.WithRules(nil), interceptor.WithObserver(nil))...)
	c := stubtest.Dial(t, addr, interceptor.DialOptions(nil, interceptor.WithCatalogs(), interceptor.WithCatalogs(nil), interceptor.WithObserver(nil))...)
	for _, shape := range stubtest.Shapes() {
		if err := shape.Call(stubtest.Context(t), c); !errors.Is(err, sdk.InstanceNotFound) {
			t.Errorf("%s: got %v", shape.Name, err)
		}
	}
}

// TestRulesKeepTheirOrder: rules given later come behind those given before, of the
// mapper too, and a mapper shared by two servers is not changed.
func TestRulesKeepTheirOrder(t *testing.T) {
	shared := &mapping.Mapper{Rules: []mapping.Rule{mapping.WhenIs(errSecret, sdk.ParamInvalid)}}
	for _, test := range []struct {
		name string
		opts []interceptor.ServerOption
		want mapping.Code
	}{
		{"mapper first", []interceptor.ServerOption{interceptor.WithMapper(shared), interceptor.WithRules(mapping.WhenIs(errSecret, sdk.Finalized))}, sdk.ParamInvalid},
		{"rules only", []interceptor.ServerOption{interceptor.WithRules(mapping.WhenIs(errSecret, sdk.Finalized)), interceptor.WithRules(mapping.WhenIs(errSecret, sdk.ParamInvalid))}, sdk.Finalized},
	} {
		addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return errSecret }), interceptor.ServerOptions(test.opts...)...)
		err := stubtest.Shapes()[0].Call(stubtest.Context(t), stubtest.Dial(t, addr, interceptor.DialOptions()...))
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
	if len(shared.Rules) != 1 {
		t.Errorf("the shared mapper has %d rules, want 1", len(shared.Rules))
	}
}

// TestObserverOfATypedNil: an interceptor inside may return one beside a status.
func TestObserverOfATypedNil(t *testing.T) {
	seen := 0
	observer := interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
		if seen++; ev.InBand || ev.Error.GRPCCode() != codes.NotFound {
			t.Errorf("got %v, in-band: %t", ev.Error, ev.InBand)
		}
	})
	invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		return errors.Join((*net.OpError)(nil), status.Error(codes.NotFound, "nf"))
	}
	err := interceptor.UnaryClient(observer)(context.Background(), "/a.B/C", nil, nil, nil, invoker)
	if seen != 1 || status.Code(err) != codes.NotFound {
		t.Errorf("the observer saw %d errors; the caller got %v", seen, status.Code(err))
	}
}
