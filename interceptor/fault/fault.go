// Package fault makes calls fail with chosen errors, so that tests of a client, or of a
// service that calls others, need no server that really fails.
//
//	faults := fault.New(
//		fault.On("/acme.v1.Store/Get", sdk.InstanceNotFound).Times(2),
//		fault.On("/acme.v1.Store/*", sdk.InnerCommunication),
//	)
//	opts := append(interceptor.DialOptions(), faults.DialOptions()...)
//	conn, err := grpc.NewClient(addr, append(opts, creds)...)
//
// On a client the calls do not leave, and fail as if the server had answered. On a server
// ([Faults.ServerOptions]) the handler is not called.
//
// # Order
//
// The options come behind those of package interceptor, on either side. Then the
// interceptors see the errors as they see real ones, and translate, observe and retry them.
// With the options in front, the faults stand outside: the caller gets gRPC's plain error
// on a client, and on a server what gRPC alone makes of the error.
//
// # Invariants
//
//   - A call that no rule claims goes through untouched.
//   - A rule claims a call once, however many messages it has.
package fault

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"google.golang.org/grpc"

	"github.com/openyuanrong/statusmap/mapping"
)

// A Rule says which calls fail, and how; [On] makes one. It is immutable: its methods
// return a changed copy.
type Rule struct {
	method   string
	err      error
	skip     int
	times    int // below 1: always
	messages int
	unsent   bool
}

// On returns a rule for the calls of a method, "/package.Service/Method": they fail with
// err. "/package.Service/*" is every method of a service, "*" every method; the first slash
// may be missing. It panics if the name has none of these forms, because a rule for a
// method that cannot be called would silently fail nothing.
//
// The error is any that a handler may return, and becomes what it would become there: a
// code of a catalogue, a platform error, a gRPC status error, a context error. With nil the
// calls go through, and later rules do not see them.
func On(method string, err error) Rule {
	checkName(method)
	return Rule{method: method, err: err}
}

// Times makes the rule hold for n calls and then no longer. For n below 1 it holds
// always, which is the default.
func (r Rule) Times(n int) Rule {
	r.times = n
	return r
}

// After makes the rule let the first n calls of its methods pass; n below 1 counts as 0,
// the default.
func (r Rule) After(n int) Rule {
	r.skip = max(n, 0)
	return r
}

// AfterMessages makes a stream begin, and fail once n messages have come from the server; n
// below 1 counts as 0, the default. It has no effect on unary calls. A stream that ends
// with fewer messages ends as it would without the rule, but counts as claimed.
func (r Rule) AfterMessages(n int) Rule {
	r.messages = max(n, 0)
	return r
}

// Unsent makes the calls of a client fail as if they had never left, for want of a
// connection to the server; streams fail when they are opened. Without it the client
// believes that the server was reached, which decides about its retries. It is for errors
// without a platform code, and has no effect on a server.
func (r Rule) Unsent() Rule {
	r.unsent = true
	return r
}

// nameRule is the form of what On takes for a method, but for "*".
var nameRule = regexp.MustCompile(`^/?[\w.]+/(\w+|\*)$`)

// checkName panics if On takes no such name.
func checkName(name string) {
	if name != "*" && !nameRule.MatchString(name) {
		panic(fmt.Sprintf("fault: %q names no method: it has to be \"/package.Service/Method\", \"/package.Service/*\" or \"*\"", name))
	}
}

// matches reports whether a full method is one of those that [On] takes by a name.
func matches(name, method string) bool {
	if name == "*" {
		return true
	}
	name = "/" + strings.TrimPrefix(name, "/")
	if service, ok := strings.CutSuffix(name, "*"); ok {
		return strings.HasPrefix(method, service)
	}
	return name == method
}

// Faults are rules in force. The zero value has none. They are safe for concurrent use.
type Faults struct {
	mu    sync.Mutex
	rules []*state
	calls map[string]count
}

// state is a rule and how many calls it has seen.
type state struct {
	Rule
	seen int
}

type count struct{ seen, failed int }

// New returns faults by rules. For each call the first rule that holds decides.
func New(rules ...Rule) *Faults {
	f := new(Faults)
	f.Add(rules...)
	return f
}

// Add adds rules behind those in force.
func (f *Faults) Add(rules ...Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range rules {
		f.rules = append(f.rules, &state{Rule: r})
	}
}

// Clear removes all rules. What was counted stays.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// Calls returns how many calls of a method there were, attempts of retries included. The
// method is named as for [On], which also panics on other names: "*" counts all calls.
func (f *Faults) Calls(method string) int { return f.count(method).seen }

// Failed returns how many calls of a method, named as for [On], a rule has claimed to fail.
// If it is 0 where calls were to fail, the rule names a method that is not called.
func (f *Faults) Failed(method string) int { return f.count(method).failed }

func (f *Faults) count(name string) count {
	checkName(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	var sum count
	for method, c := range f.calls {
		if matches(name, method) {
			sum.seen += c.seen
			sum.failed += c.failed
		}
	}
	return sum
}

// claim returns the rule that a call falls under, and whether it fails.
func (f *Faults) claim(method string) (Rule, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = map[string]count{}
	}
	c := f.calls[method]
	c.seen++
	defer func() { f.calls[method] = c }()
	for _, s := range f.rules {
		if !matches(s.method, method) {
			continue
		}
		s.seen++
		if s.seen <= s.skip || s.times > 0 && s.seen > s.skip+s.times {
			continue
		}
		if s.err == nil {
			return Rule{}, false
		}
		c.failed++
		return s.Rule, true
	}
	return Rule{}, false
}

// ServerOptions returns the options that install the faults on a server. They go behind
// interceptor.ServerOptions.
func (f *Faults) ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(f.UnaryServer()),
		grpc.ChainStreamInterceptor(f.StreamServer()),
	}
}

// DialOptions returns the options that install the faults on a client. They go behind
// interceptor.DialOptions.
func (f *Faults) DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(f.UnaryClient()),
		grpc.WithChainStreamInterceptor(f.StreamClient()),
	}
}

// received returns the error as a client gets it from gRPC: a plain status, in which
// nothing is left but what crosses the wire.
func received(ctx context.Context, err error) error {
	return new(mapping.Mapper).Map(ctx, err).GRPCStatus().Err()
}
