package interceptor

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/inband"
)

// AnnounceHeader is the request header by which a caller announces that it understands
// errors that come as statuses, so that a server never answers it in-band. Its value is
// "1", and means nothing further. Clients in other languages may send it as well.
const AnnounceHeader = "statusmap"

// Announce returns the dial option by which every call of a connection carries
// [AnnounceHeader]. [DialOptions] includes it. It is for connections that use the
// interceptors in another way.
//
// It belongs to the connection, not to the interceptors, so that their success path
// stays free of it, and so that no other interceptor can lose it by replacing metadata.
// gRPC then makes six small allocations more for a call on both ends together, 2 to
// 3 % of a call over loopback, and after the first call HPACK sends one byte.
func Announce() grpc.DialOption { return grpc.WithPerRPCCredentials(announcement{}) }

// WithoutAnnouncement makes [DialOptions] leave out [Announce]. It saves a little on
// every call. With servers that have [WithInBandReplies] on, such a client is taken for
// one that does not understand statuses: it gets errors in replies of calls that
// succeed, and needs [WithInBand] to see them. A proxy that passes on the headers of its
// callers has to have it: announcing itself it would get statuses for those who do not
// understand them.
func WithoutAnnouncement() ClientOption {
	return clientOption(func(c *client) { c.withoutAnnouncement = true })
}

// announcement sends a header through what gRPC has for headers of a connection.
type announcement struct{}

var announced = map[string]string{AnnounceHeader: "1"} // read only

func (announcement) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return announced, nil
}

// RequireTransportSecurity returns false: the header is no secret.
func (announcement) RequireTransportSecurity() bool { return false }

// hasAnnounced reports whether the caller understands statuses.
func hasAnnounced(ctx context.Context) bool {
	return len(metadata.ValueFromIncomingContext(ctx, AnnounceHeader)) > 0
}

// WithInBand makes the client read the codes that services put into replies of calls
// that end OK: after a unary call that succeeded, a reply that carries an error, as
// [inband.Format.FromReply] says, becomes that [mapping.Error]. The generated client
// then returns no reply; it is reachable from the error, as an [inband.Reply].
// Nil means the zero [inband.Format], which fits the services of openYuanrong.
//
// It is about all methods of the connection, and the zero Format takes any reply with an
// integer "code" other than 0 and a string "message" for an error. On a connection to
// services whose replies have such fields for something else, or whose success is
// another number, give a Format with Extract.
//
// Nil knows the codes of package sdk alone: a number of package rest, or one of your own,
// is read as an unlisted one of sdk. A Format with Catalogs tells them apart.
//
// Streams are left alone, unless [WithInBandStreams] names them.
//
// For calls that succeed it costs less than 50 ns and no allocation, once the type of
// the reply was seen.
func WithInBand(f *inband.Format) ClientOption {
	if f == nil {
		f = new(inband.Format)
	}
	return clientOption(func(c *client) { c.inBand = f })
}

// WithInBandReplies makes the server answer callers that do not understand statuses,
// which are all that do not send [AnnounceHeader]: a reply of the method's own type
// carries the error, as [inband.Format.NewReply] says, and the call ends OK. The type
// is looked up in what is linked in. Where the error cannot be told in a reply, the
// caller gets the status: one without a code, such as a timeout, one of a code that the
// format does not list, and any of a method whose reply has no code and message. Callers
// that have announced themselves always get it.
//
// Nil means the zero [inband.Format], which puts the codes of package sdk into replies and
// no others. A service that returns those of package rest, or its own, has to name the
// catalogues in [inband.Format]: else its old callers get statuses for them.
//
// Streams are left alone, unless [WithInBandStreams] names them. Observers see such
// errors with Event.InBand. They see only calls that fail: when there was no such error
// for long enough, the option can go. To know it for sure, count the calls without
// [AnnounceHeader] in an interceptor of your own.
//
// Only what generated code can hold crosses: code, message and the retry flags; not
// metadata, request id and details.
func WithInBandReplies(f *inband.Format) ServerOption {
	if f == nil {
		f = new(inband.Format)
	}
	return serverOption(func(s *server) { s.inBand = f })
}

// WithInBandStreams names streams, by their full methods, "/package.Service/Method", of
// which the first slash may be missing, to which [WithInBand] and [WithInBandReplies]
// extend; without these it does nothing. Names are not checked: one that no stream has is
// taken, and matches nothing.
//
// The client reads each message that it receives. The first that carries an error ends
// the stream for the client: it is cancelled, and receiving returns the error from then
// on. The server sends a last message with the error and ends the stream OK.
//
// It is not for streams on which several calls are multiplexed, where an error is that
// of one call: use [inband.Format.FromReply] on each message there.
func WithInBandStreams(methods ...string) Option {
	return option{
		func(s *server) { s.inBandStreams = withMethods(s.inBandStreams, methods) },
		func(c *client) { c.inBandStreams = withMethods(c.inBandStreams, methods) },
	}
}

// WithTextCodes makes the client look for a code in the text of statuses that carry no
// details, as [mapping.ParseText] does. The error is marked: [mapping.Error.Parsed].
// Its gRPC code and its message stay those of the status. The catalogues replace the
// default, which is that of package sdk; what [WithCatalogs] adds has no part in it. Give
// sdk.Catalog() beside yours to know both, that one first whose meaning is to count
// where both list a number.
func WithTextCodes(catalogs ...*mapping.Catalog) ClientOption {
	return clientOption(func(c *client) {
		c.parse = func(message string) mapping.Code {
			code, _, _ := mapping.ParseText(message, catalogs...)
			return code
		}
	})
}
