package interceptor_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/limits"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
)

// The soak test makes few calls unless it is told otherwise, for a million
//
//	go test ./interceptor -run '^TestSoak$' -soak 1000000
//
// What a call does follows from the seed and its number; what the network does is left
// to chance.
var (
	soakCalls = flag.Int("soak", enoughCalls, "how many calls the soak test makes")
	soakSeed  = flag.Uint64("soakseed", 0, "the seed of the soak test, 0 for a random one")
)

// enoughCalls are as many as it takes for everything to happen that is planned.
const enoughCalls = 5000

const soakWorkers = 64

// soakHeap bounds by how many bytes the heap may have grown after the soak test, whatever
// the number of calls: one for each of a million.
const soakHeap = 1 << 20

// soakClients are the kinds of clients. Each has a connection of its own.
var soakClients = []struct {
	name     string
	typed    bool // our interceptor is on; without it errors are read by FromError
	repeater repeater
	opts     func(t *testing.T) []grpc.DialOption
}{
	{"stock", false, nobody, func(*testing.T) []grpc.DialOption { return nil }},
	{"ours", true, nobody, func(*testing.T) []grpc.DialOption { return soakOptions() }},
	{"ours that repeats", true, we, func(*testing.T) []grpc.DialOption {
		policy := soakPolicy
		policy.MaxTokens = -1
		return soakOptions(interceptor.WithRetry(policy))
	}},
	{"ours that repeats on a budget", true, we, func(*testing.T) []grpc.DialOption {
		return soakOptions(interceptor.WithRetry(soakPolicy))
	}},
	// Its calls are the most: there are the most ways in which they can end.
	{"ours where gRPC repeats", true, gRPC, func(t *testing.T) []grpc.DialOption {
		policy := soakPolicy
		policy.MaxTokens = -1
		return append(soakOptions(), native(t, policy, soakMethods()...)...)
	}},
}

// A repeater is who repeats the calls of a client.
type repeater int

const (
	nobody repeater = iota
	we              // unary ones, by WithRetry
	gRPC
)

// soakPolicy waits for the 500 ms that 3002 asks for, and for nothing that takes
// longer.
var soakPolicy = interceptor.RetryPolicy{InitialBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond, MaxDelay: 600 * time.Millisecond}

func soakMethods() []string {
	var methods []string
	for _, shape := range stubtest.Shapes() {
		methods = append(methods, shape.Method)
	}
	return methods
}

// soakOptions are those of a client with our interceptors, which notes every event in
// the call's own log.
func soakOptions(opts ...interceptor.ClientOption) []grpc.DialOption {
	return interceptor.DialOptions(append(opts, interceptor.WithObserver(func(ctx context.Context, ev interceptor.Event) {
		log := ctx.Value(soakLog{}).(*[]interceptor.Event)
		*log = append(*log, ev)
	}))...)
}

type soakLog struct{} // the key of a call's log in its context

