package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// longText has 1000 characters, which cost 13 bytes each on the wire.
var longText = strings.Repeat("请求的实例不存在。。", 100)

// talkative returns an error of that code that says far more than fits.
func talkative(c mapping.Code) *mapping.Error {
	e := c.Errorf("%s", longText)
	for i := range 50 {
		e = e.With(fmt.Sprintf("key%02d", i), strings.Repeat("v", 20+i))
	}
	return e
}

// checkTalkative reports whether err, as a client got it, is what can be kept of
// talkative(c) within the budget.
func checkTalkative(t *testing.T, err error, c mapping.Code, budget int) {
	t.Helper()
	e := decoded(t, err)
	if size := rpcerr.Size(status.Convert(err).Proto()); size > budget {
		t.Errorf("%v takes %d bytes, more than %d", c, size, budget)
	}
	if e.Code() != c || e.GRPCCode() != c.GRPCCode() || e.Reason() != c.Reason() || e.Retry() != c.Retry() {
		t.Errorf("%v arrived as %v, grpc %v, reason %q, retry %v", c, e.Code(), e.GRPCCode(), e.Reason(), e.Retry())
	}
	if !e.Trimmed() {
		t.Errorf("%v is not marked as trimmed", c)
	}
	if m := e.Message(); m == "" || !strings.HasPrefix(longText, m) || !utf8.ValidString(m) {
		t.Errorf("%v has message %q, want a part of what was said", c, m)
	}
	metadata := e.Metadata()
	for key, value := range metadata {
		var i int
		if _, err := fmt.Sscanf(key, "key%02d", &i); err != nil || value != "" && value != strings.Repeat("v", 20+i) {
			t.Errorf("%v has metadata %q: %q, want it whole or empty", c, key, value)
		}
	}
	if n := len(metadata); n != 0 && n != 50 {
		t.Errorf("%v has %d metadata keys, want all 50 or none", c, n)
	}
}

func TestEveryCodeFitsTheBudget(t *testing.T) {
	var raised mapping.Code
	var observed *mapping.Error
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return talkative(raised) }),
		interceptor.ServerOptions(interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { observed = ev.Error }))...)
	ours, stock, ctx := stubtest.Dial(t, addr, interceptor.DialOptions()...), stubtest.Dial(t, addr), stubtest.Context(t)
	for raised = range every {
		for _, shape := range stubtest.Shapes() {
			checkTalkative(t, shape.Call(ctx, ours), raised, rpcerr.DefaultBudget)
			checkTalkative(t, shape.Call(ctx, stock), raised, rpcerr.DefaultBudget)
			if !observed.Trimmed() {
				t.Errorf("%s: %v is not observed as trimmed", shape.Name, raised)
			}
		}
	}
}

func TestWithBudget(t *testing.T) {
	// The longest that an identity can be.
	longest := rpcerr.CodeOf(&rpcerr.Row{
		Domain: strings.Repeat("d", 63), Number: 1<<31 - 1, Reason: strings.Repeat("R", 63),
		GRPC: codes.Unavailable, Retry: mapping.Retry{Class: mapping.Safe, Delay: time.Hour - time.Millisecond},
	})
	id := strings.Repeat("i", 128)
	for _, test := range []struct{ option, budget int }{
		{1024, 1024}, {7168, 7168}, {2000, 2000}, {0, 4096}, {1, 1024}, {1023, 1024}, {-1, 1024}, {7169, 7168}, {1 << 30, 7168},
	} {
		var raised error
		addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return raised }), interceptor.ServerOptions(
			interceptor.WithBudget(test.option), interceptor.WithRequestID(func(context.Context) string { return id }))...)
		c, unary, ctx := stubtest.Dial(t, addr, interceptor.DialOptions()...), stubtest.Shapes()[0], stubtest.Context(t)

		raised = talkative(sdk.ResourceNotEnough).WithDetails(&errdetails.ResourceInfo{Description: longText}, quota)
		err := unary.Call(ctx, c)
		checkTalkative(t, err, sdk.ResourceNotEnough, test.budget)
		if got := typed(t, err).RequestID(); got != id {
			t.Errorf("WithBudget(%d): request id %q, want it whole", test.option, got)
		}
		if size := rpcerr.Size(status.Convert(err).Proto()); size < test.budget/2 {
			t.Errorf("WithBudget(%d): only %d bytes are used", test.option, size)
		}

		raised = longest.Errorf("%s", longText)
		err = unary.Call(ctx, c)
		e := typed(t, err)
		if size := rpcerr.Size(status.Convert(err).Proto()); size > test.budget {
			t.Errorf("WithBudget(%d): the longest identity takes %d bytes, more than %d", test.option, size, test.budget)
		}
		if e.Code().Domain() != longest.Domain() || e.Code().Number() != longest.Number() || e.Reason() != longest.Reason() || e.Retry() != longest.Retry() || e.RequestID() != id {
			t.Errorf("WithBudget(%d): the longest identity arrived as %v, %q, %v, %q", test.option, e.Code(), e.Reason(), e.Retry(), e.RequestID())
		}
	}
}

