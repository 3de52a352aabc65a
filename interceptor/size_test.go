package interceptor_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/limits"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

func TestEveryCodeFitsTheBudget(t *testing.T) {
	var raised mapping.Code
	var observed *mapping.Error
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return limits.Talkative(raised) }),
		interceptor.ServerOptions(interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { observed = ev.Error }))...)
	ours, stock, ctx := stubtest.Dial(t, addr, interceptor.DialOptions()...), stubtest.Dial(t, addr), stubtest.Context(t)
	for raised = range every {
		for _, shape := range stubtest.Shapes() {
			limits.Check(t, shape.Call(ctx, ours), raised, rpcerr.DefaultBudget)
			limits.Check(t, shape.Call(ctx, stock), raised, rpcerr.DefaultBudget)
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

		raised = limits.Talkative(sdk.ResourceNotEnough).WithDetails(&errdetails.ResourceInfo{Description: limits.Text}, quota)
		err := unary.Call(ctx, c)
		limits.Check(t, err, sdk.ResourceNotEnough, test.budget)
		if got := typed(t, err).RequestID(); got != id {
			t.Errorf("WithBudget(%d): request id %q, want it whole", test.option, got)
		}
		if size := rpcerr.Size(status.Convert(err).Proto()); size < test.budget/2 {
			t.Errorf("WithBudget(%d): only %d bytes are used", test.option, size)
		}

		raised = longest.Errorf("%s", limits.Text)
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

// TestBareCodeWithinBudget: the text of a catalogue may be too long as well.
func TestBareCodeWithinBudget(t *testing.T) {
	code := rpcerr.CodeOf(&rpcerr.Row{
		Domain: "billing.acme", Number: 1003, Reason: "NO_CREDIT", GRPC: codes.FailedPrecondition, EN: rpcerr.Text{Description: limits.Text},
	})
	for budget, opts := range map[int][]interceptor.ServerOption{4096: nil, 1024: {interceptor.WithBudget(1024)}, 7168: {interceptor.WithBudget(7168)}} {
		_, err := interceptor.UnaryServer(opts...)(context.Background(), nil, unaryInfo, func(context.Context, any) (any, error) { return nil, code })
		if size := rpcerr.Size(status.Convert(err).Proto()); size > budget || size < budget-100 {
			t.Errorf("a bare code with a long text takes %d bytes of %d", size, budget)
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
	st := statusWith(codes.NotFound, limits.Text, ourInfo, googleInfo, &errdetails.Help{Links: []*errdetails.Help_Link{{Url: limits.Text}}})
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

// TestSizeIsWhatGRPCCounts sends errors of all kinds to clients that accept a header list
// of exactly the computed size, and of one byte less: gRPC's own count decides.
func TestSizeIsWhatGRPCCounts(t *testing.T) {
	var returned error
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return returned }), interceptor.ServerOptions(
		interceptor.WithoutPushback(), interceptor.WithRequestID(func(context.Context) string { return "r1" }))...)
	errs := []error{status.Error(codes.NotFound, ""), status.Error(codes.Unauthenticated, "请求 100%\n")}
	for _, row := range matrix() {
		errs = append(errs, row.err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		errs = append(errs, randomError(random))
	}
	for i, err := range errs {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			receive := func(limit int) *status.Status {
				client := stubtest.Dial(t, addr, grpc.WithMaxHeaderListSize(uint32(limit)))
				return status.Convert(stubtest.Shapes()[0].Call(stubtest.Context(t), client))
			}
			returned = err
			sent := receive(1 << 20)
			size := rpcerr.Size(sent.Proto())
			if got := receive(size); !proto.Equal(got.Proto(), sent.Proto()) {
				t.Errorf("a limit of %d bytes is not enough, got %v, want %v", size, got, sent)
			}
			if got := receive(size - 1); proto.Equal(got.Proto(), sent.Proto()) {
				t.Errorf("a limit of %d bytes is enough for %v", size-1, sent)
			}
		})
	}
}

// randomError returns an error with anything that costs bytes on the wire.
func randomError(random *rand.Rand) *mapping.Error {
	all := slices.Collect(every)
	text := func(longest int) string {
		letters, chosen := []rune("az 09%~\x00\n\x7féЖ请😀"), make([]rune, random.IntN(longest))
		for i := range chosen {
			chosen[i] = letters[random.IntN(len(letters))]
		}
		return string(chosen)
	}
	e := all[random.IntN(len(all))].Errorf("%s", text(200)).WithRequestID(text(40))
	if random.IntN(4) == 0 {
		e = rpcerr.Plain(codes.Code(1+random.IntN(16)), text(200))
	}
	for range random.IntN(8) {
		e = e.With(fmt.Sprint("key", random.IntN(100)), text(150))
	}
	for range random.IntN(3) {
		e = e.WithDetails(&errdetails.Help{Links: []*errdetails.Help_Link{{Url: text(300)}}})
	}
	switch random.IntN(3) {
	case 0:
		e = e.NotExecuted()
	case 1:
		e = e.RetryAfter(time.Duration(random.Int64N(int64(2 * time.Hour))))
	}
	return e
}

// TestBudgetIsUsedToTheLastByte: what fits exactly is left alone, and one byte more of
// anything is too much.
func TestBudgetIsUsedToTheLastByte(t *testing.T) {
	for name, of := range map[string]func(text string) *mapping.Error{
		"message":  func(text string) *mapping.Error { return sdk.ResourceNotEnough.Errorf("m%s", text) },
		"metadata": func(text string) *mapping.Error { return sdk.InstanceNotFound.With("key", text) },
		"detail": func(text string) *mapping.Error {
			return sdk.InstanceNotFound.Errorf("m").WithDetails(&errdetails.Help{Links: []*errdetails.Help_Link{{Url: text}}})
		},
		"relayed": func(text string) *mapping.Error {
			e, _ := mapping.FromStatus(statusWith(codes.NotFound, text, ourInfo, googleInfo, quota))
			return e
		},
		"plain": func(text string) *mapping.Error { return rpcerr.Plain(codes.Aborted, text) },
	} {
		for _, budget := range []int{rpcerr.MinBudget, rpcerr.DefaultBudget, rpcerr.MaxBudget} {
			sealed := func(n int) (size int, trimmed bool) {
				e := of(strings.Repeat("x", n)).Seal(rpcerr.Wire{Budget: budget})
				return rpcerr.Size(e.GRPCStatus().Proto()), e.Trimmed()
			}
			tooMuch := sort.Search(rpcerr.MaxBudget, func(n int) bool { _, trimmed := sealed(n); return trimmed })
			if size, _ := sealed(tooMuch - 1); size > budget || size < budget-3 {
				t.Errorf("%s: the largest that is left alone within %d takes %d bytes", name, budget, size)
			}
			if size, _ := sealed(tooMuch); size > budget {
				t.Errorf("%s: within %d what is trimmed takes %d bytes", name, budget, size)
			}
		}
	}
}