// TestSoak makes calls of all shapes, from many goroutines, by clients of several kinds,
// while connections break, callers hang up and deadlines pass at random. Whatever a
// client gets is what the server sent in this very call, or an error of the transport
// that is marked as one. Nothing is executed more often than it may be, and nothing is
// left behind.
func TestSoak(t *testing.T) {
	seed := *soakSeed
	for seed == 0 {
		seed = rand.Uint64()
	}
	// The first calls fill pools and caches.
	t.Run("warm-up", func(t *testing.T) { runSoak(t, seed+1, 2000) })
	goroutines, heap := runtime.NumGoroutine(), heapInUse()
	t.Run("calls", func(t *testing.T) {
		s := runSoak(t, seed, *soakCalls)
		if *soakCalls >= enoughCalls {
			s.checkTally()
		}
	})
	if t.Failed() {
		return
	}
	var grown int64
	ended := within(30*time.Second, func() bool {
		grown = heapInUse() - heap
		return runtime.NumGoroutine() <= goroutines && grown <= soakHeap
	})
	t.Logf("the heap has grown by %d bytes, goroutines from %d to %d", grown, goroutines, runtime.NumGoroutine())
	if !ended {
		var stacks bytes.Buffer
		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		t.Errorf("seed %d: there were %d goroutines and now are %d, and the heap has grown by %d bytes, more than %d:\n%s",
			seed, goroutines, runtime.NumGoroutine(), grown, soakHeap, &stacks)
	}
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // what pools held through the first one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// within asks again and again until done is true, and returns false if that takes longer
// than the limit.
func within(limit time.Duration, done func() bool) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); !done(); <-tick.C {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// A soak is one run.
type soak struct {
	t       *testing.T
	seed    uint64
	clients []client

	executions []atomic.Uint32 // of each call
	allowed    []uint32        // how many executions the client's attempts account for
	callers    sync.Map        // id of a call in flight → how to cancel it

	failed   atomic.Int64 // executions that ended in an error
	observed atomic.Int64 // errors that the server's observer saw
	failures atomic.Int64

	mu    sync.Mutex
	tally map[string]int // what clients got
}

const maxSoakFailures = 10

// runSoak makes the calls, and returns when both sides are done with them.
func runSoak(t *testing.T, seed uint64, calls int) *soak {
	s := &soak{t: t, seed: seed, executions: make([]atomic.Uint32, calls), allowed: make([]uint32, calls), tally: map[string]int{}}
	proxy := startMortalProxy(t, stubtest.Start(t, s.service(), s.serverOptions()...), shortLives(seed))
	reconnect := grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: time.Millisecond, Multiplier: 1, MaxDelay: time.Millisecond},
		MinConnectTimeout: 20 * time.Second,
	})
	for _, c := range soakClients {
		s.clients = append(s.clients, stubtest.Dial(t, proxy.lis.Addr().String(), append(c.opts(t), reconnect)...))
	}

	start := time.Now()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range soakWorkers {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for id := next.Add(1) - 1; id < int64(calls) && s.failures.Load() < maxSoakFailures; id = next.Add(1) - 1 {
				s.run(planOf(seed, uint64(id)))
			}
		}()
	}
	workers.Wait()
	took := time.Since(start).Round(time.Millisecond)

	// What clients have given up is still running, perhaps.
	if !within(30*time.Second, func() bool { return s.observed.Load() == s.failed.Load() }) {
		t.Errorf("seed %d: %d executions failed, the server's observer saw %d", seed, s.failed.Load(), s.observed.Load())
	}
	executions := 0
	for id := range s.executions {
		n := s.executions[id].Load()
		executions += int(n)
		if n > s.allowed[id] && s.failures.Load() == 0 {
			s.fail(planOf(seed, uint64(id)), "executed %d times, but the attempts that may have left are %d", n, s.allowed[id])
		}
	}
	t.Logf("seed %d: %d calls in %v, %d executions, %d connections cut", seed, calls, took, executions, proxy.cuts.Load())
	if t.Failed() {
		return s // the last lines say why
	}
	for _, what := range slices.Sorted(maps.Keys(s.tally)) {
		t.Logf("%8d %s", s.tally[what], what)
	}
	return s
}

// serverOptions are those of a server that makes use of everything ours offers.
func (s *soak) serverOptions() []grpc.ServerOption {
	opts := interceptor.ServerOptions(
		interceptor.WithRecovery(),
		interceptor.WithRules(mapping.WhenIs(sql.ErrNoRows, rest.KVNotFound)),
		interceptor.WithIdempotent(soakMethods()...),
		interceptor.WithObserver(func(context.Context, interceptor.Event) { s.observed.Add(1) }),
	)
	return append(opts,
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (reply any, err error) {
			err = s.countError(func() error {
				reply, err = handler(ctx, req)
				return err
			})
			return reply, err
		}),
		grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			return s.countError(func() error { return handler(srv, stream) })
		}),
		// Clients are asked to connect anew, as behind a balancer.
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: time.Second, MaxConnectionAgeGrace: 50 * time.Millisecond}))
}

