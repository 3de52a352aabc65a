package limits_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/limits"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
)

// A reader is a client that reads errors in its own way.
type reader struct {
	name  string
	dial  []grpc.DialOption
	check func(t *testing.T, err error, c mapping.Code, budget int)
}

// readers are our client, and a stock one that knows the details of google.rpc and
// nothing of ours.
func readers() []reader {
	return []reader{
		{"our client", interceptor.DialOptions(), checkTalkative},
		{"stock client", nil, checkStandard},
	}
}

func checkTalkative(t *testing.T, err error, c mapping.Code, budget int) {
	t.Helper()
	limits.Check(t, err, c, budget)
	if e, ok := err.(*mapping.Error); !ok || e.RequestID() != requestID {
		t.Errorf("%v: %v has not the request id", c, err)
	}
}

// checkStandard reports an error of the test unless the details of google.rpc say what
// the catalogue says of the code.
func checkStandard(t *testing.T, err error, c mapping.Code, _ int) {
	t.Helper()
	st := status.Convert(err)
	var infos, hints int
	for _, detail := range st.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			infos++
			if detail.GetDomain() != c.Domain() || detail.GetReason() != c.Reason() {
				t.Errorf("%v arrived as %q of %q", c, detail.GetReason(), detail.GetDomain())
			}
		case *errdetails.RetryInfo:
			hints++
			if delay := detail.GetRetryDelay().AsDuration(); delay != c.Retry().Delay {
				t.Errorf("%v may be repeated after %v, want %v", c, delay, c.Retry().Delay)
			}
		}
	}
	wantHints := 0
	if c.Retry().Class == mapping.Safe {
		wantHints = 1
	}
	if st.Code() != c.GRPCCode() || infos != 1 || hints != wantHints {
		t.Errorf("%v arrived as %v with %d ErrorInfo and %d RetryInfo, want %v, 1 and %d: %v", c, st.Code(), infos, hints, c.GRPCCode(), wantHints, err)
	}
}

// connections counts those that a client makes.
type connections struct{ made atomic.Int64 }

func (c *connections) HandleConn(_ context.Context, s stats.ConnStats) {
	if _, ok := s.(*stats.ConnBegin); ok {
		c.made.Add(1)
	}
}
func (c *connections) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c *connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (c *connections) HandleRPC(context.Context, stats.RPCStats)                         {}

// checkEveryCode calls a service that fails with talkative errors within a budget: with
// every code, in each shape, with and without response headers before, a few calls at a
// time. Each has to be read as it should, while innocent calls succeed on the connection.
func checkEveryCode(t *testing.T, target string, budget int, r reader, dial ...grpc.DialOption) {
	t.Helper()
	for _, shape := range stubtest.Shapes() {
		for name, afterHeaders := range map[string]bool{"": false, ", after headers": true} {
			t.Run(r.name+", "+shape.Name+name, func(t *testing.T) {
				conns := new(connections)
				client := stubtest.Dial(t, target, append(append([]grpc.DialOption{grpc.WithStatsHandler(conns)}, r.dial...), dial...)...)
				ctx := t.Context() // hundreds of calls take their time on a slow machine
				innocent := startInnocents(ctx, t, client)
				queue := make(chan mapping.Code)
				var callers sync.WaitGroup
				for range 4 {
					callers.Add(1)
					go func() {
						defer callers.Done()
						for c := range queue {
							r.check(t, shape.Call(failing(ctx, c, afterHeaders), client), c, budget)
						}
					}()
				}
				n := 0
				for catalog := range mapping.Catalogs() {
					for c := range catalog.All() {
						n++
						queue <- c
						innocent.step(ctx)
					}
				}
				close(queue)
				callers.Wait()
				if err := innocent.end(); err != nil {
					t.Errorf("an innocent call came to harm: %v", err)
				}
				if n := conns.made.Load(); n != 1 {
					t.Errorf("%d connections, want 1", n)
				}
				if n < 109 {
					t.Errorf("%d codes, want 109", n)
				}
			})
		}
	}
}

// checkNaiveIsLost shows what the budget is for: a server sends the same without one, and
// the client gets another gRPC code, and nothing else. It returns what became of the
// innocent calls on the connection.
func checkNaiveIsLost(t *testing.T, target string, want codes.Code, dial ...grpc.DialOption) (harm error) {
	t.Helper()
	client, ctx := stubtest.Dial(t, target, dial...), stubtest.Context(t)
	innocent := startInnocents(ctx, t, client)
	for _, shape := range stubtest.Shapes() {
		err := shape.Call(failing(ctx, sdk.InstanceNotFound, false), client)
		if st := status.Convert(err); st.Code() != want || len(st.Details()) > 0 {
			t.Errorf("%s: a status beyond all limits arrives as %v with %d details, want %v and none", shape.Name, st.Code(), len(st.Details()), want)
		}
		innocent.step(ctx)
	}
	return innocent.end()
}

// startRelay starts a server that passes on what another one fails with.
func startRelay(t *testing.T, others, budget int, fail func(context.Context, mapping.Code) error) (addr string) {
	t.Helper()
	const large = 1 << 20 // of header list; what is to be shown is the way behind
	origin := stubtest.Dial(t, stubtest.Start(t, service(0, fail)), append(interceptor.DialOptions(), grpc.WithMaxHeaderListSize(large))...)
	relay := service(others, func(ctx context.Context, c mapping.Code) error {
		return stubtest.Shapes()[0].Call(failing(ctx, c, false), origin)
	})
	return stubtest.Start(t, relay, interceptor.ServerOptions(interceptor.WithBudget(budget))...)
}
