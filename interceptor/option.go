package interceptor

import (
	"google.golang.org/grpc"

	"github.com/openyuanrong/statusmap/mapping"
)

// A ServerOption configures the server interceptors. A nil option is ignored. Where an
// option is given several times, the last one counts; [WithRules], [WithObserver],
// [WithIdempotent] and [WithInBandStreams] add up.
type ServerOption interface{ applyServer(*server) }

// A ClientOption configures the client interceptors. A nil option is ignored. Where an
// option is given several times, the last one counts; [WithCatalogs], [WithObserver],
// [WithIdempotent] and [WithInBandStreams] add up.
type ClientOption interface{ applyClient(*client) }

// An Option configures the interceptors of both sides.
type Option interface {
	ServerOption
	ClientOption
}

type serverOption func(*server)

func (f serverOption) applyServer(s *server) { f(s) }

type clientOption func(*client)

func (f clientOption) applyClient(c *client) { f(c) }

type option struct {
	serverOption
	clientOption
}

// ServerOptions returns the options that install both server interceptors. They chain
// behind interceptors that were given to [grpc.NewServer] before them.
//
// They log nothing. What the client may not know, above all the cause of an error, is lost
// unless there is [WithObserver], or an interceptor outside that logs it.
func ServerOptions(opts ...ServerOption) []grpc.ServerOption {
	s := newServer(opts)
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(s.unary()), grpc.ChainStreamInterceptor(s.stream())}
}

// DialOptions returns the options that install both client interceptors, and
// [Announce] unless [WithoutAnnouncement] is given. The interceptors chain behind
// those that were given to [grpc.NewClient] before them.
func DialOptions(opts ...ClientOption) []grpc.DialOption {
	c := newClient(opts)
	dial := []grpc.DialOption{grpc.WithChainUnaryInterceptor(c.unary()), grpc.WithChainStreamInterceptor(c.stream())}
	if !c.withoutAnnouncement {
		dial = append(dial, Announce())
	}
	return dial
}

// WithMapper sets the mapper that decides what clients get for the errors of handlers: by
// rules that claim foreign errors, a policy for errors of other services, and a fallback.
// The default is the zero [mapping.Mapper]; nil is ignored.
func WithMapper(m *mapping.Mapper) ServerOption {
	return serverOption(func(s *server) {
		if m != nil {
			s.mapper = m
		}
	})
}

// WithRules adds rules that claim foreign errors. They are asked in order, after those of a
// mapper that [WithMapper] sets.
func WithRules(rules ...mapping.Rule) ServerOption {
	return serverOption(func(s *server) { s.rules = append(s.rules, rules...) })
}

// WithCatalogs adds catalogues to those that the client knows, which are the platform's.
// Then == and switch find their codes, their texts describe them, and errors of servers
// that send only a google.rpc.ErrorInfo are recognised. Nil ones are ignored.
//
// It is about statuses, which say the domain of their number. What [WithInBand] and
// [WithTextCodes] read has only the number, so these take catalogues of their own, which
// replace their default.
func WithCatalogs(catalogs ...*mapping.Catalog) ClientOption {
	return clientOption(func(c *client) {
		c.catalogs = append(c.catalogs, catalogs...)
	})
}

// WithBudget bounds what a status takes on the wire, in bytes of header list as counted by
// [rpcerr.Size]. The default is [rpcerr.DefaultBudget], 4096; values outside 1024 to 7168
// are brought inside, and 0 is the default. Package rpcerr tells what is trimmed first.
func WithBudget(bytes int) ServerOption {
	return serverOption(func(s *server) { s.budget = bytes })
}

// WithCodeInMetadata repeats the number of the code in the metadata of
// google.rpc.ErrorInfo, in decimal, as the entry "code". It is for clients in other
// languages that go by the number rather than by domain and reason, and have no proto of
// ours to read it from. Every error with a platform code has the entry, also one that
// another service sent. It takes about 20 bytes on the wire and is never trimmed. An entry
// "code" that the error already has is kept. Clients with this library find it in their
// metadata as well.
func WithCodeInMetadata() ServerOption {
	return serverOption(func(s *server) { s.codeInMetadata = true })
}

// WithRecovery turns a panic of a handler into an error of the call, instead of the end of
// the process. The client gets what it gets for any unknown error. Panic value and stack go
// to the observer and nowhere else: without [WithObserver] the panic leaves no trace. A
// panic with [http.ErrAbortHandler] reports no stack, as in net/http. [runtime.Goexit] is
// not a panic and goes on.
//
// Without it a panic goes on to what stands outside. An interceptor there that recovers it
// decides alone what the client gets, which may be the stack.
func WithRecovery() ServerOption {
	return serverOption(func(s *server) { s.recovers = true })
}

// unlessItPanics returns what f returns, or "" where it panics: a call that fails already
// fails as it should, whatever the function makes of what a caller has sent.
func unlessItPanics[From any](f func(From) string) func(From) string {
	return func(from From) (s string) {
		defer func() {
			if recover() != nil {
				s = ""
			}
		}()
		return f(from)
	}
}
