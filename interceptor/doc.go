// Package interceptor carries the errors of package mapping across gRPC calls. It has one
// interceptor for unary calls and one for streams, on the server and on the client.
//
//	srv := grpc.NewServer(interceptor.ServerOptions()...)
//	conn, err := grpc.NewClient(addr, append(interceptor.DialOptions(), creds)...)
//
// With the server half, a handler may return any error, and the client gets what
// [mapping.Mapper.Map] says. With the client half, every gRPC error of a call is a
// *[mapping.Error]. Each half works without the other: a client without it reads the same
// errors by [mapping.FromError], and a client with it reads the plain statuses of a server
// without it.
//
// Start with [ServerOptions] and [DialOptions]. Then add [WithRules] for errors of a
// database and the like, [WithObserver] for logs, [WithRecovery] for panics, [WithRetry]
// for retries, [WithCatalogs] for codes of your own, and [WithLocalizedMessage] and
// [WithCodeInMetadata] for clients without a catalogue. Package fault makes calls fail in
// tests.
//
// # Order in a chain
//
// The first interceptor is the outermost:
//
//	server:  metrics → logging → STATUSMAP → recovery → auth → handler
//	client:  metrics → logging → STATUSMAP → other retry → network
//
// What stands outside sees the mapped error, and through Unwrap also the cause, except that
// errors.Is does not find io.EOF in it: others take that for the good end of a call. What
// stands inside sees what the handler returned, or the plain status. Stats handlers, such
// as OpenTelemetry's, see the mapped code in any order. Another retry multiplies with
// [WithRetry], wherever it stands: have only one of them.
//
// A panic that nothing inside recovers passes through, unless there is [WithRecovery]. What
// a recovery outside makes of it is sent as it is.
//
// # Retry
//
// A server tells every gRPC client when to repeat a call, and when not to: by a retry hint
// and RetryInfo in the status, and by the trailer grpc-retry-pushback-ms. gRPC clients obey
// the trailer by themselves once a service config allows it; [ServiceConfig] writes one.
// [WithRetry] makes our client repeat unary calls by what the hint says. What stands inside
// of it in the chain sees every attempt, what stands outside sees the call as a whole.
//
// # Bridges
//
// A running platform adopts statuses one side at a time:
//
//   - [WithInBand] reads codes out of the replies of servers that send no statuses;
//   - [WithInBandReplies] answers in replies those callers that do not understand statuses,
//     which are all that do not send [AnnounceHeader];
//   - [WithInBandStreams] extends both to the streams that it names;
//   - [WithTextCodes] reads codes that are printed into the text of a status.
//
// By [Event].InBand observers see which failing calls still involve an old peer. For HTTP
// see package httperr.
//
// # Invariants
//
//   - nil stays nil, and io.EOF of a client stream stays io.EOF, except where it does not
//     mean that the call succeeded: see [StreamClient].
//   - For a call that succeeds, the interceptors allocate nothing, with these exceptions:
//     one wrapper for a client stream; one or two things for a unary call with [WithRetry],
//     for which gRPC also copies the trailers; and for a stream that [WithInBandStreams]
//     names two things on the server, and on the client four and what cancelling a context
//     takes. What [Announce] costs is not included.
//   - Response headers are never touched.
//   - An error is translated once: repeated receives return the same value.
package interceptor