// checkTally checks that there was everything that the run is made for.
func (s *soak) checkTally() {
	want := map[string]bool{
		succeeds: true, neverLeft: true, repeatedByUs: true, repeatedByGRPC: true,
		transport(codes.Unavailable): true, transport(codes.DeadlineExceeded): true, transport(codes.Canceled): true,
	}
	for id := range s.executions {
		if end := planOf(s.seed, uint64(id)).ending(1); end.want.GRPC != codes.OK {
			want[end.kind] = true
		}
	}
	for what := range want {
		if s.tally[what] == 0 && s.failures.Load() == 0 {
			s.t.Errorf("seed %d: there was no %s", s.seed, what)
		}
	}
}

// What is counted besides the kinds of endings.
const (
	neverLeft      = "call that never left"
	repeatedByUs   = "call that we repeat"
	repeatedByGRPC = "call that gRPC repeats"
)

func transport(c codes.Code) string { return fmt.Sprintf("%v of the transport", c) }

// shortLives returns lives of up to 1 MB, most of them far shorter, and of every fourth
// connection one that ends while it is being made, or soon after.
func shortLives(seed uint64) func() life {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 0))
	return func() life {
		mu.Lock()
		defer mu.Unlock()
		l := life{up: r.Int64N(4 << 10 << r.IntN(9)), down: r.Int64N(4 << 10 << r.IntN(9)), reset: r.IntN(2) == 0}
		switch r.IntN(8) {
		case 0:
			l.up = r.Int64N(1 << 10)
		case 1:
			l.down = r.Int64N(1 << 10)
		}
		return l
	}
}

func (s *soak) fail(p *plan, format string, args ...any) {
	if s.failures.Add(1) <= maxSoakFailures {
		s.t.Errorf("%v: %s", p, fmt.Sprintf(format, args...))
	}
}

func (s *soak) count(what string) {
	s.mu.Lock()
	s.tally[what]++
	s.mu.Unlock()
}

// The server.

func (s *soak) service() *stubtest.Service {
	return &stubtest.Service{
		Unary: func(ctx context.Context, req *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
			x := s.execute(ctx)
			x.check(req.GetPayload(), 0)
			if err := x.end(ctx); err != nil {
				return nil, err
			}
			return &testgrpc.SimpleResponse{Payload: x.payload(0)}, nil
		},
		ClientStream: func(stream testgrpc.TestService_StreamingInputCallServer) error {
			x, received := s.execute(stream.Context()), 0
			for ; received < x.messages || x.kind == succeeds; received++ {
				req, err := stream.Recv()
				if err == io.EOF {
					break
				}
				if err != nil {
					return err
				}
				x.check(req.GetPayload(), received)
			}
			if err := x.end(stream.Context()); err != nil {
				return err
			}
			return stream.SendAndClose(&testgrpc.StreamingInputCallResponse{AggregatedPayloadSize: int32(x.n<<8 | received)})
		},
		ServerStream: func(req *testgrpc.StreamingOutputCallRequest, stream testgrpc.TestService_StreamingOutputCallServer) error {
			x := s.execute(stream.Context())
			x.check(req.GetPayload(), 0)
			for i := range x.messages {
				if err := stream.Send(&testgrpc.StreamingOutputCallResponse{Payload: x.payload(i)}); err != nil {
					return err
				}
			}
			return x.end(stream.Context())
		},
		BidiStream: func(stream testgrpc.TestService_FullDuplexCallServer) error {
			x := s.execute(stream.Context())
			for i := 0; i < x.messages || x.kind == succeeds; i++ {
				req, err := stream.Recv()
				if err == io.EOF {
					break
				}
				if err == nil {
					x.check(req.GetPayload(), i)
					err = stream.Send(&testgrpc.StreamingOutputCallResponse{Payload: x.payload(i)})
				}
				if err != nil {
					return err
				}
			}
			return x.end(stream.Context())
		},
	}
}

