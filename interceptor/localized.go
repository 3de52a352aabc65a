package interceptor

import (
	"context"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/openyuanrong/statusmap/mapping"
)

// WithLocalizedMessage attaches a google.rpc.LocalizedMessage to errors with a code of a
// catalogue, for clients that have no catalogue and show errors to people. It has the
// catalogue's description and remedy, in the language that the caller asks for by the
// request header accept-language. Without the header nothing is attached.
//
// The function is given the header (RFC 9110 §12.5.4) and returns the tag (BCP 47) of the
// language to answer in, or "" for none. Catalogues have Chinese and English, and give
// English for all other tags. Matching languages is a job for a library, whose version is
// yours to choose. With golang.org/x/text/language:
//
//	tags := []language.Tag{language.English, language.Chinese}
//	matcher := language.NewMatcher(tags)
//	interceptor.WithLocalizedMessage(func(accept string) string {
//		_, i := language.MatchStrings(matcher, accept)
//		return tags[i].String()
//	})
//
// A detail of this type that the error already has is kept. Where the wire budget is tight,
// it is the first thing to go. A header longer than 1000 bytes is not looked at. If the
// function panics, nothing is attached. It may run concurrently. Nil is ignored.
func WithLocalizedMessage(match func(acceptLanguage string) (tag string)) ServerOption {
	return serverOption(func(s *server) {
		if match != nil {
			s.matchLanguage = unlessItPanics(match)
		}
	})
}

// maxAcceptLanguage bounds what a caller can give a matcher to do.
const maxAcceptLanguage = 1000

// localized returns the details by which the caller is told about e in its language.
func (s *server) localized(ctx context.Context, e *mapping.Error) []proto.Message {
	if !e.Code().Listed() || e.Guessed() { // what is a guess is not told as a fact
		return nil
	}
	accept := strings.Join(metadata.ValueFromIncomingContext(ctx, "accept-language"), ",")
	if accept == "" || len(accept) > maxAcceptLanguage {
		return nil
	}
	tag := s.matchLanguage(accept)
	if tag == "" {
		return nil
	}
	c := e.Code()
	if c.Description(tag) == c.Description("en") && c.Remedy(tag) == c.Remedy("en") {
		tag = "en" // the catalogue has no other
	}
	return []proto.Message{&errdetails.LocalizedMessage{Locale: tag, Message: c.Describe(tag)}}
}
