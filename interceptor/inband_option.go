package interceptor

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/inband"
)

// AnnounceHeader is the request header by which a caller announces that it understands
// errors that come as statuses, so that a server never puts them into replies. Its value is
// "1", which has no further meaning. Clients in other languages may send it as well.
const AnnounceHeader = "statusmap"

// Announce returns the dial option by which every call of a connection carries
// [AnnounceHeader]. [DialOptions] includes it; it is for connections that install the
// interceptors in another way.
//
// It belongs to the connection and not to the interceptors, so that their success path
// stays free of it, and so that no other interceptor can lose it by replacing metadata. It
// costs gRPC six small allocations for each call, both ends together, which is 1 to 3 % of
// a call over loopback. After the first call HPACK sends one byte.
func Announce() grpc.DialOption { return grpc.WithPerRPCCredentials(announcement{}) }

// WithoutAnnouncement makes [DialOptions] leave out [Announce], which saves a little on
// every call. A server with [WithInBandReplies] then takes the client for one that does not
// understand statuses: the client gets errors in replies of calls that succeed, and needs
// [WithInBand] to see them. A proxy that passes on the headers of its callers needs this
// option: otherwise it would get statuses on behalf of callers that do not understand them.
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

// WithInBand makes the client read the codes that services put into replies of calls that
// end OK: if the reply of a successful unary call carries an error, as
// [inband.Format.FromReply] says, the call returns that [mapping.Error]. The generated
// client then returns no reply; errors.As finds it in the error, as an *[inband.Reply].
//
// Nil means the zero [inband.Format], which fits the services of openYuanrong. It takes any
// reply with an integer "code" other than 0 and a string "message" for an error, on all
// methods of the connection. If replies have such fields for something else, or success is
// another number, give a Format with Extract.
//
// The zero Format knows only the codes of package sdk: a number of package rest, or one of
// your own, is read as an unlisted one of sdk. A Format with Catalogs tells them apart.
//
// Streams are left alone, unless [WithInBandStreams] names them.
//
// For a call that succeeds it takes less than 50 ns and no allocation, once the type of the
// reply was seen.
func WithInBand(f *inband.Format) ClientOption {
	if f == nil {
		f = new(inband.Format)
	}
	return clientOption(func(c *client) { c.inBand = f })
}

// WithInBandReplies makes the server answer callers that do not understand statuses, which
// are all that do not send [AnnounceHeader]: a reply of the method's own type carries the
// error, as [inband.Format.NewReply] says, and the call ends OK. The type must be linked
// into the program. Callers that announce themselves always get the status. The others get
// it too if a reply cannot say the error: if the error has no code, such as a timeout, if
// the format does not list the code, or if the method's reply has no code and message.
//
// Nil means the zero [inband.Format], which puts the codes of package sdk into replies and
// no others. A service that returns those of package rest, or its own, has to name the
// catalogues in [inband.Format]. Otherwise its old callers get statuses for them.
//
// Streams are left alone, unless [WithInBandStreams] names them.
//
// Observers see such errors with Event.InBand. If there was none for long enough, the
// option can go. Calls that succeed are not observed, so to be certain, count the calls
// without [AnnounceHeader] in an interceptor of your own.
//
// Only code, message and the retry flags cross, because these are what generated code has
// fields for; metadata, request id and details do not.
func WithInBandReplies(f *inband.Format) ServerOption {
	if f == nil {
		f = new(inband.Format)
	}
	return serverOption(func(s *server) { s.inBand = f })
}

// WithInBandStreams names the streams to which [WithInBand] and [WithInBandReplies] extend;
// without these it does nothing. Streams are named by their full methods,
// "/package.Service/Method"; the first slash may be missing. Names are not checked: one
// that no stream has matches nothing.
//
// The client reads each message that it receives. The first that carries an error ends the
// stream for the client: the stream is cancelled, and receiving returns the error from then
// on. The server sends a last message with the error and ends the stream OK.
//
// It is not for streams on which several calls are multiplexed, where an error is that of
// one call: use [inband.Format.FromReply] on each message there.
func WithInBandStreams(methods ...string) Option {
	return option{
		func(s *server) { s.inBandStreams = withMethods(s.inBandStreams, methods) },
		func(c *client) { c.inBandStreams = withMethods(c.inBandStreams, methods) },
	}
}

// WithTextCodes makes the client look for a code in the text of statuses that carry no
// details, as [mapping.ParseText] does. The error is marked: [rpcerr.Error.Parsed]. Its
// gRPC code and its message stay those of the status.
//
// The catalogues replace the default, which is that of package sdk; those of [WithCatalogs]
// do not count here. To know both, give yours and sdk.Catalog(). Where both list a number,
// the first one given decides.
func WithTextCodes(catalogs ...*mapping.Catalog) ClientOption {
	return clientOption(func(c *client) {
		c.parse = func(message string) mapping.Code {
			code, _, _ := mapping.ParseText(message, catalogs...)
			return code
		}
	})
}