// TestSmallErrorsAreLeftAlone: nothing is trimmed and nothing marked below the
// budget.
func TestSmallErrorsAreLeftAlone(t *testing.T) {
	raised := sdk.InstanceNotFound.Errorf("%s", strings.Repeat("x", 1500)).With("key", "value")
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return raised }), interceptor.ServerOptions()...)
	e := typed(t, stubtest.Shapes()[0].Call(stubtest.Context(t), stubtest.Dial(t, addr, interceptor.DialOptions()...)))
	if e.Message() != raised.Message() || e.Trimmed() || e.Metadata()["key"] != "value" {
		t.Errorf("got %d bytes of message, trimmed %v, metadata %v", len(e.Message()), e.Trimmed(), e.Metadata())
	}
}

// TestTrimmingOrder adds to an error until it is too large, and looks at what goes
// first.
func TestTrimmingOrder(t *testing.T) {
	filler := func(n int) string { return strings.Repeat("f", n) }
	localized := &errdetails.LocalizedMessage{Locale: "en", Message: filler(400)}
	debug := &errdetails.DebugInfo{Detail: filler(400)}
	help := &errdetails.Help{Links: []*errdetails.Help_Link{{Description: filler(400)}}}
	first := &errdetails.ResourceInfo{Description: filler(400)}
	last := &errdetails.PreconditionFailure{Violations: []*errdetails.PreconditionFailure_Violation{{Description: filler(400)}}}
	// A detail takes about 600 bytes on the wire, a byte of message 2⅓, so that another
	// 257 bytes of message push out one more detail; the first 240 fit beside all.
	const all = "ResourceInfo DebugInfo Help PreconditionFailure LocalizedMessage"
	for _, test := range []struct {
		more     int // bytes of message
		want     string
		message  bool // whole
		metadata string
	}{
		{0, all, true, "aa=1 bb=22"},
		{370, "ResourceInfo DebugInfo Help PreconditionFailure", true, "aa=1 bb=22"},
		{620, "ResourceInfo Help PreconditionFailure", true, "aa=1 bb=22"},
		{880, "ResourceInfo PreconditionFailure", true, "aa=1 bb=22"},
		{1140, "ResourceInfo", true, "aa=1 bb=22"},
		{1400, "", true, "aa=1 bb=22"},
		{2000, "", false, "aa=1 bb=22"},
		{100_000, "", false, "aa=1 bb=22"},
	} {
		text := strings.Repeat("m", test.more)
		addr := stubtest.Start(t, stubtest.Each(func(context.Context) error {
			return sdk.InstanceNotFound.Errorf("%s", text).With("aa", "1").With("bb", "22").WithDetails(first, debug, help, last, localized)
		}), interceptor.ServerOptions(interceptor.WithMapper(&mapping.Mapper{DebugInfo: true}))...)
		err := stubtest.Shapes()[0].Call(stubtest.Context(t), stubtest.Dial(t, addr, interceptor.DialOptions()...))
		e := typed(t, err)
		var kept []string
		for _, name := range outcomeOf(e, status.Convert(err)).Details[2:] {
			kept = append(kept, strings.TrimPrefix(name, "google.rpc."))
		}
		if got := strings.Join(kept, " "); got != test.want {
			t.Errorf("%d bytes of message: kept details %q, want %q", test.more, got, test.want)
		}
		if whole := test.more == 0 || e.Message() == text; whole != test.message {
			t.Errorf("%d bytes of message: %d arrived", test.more, len(e.Message()))
		}
		if got := fmt.Sprintf("aa=%s bb=%s", e.Metadata()["aa"], e.Metadata()["bb"]); got != test.metadata {
			t.Errorf("%d bytes of message: metadata %q, want %q", test.more, got, test.metadata)
		}
		if want := test.want != all; e.Trimmed() != want {
			t.Errorf("%d bytes of message: Trimmed() = %v, want %v", test.more, e.Trimmed(), want)
		}
	}

	// Of metadata alone: the longest value first, of equal ones the last.
	e := sdk.InstanceNotFound.Errorf("m").With("short", filler(700)).With("twin1", filler(1200)).With("twin2", filler(1200)).With("long", filler(1300))
	decodedAgain, _ := mapping.FromStatus(e.Seal(rpcerr.Wire{RequestID: "r"}).GRPCStatus())
	got := map[string]int{}
	for key, value := range decodedAgain.Metadata() {
		got[key] = len(value)
	}
	if diff := cmp.Diff(map[string]int{"short": 700, "twin1": 1200, "twin2": 0, "long": 0}, got); diff != "" {
		t.Errorf("lengths of metadata values (-want +got):\n%s", diff)
	}
}