// An execution is one of a call on the server.
type execution struct {
	*soak
	*plan
	n int
	ending
}

func (s *soak) execute(ctx context.Context) *execution {
	id, err := strconv.ParseUint(strings.Join(metadata.ValueFromIncomingContext(ctx, "x-request-id"), ","), 10, 64)
	if err != nil {
		panic(err)
	}
	p := planOf(s.seed, id)
	n := int(s.executions[id].Add(1))
	return &execution{s, p, n, p.ending(n)}
}

// payload returns message i of the server.
func (x *execution) payload(i int) *testgrpc.Payload { return x.body(x.n, i) }

// check looks at message i of the client.
func (x *execution) check(got *testgrpc.Payload, i int) {
	if want := x.body(0, i); !bytes.Equal(got.GetBody(), want.GetBody()) {
		x.fail(x.plan, "the server got message %.40q, want %.40q", got.GetBody(), want.GetBody())
	}
}

// body returns message i of an execution, or of the client, which is execution 0.
func (p *plan) body(n, i int) *testgrpc.Payload {
	return &testgrpc.Payload{Body: fmt.Appendf(nil, "%d %d %d %*s", p.id, n, i, p.size, "")}
}

// end ends the execution as it is planned.
func (x *execution) end(ctx context.Context) error {
	if x.kind == succeeds {
		return nil
	}
	if x.hangUp {
		if cancel, ok := x.callers.Load(x.id); ok {
			cancel.(context.CancelFunc)()
		}
	}
	if x.hangUp || x.hangs {
		<-ctx.Done()
		return fmt.Errorf("secret: %w", ctx.Err())
	}
	if x.panics {
		panic(errSecret)
	}
	return x.err
}

// countError counts the executions that fail.
func (s *soak) countError(handler func() error) error {
	failed := true
	defer func() {
		if failed {
			s.failed.Add(1)
		}
	}()
	err := handler()
	failed = err != nil
	return err
}

// The client.

// A result is what the client got in one call.
type result struct {
	err      error // nil for success
	n        int   // the execution that the replies came from, 0 if there were none
	messages int
	// cut tells that sending ended early, with io.EOF.
	cut bool
}

// soakPatience is how long a call may take that nothing ends.
const soakPatience = 2 * time.Minute

// run makes a call and judges what comes of it.
func (s *soak) run(p *plan) {
	var log []interceptor.Event
	ctx := context.WithValue(context.Background(), soakLog{}, &log)
	ctx = metadata.AppendToOutgoingContext(ctx, "x-request-id", p.name())
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if p.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, p.timeout)
		defer cancel()
	}
	if p.cancel > 0 {
		defer time.AfterFunc(p.cancel, cancel).Stop()
	}
	defer time.AfterFunc(soakPatience, func() { panic(fmt.Sprint("this call does not end: ", p)) }).Stop()
	s.callers.Store(p.id, cancel)
	defer s.callers.Delete(p.id)

	res := s.call(ctx, p)
	j := judge{soak: s, plan: p, ctx: ctx, result: res, executions: int(s.executions[p.id].Load())}
	j.judge(log)
}

