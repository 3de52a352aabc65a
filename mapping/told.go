package mapping

import (
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// told is what a peer told of an error otherwise than by a status: in a reply, or
// over HTTP.
type told struct {
	grpc      codes.Code
	message   string
	domain    string
	number    int32 // 0: no platform code
	reason    string
	retry     Retry
	requestID string
	metadata  map[string]string
}

// toldCode returns what a code alone tells, with the message, or with the
// catalogue's text where that is empty.
func toldCode(c Code, message string) told {
	if message == "" {
		message = c.Description("en")
	}
	return told{
		grpc: c.GRPCCode(), message: message,
		domain: c.Domain(), number: c.Number(), reason: c.Reason(), retry: c.Retry(),
	}
}

// error returns the error that a client would have got if the peer had sent it as a
// status. So it can be relayed like any other, and a number that no catalogue lists
// is kept.
func (t told) error(d *Decoder) *Error {
	st := &spb.Status{Code: int32(t.grpc), Message: utf8Only(t.message)}
	if t.number != 0 && t.domain != "" {
		st.Details = t.details()
	}
	e, _ := d.FromStatus(status.FromProto(st))
	return e
}

func (t told) details() []*anypb.Any {
	details := []proto.Message{
		&errorsv1.ErrorInfo{
			Domain: utf8Only(t.domain),
			Number: t.number,
			Retry: &errorsv1.RetryHint{
				Class:   errorsv1.RetryClass(t.retry.Class),
				DelayMs: uint32(min(max(0, t.retry.Delay), rpcerr.MaxRetryDelay).Milliseconds()),
			},
			RequestId: utf8Only(t.requestID),
		},
		t.googleInfo(),
	}
	if t.retry.Class == Safe {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(t.retry.Delay)})
	}
	var anys []*anypb.Any
	for _, m := range details {
		detail := new(anypb.Any)
		if anypb.MarshalFrom(detail, m, proto.MarshalOptions{Deterministic: true}) == nil {
			anys = append(anys, detail)
		}
	}
	return anys
}

func (t told) googleInfo() *errdetails.ErrorInfo {
	info := &errdetails.ErrorInfo{Reason: utf8Only(t.reason), Domain: utf8Only(t.domain)}
	for k, v := range t.metadata {
		if info.Metadata == nil {
			info.Metadata = make(map[string]string, len(t.metadata))
		}
		info.Metadata[utf8Only(k)] = utf8Only(v)
	}
	return info
}

// lookup returns the code of a number in the first catalogue that lists it. A number
// that none lists belongs to the first catalogue; then the code is the zero Code.
func lookup(catalogs []*Catalog, number int32) (c Code, domain string) {
	for _, catalog := range catalogs {
		if catalog == nil {
			continue
		}
		if c, ok := catalog.Lookup(number); ok {
			return c, catalog.Domain()
		}
		if domain == "" {
			domain = catalog.Domain()
		}
	}
	return Code{}, domain
}

// toldNumber is toldCode for a number, listed or not.
func toldNumber(catalogs []*Catalog, number int32, message string) told {
	c, domain := lookup(catalogs, number)
	t := toldCode(c, message)
	t.domain, t.number = domain, number
	return t
}

// utf8Only returns s with invalid bytes replaced, for a string field that holds one
// makes a whole message unsendable.
func utf8Only(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