// TestRelayedWithinBudget: a status that a peer sent without any budget is brought
// within ours, and keeps its identity.
func TestRelayedWithinBudget(t *testing.T) {
	st := statusWith(codes.NotFound, longText, ourInfo, googleInfo, &errdetails.Help{Links: []*errdetails.Help_Link{{Url: longText}}})
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return sentByPeer(st) }), interceptor.ServerOptions()...)
	for _, shape := range stubtest.Shapes() {
		err := shape.Call(stubtest.Context(t), stubtest.Dial(t, addr, interceptor.DialOptions()...))
		e := typed(t, err)
		if size := rpcerr.Size(status.Convert(err).Proto()); size > rpcerr.DefaultBudget {
			t.Errorf("%s: %d bytes", shape.Name, size)
		}
		if e.Code() != sdk.InstanceNotFound || e.Metadata()["instance"] != "a1" || e.RequestID() != "r1" || e.Retry().Class != mapping.Safe || !e.Trimmed() {
			t.Errorf("%s: got %v, %v, %q, %v, trimmed %v", shape.Name, e.Code(), e.Metadata(), e.RequestID(), e.Retry(), e.Trimmed())
		}
	}
}

// TestClientWithSmallHeaderLimit calls as a client does that accepts 8 KiB of header
// list, while another call is in flight on the same connection.
func TestClientWithSmallHeaderLimit(t *testing.T) {
	checkSmallHeaderLimit(t, grpc.WithMaxHeaderListSize(8192))
}

// limitVariable makes newer versions of gRPC limit header lists by default, in the
// way that closes the whole connection. It is read when the process starts.
const limitVariable = "GRPC_GO_EXPERIMENTAL_ENABLE_8KB_DEFAULT_HEADER_LIST_SIZE"

func TestClientWithSmallDefaultLimit(t *testing.T) {
	if os.Getenv(limitVariable) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestClientWithSmallDefaultLimit$", "-test.v")
		cmd.Env = append(os.Environ(), limitVariable+"=true")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS") && !strings.Contains(string(out), "--- SKIP") {
			t.Errorf("with %s: %v\n%s", limitVariable, err, out)
		}
		if strings.Contains(string(out), "--- SKIP") {
			t.Skipf("this version of gRPC does not know %s", limitVariable)
		}
		return
	}
	huge := statusWith(codes.NotFound, "", &errdetails.DebugInfo{Detail: strings.Repeat("x", 9000)})
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return huge.Err() }))
	if err := stubtest.Shapes()[0].Call(stubtest.Context(t), stubtest.Dial(t, addr)); status.Code(err) == codes.NotFound {
		t.Skip("a status of more than 8 KiB arrives: there is no limit")
	}
	checkSmallHeaderLimit(t)
}

func checkSmallHeaderLimit(t *testing.T, opts ...grpc.DialOption) {
	t.Helper()
	service := stubtest.Each(func(context.Context) error {
		return talkative(sdk.ResourceNotEnough).WithDetails(&errdetails.ResourceInfo{Description: strings.Repeat("x", 9000)})
	})
	// The innocent call echoes what it receives.
	service.BidiStream = func(stream testgrpc.TestService_FullDuplexCallServer) error {
		for {
			if _, err := stream.Recv(); err != nil {
				return nil
			}
			if err := stream.Send(&testgrpc.StreamingOutputCallResponse{}); err != nil {
				return err
			}
		}
	}
	for _, budget := range []int{rpcerr.DefaultBudget, rpcerr.MaxBudget} {
		addr := stubtest.Start(t, service, interceptor.ServerOptions(interceptor.WithBudget(budget))...)
		c, ctx := stubtest.Dial(t, addr, append(interceptor.DialOptions(), opts...)...), stubtest.Context(t)
		innocent, err := c.FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, shape := range stubtest.Shapes()[:3] {
			checkTalkative(t, shape.Call(ctx, c), sdk.ResourceNotEnough, budget)
			if err := innocent.Send(&testgrpc.StreamingOutputCallRequest{}); err != nil {
				t.Fatalf("%s: the innocent call: %v", shape.Name, err)
			}
			if _, err := innocent.Recv(); err != nil {
				t.Fatalf("%s: the innocent call: %v", shape.Name, err)
			}
		}
		if err := errors.Join(innocent.CloseSend()); err != nil {
			t.Error(err)
		}
	}
}

// TestSizeIsWhatCrosses compares the computed size with the header fields that a
// client received.
func TestSizeIsWhatCrosses(t *testing.T) {
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return talkative(sdk.InstanceNotFound) }), interceptor.ServerOptions()...)
	raw := detailsOf(stubtest.Context(t), t, stubtest.Dial(t, addr), stubtest.Shapes()[0])
	err := stubtest.Shapes()[0].Call(stubtest.Context(t), stubtest.Dial(t, addr))
	st := status.Convert(err).Proto()
	if got := proto.Size(st); got != len(raw) {
		t.Errorf("the status has %d bytes, %d crossed", got, len(raw))
	}
}