// call makes a call of the planned shape.
func (s *soak) call(ctx context.Context, p *plan) (res result) {
	c, opts := s.clients[p.client], []grpc.CallOption{grpc.WaitForReady(p.wait)}
	if p.idempotent {
		opts = append(opts, interceptor.CallIdempotent())
	}
	switch p.shape {
	case unaryShape:
		reply, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{Payload: p.body(0, 0)}, opts...)
		if res.err = err; err == nil {
			s.receive(p, &res, reply.GetPayload())
		}
	case clientStreamShape:
		stream, err := c.StreamingInputCall(ctx, opts...)
		for i := 0; i < p.requests && err == nil; i++ {
			err = stream.Send(&testgrpc.StreamingInputCallRequest{Payload: p.body(0, i)})
		}
		res.cut = err == io.EOF
		if err == nil || res.cut {
			var reply *testgrpc.StreamingInputCallResponse
			if reply, err = stream.CloseAndRecv(); err == nil {
				res.n, res.messages = int(reply.GetAggregatedPayloadSize()>>8), int(reply.GetAggregatedPayloadSize()&0xff)
			} else {
				s.again(p, err, stream)
			}
		}
		res.err = err
	case serverStreamShape:
		stream, err := c.StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{Payload: p.body(0, 0)}, opts...)
		if err == nil {
			err = s.drain(p, &res, stream)
		}
		res.err = end(err)
	case bidiStreamShape:
		stream, err := c.FullDuplexCall(ctx, opts...)
		for i := 0; i < p.requests && err == nil; i++ {
			err = stream.Send(&testgrpc.StreamingOutputCallRequest{Payload: p.body(0, i)})
			if res.cut = err == io.EOF; err != nil {
				break
			}
			var reply *testgrpc.StreamingOutputCallResponse
			if reply, err = stream.Recv(); err != nil {
				s.again(p, err, stream)
				res.err = end(err)
				return res
			}
			s.receive(p, &res, reply.GetPayload())
		}
		if err == nil {
			err = stream.CloseSend()
		}
		if err == nil || res.cut {
			err = s.drain(p, &res, stream)
		}
		res.err = end(err)
	}
	return res
}

// end returns the error of a stream, nil if it is io.EOF.
func end(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// drain receives until the stream ends.
func (s *soak) drain(p *plan, res *result, stream grpc.ServerStreamingClient[testgrpc.StreamingOutputCallResponse]) error {
	for {
		reply, err := stream.Recv()
		if err != nil {
			s.again(p, err, stream)
			return err
		}
		s.receive(p, res, reply.GetPayload())
	}
}

// receive notes a reply.
func (s *soak) receive(p *plan, res *result, got *testgrpc.Payload) {
	var id uint64
	var n, i int
	if _, err := fmt.Sscan(string(got.GetBody()), &id, &n, &i); err != nil || id != p.id || i != res.messages || res.n != 0 && n != res.n {
		s.fail(p, "message %d of execution %d is %.40q", res.messages, res.n, got.GetBody())
	}
	res.n = n
	res.messages++
}

// again checks that a stream that has ended ends in the same way once more. Without our
// interceptor it may do otherwise, or block for ever.
func (s *soak) again(p *plan, first error, stream grpc.ClientStream) {
	if !soakClients[p.client].typed {
		return
	}
	if second := stream.RecvMsg(new(testgrpc.Empty)); first != second {
		s.fail(p, "the stream ended with %v, and then with %v", first, second)
	}
}

// A judge holds what the client got against what the server sent.
type judge struct {
	*soak
	*plan
	ctx context.Context
	result
	executions int
	// known is the last execution of which an attempt got the error.
	known int
}

func (j *judge) judge(log []interceptor.Event) {
	kind := soakClients[j.client]
	var attempts []*mapping.Error // those that failed, in order, if all are known
	for _, ev := range log {
		if ev.Retrying {
			attempts = append(attempts, ev.Error)
		}
	}
	final := len(log) - len(attempts)
	switch {
	case kind.typed && j.err == nil && final != 0,
		kind.typed && j.err != nil && (final != 1 || log[len(log)-1].Error != j.err):
		j.fail(j.plan, "got %v, but the observer saw %v", j.err, log)
	}

	for i, e := range attempts {
		j.fine(e, 0, 0)
		if !j.mayRepeat(e) {
			j.fail(j.plan, "repeated after attempt %d: %v, %v, origin %v", i+1, e, e.Retry(), e.Origin())
		}
	}
	e := j.final(attempts)
	if n := len(attempts); n > 0 && e != nil && e.Attempts() == n {
		attempts = attempts[:n-1] // its context ended before it was repeated
	}
	made := len(attempts) + 1
	if made > maxAttempts || e != nil && kind.repeater == we && j.shape == unaryShape && e.Attempts() != made {
		j.fail(j.plan, "%v counts %d attempts, there were %d", e, e.Attempts(), made)
	}

	// How often may the call have been executed?
	sent := 1
	switch {
	case e != nil && e.Origin() == mapping.OriginUnsent:
		sent = 0
		j.count(neverLeft)
	case kind.repeater == gRPC:
		sent = maxAttempts // gRPC tells nothing of those before the last
		if j.executions > 1 {
			j.count(repeatedByGRPC)
		}
	}
	for _, attempt := range attempts {
		if attempt.Origin() == mapping.OriginUnsent {
			continue
		}
		if sent++; e != nil && e.Origin() == mapping.OriginUnsent {
			j.fail(j.plan, "%v says that the call never left, although %v may have", e, attempt)
		}
	}
	if len(attempts) > 0 {
		j.count(repeatedByUs)
	}
	j.allowed[j.id] = uint32(sent)
}

// maxAttempts is the default of a RetryPolicy.
const maxAttempts = 4

// final judges what the call ended with, and returns the error, nil for success.
func (j *judge) final(attempts []*mapping.Error) *mapping.Error {
	if j.err == nil {
		for _, end := range j.candidates(j.n, j.messages) {
			if end.kind == succeeds {
				j.count(succeeds)
				return nil
			}
		}
		if j.isLost() {
			return nil
		}
		j.fail(j.plan, "success with %d messages of execution %d, but the server sent %s", j.messages, j.n, j.sent(view{}))
		return nil
	}
	if j.isLost() {
		return nil
	}
	e, typed := j.err.(*mapping.Error)
	if typed != soakClients[j.client].typed {
		j.fail(j.plan, "got a %T: %v", j.err, j.err)
	}
	if !typed {
		e, _ = mapping.FromError(j.err)
	}
	if e == nil {
		j.fail(j.plan, "no gRPC error: %v", j.err)
		return nil
	}
	if status.Code(j.err) != e.GRPCCode() || e.GRPCStatus().Code() != e.GRPCCode() || e.GRPCStatus().Message() != e.Message() {
		j.fail(j.plan, "the status is %v, the error %v", status.Convert(j.err), e)
	}
	if strings.Contains(fmt.Sprintf("%v %+v", j.err, e), "secret") {
		j.fail(j.plan, "the client knows the secret: %v", j.err)
	}
	if n := len(attempts); n > 0 && e.Attempts() == n {
		if last := attempts[n-1]; !viewOf(e).equal(viewOf(last)) || j.ctx.Err() == nil || !errors.Is(e, j.ctx.Err()) {
			j.fail(j.plan, "after attempt %d failed with %v, and a wait in which the context ended with %v, the client got %v", n, last, j.ctx.Err(), e)
		}
		return e
	}
	j.fine(e, j.n, j.messages)
	return e
}

// isLost reports whether gRPC alone has lost the status of a call that it repeated, and
// says io.EOF, which is success on a stream.
func (j *judge) isLost() bool {
	if soakClients[j.client].typed || j.messages > 0 || j.err != nil && !errors.Is(j.err, io.EOF) {
		return false
	}
	j.count("status lost by gRPC")
	return true
}

// isCut reports whether gRPC alone may have repeated a stream on which sending ended
// early: with what it had and then the end, which the server takes for all.
func (j *judge) isCut() bool { return j.cut && !soakClients[j.client].typed }

// candidates yields the executions after the last known one, or only n if that is not 0,
// that send so many messages before the end.
func (j *judge) candidates(n, messages int) iter.Seq2[int, ending] {
	first, last := j.known+1, j.executions
	if n > 0 {
		first, last = n, min(n, last)
	}
	return func(yield func(int, ending) bool) {
		for n := first; n <= last; n++ {
			end := j.ending(n)
			want := j.wantMessages(end)
			if (messages == want || j.isCut() && messages < want) && !yield(n, end) {
				return
			}
		}
	}
}

// wantMessages is how many replies come before the end.
func (j *judge) wantMessages(end ending) int {
	switch {
	case j.shape == unaryShape && end.kind == succeeds:
		return 1
	case j.shape == unaryShape, j.shape == clientStreamShape && end.kind != succeeds:
		return 0
	}
	return end.messages
}

// fine checks that an attempt may end with e after that many messages of execution n,
// 0 if it is not known.
func (j *judge) fine(e *mapping.Error, n, messages int) {
	got := viewOf(e)
	for n, end := range j.candidates(n, messages) {
		if end.want.GRPC != codes.OK && matches(got, end.want) {
			j.known = n
			j.checkIs(e)
			j.count(end.kind)
			return
		}
	}
	if !j.isTransport(e, got) {
		j.fail(j.plan, "after %d messages of execution %d the client got %v, %+v, context %v; the server sent %s",
			messages, n, e, got, j.ctx.Err(), j.sent(got))
	}
}

// sent tells what the server sent, and how it differs from what the client got.
func (j *judge) sent(got view) string {
	var b strings.Builder
	for n := 1; n <= j.executions; n++ {
		end := j.ending(n)
		fmt.Fprintf(&b, "\n%d: %s after %d messages (-sent +got)\n%s", n, end.kind, j.wantMessages(end), cmp.Diff(end.want, got))
	}
	return b.String()
}

// matches reports whether got is what the server sent.
func matches(got, want view) bool {
	if want.Trimmed {
		if got.Message == "" || !strings.HasPrefix(limits.Text, got.Message) {
			return false
		}
		got.Message, got.Metadata, want.Message = "", nil, ""
	}
	return got.equal(want)
}

// isTransport reports whether e is an error of the transport that says so, and for which
// there is a reason.
func (j *judge) isTransport(e *mapping.Error, got view) bool {
	want := plainView(got.GRPC, got.Message)
	if e.Origin() == mapping.OriginUnsent && soakClients[j.client].repeater == we {
		want.Origin = mapping.OriginUnsent
	}
	if !got.equal(want) || strings.Contains(got.Message, "execution") {
		return false
	}
	switch got.GRPC {
	case codes.Unavailable:
		if errors.Is(e, context.DeadlineExceeded) || errors.Is(e, context.Canceled) {
			return false
		}
	case codes.DeadlineExceeded:
		// The server may know before the context does.
		deadline, ok := j.ctx.Deadline()
		passed := j.ctx.Err() == context.DeadlineExceeded || ok && !time.Now().Before(deadline)
		if !passed || !errors.Is(e, context.DeadlineExceeded) {
			return false
		}
	case codes.Canceled:
		if j.ctx.Err() != context.Canceled || !errors.Is(e, context.Canceled) {
			return false
		}
	default:
		return false
	}
	j.count(transport(got.GRPC))
	return true
}

// checkIs checks errors.Is for an error that the server sent.
func (j *judge) checkIs(e *mapping.Error) {
	for target, want := range map[error]bool{
		context.Canceled:         e.GRPCCode() == codes.Canceled,
		context.DeadlineExceeded: e.GRPCCode() == codes.DeadlineExceeded,
		io.EOF:                   false,
		e.Code():                 !e.Code().IsZero(),
	} {
		if errors.Is(e, target) != want {
			j.fail(j.plan, "errors.Is(%v, %v) = %t", e, target, !want)
		}
	}
}

// mayRepeat reports whether a call may be repeated after an attempt that failed with e.
func (j *judge) mayRepeat(e *mapping.Error) bool {
	if e.Origin() == mapping.OriginUnsent {
		return true
	}
	switch e.Retry().Class {
	case mapping.Safe:
		return e.Origin() == mapping.OriginPeer
	case mapping.Idempotent:
		return j.idempotent
	}
	return false
}
