// Package told turns into errors what a peer tells by other means than a status: in a
// reply, in a text, or over HTTP.
package told

import (
	"math"
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping/internal/str"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// An Error is what a peer told of an error. Message and RequestID may be any bytes; the
// other texts are valid UTF-8, and the delay is within its bounds.
type Error struct {
	GRPC      codes.Code
	Message   string
	Domain    string
	Number    int32 // 0: no platform code
	Reason    string
	Retry     rpcerr.Retry
	PassedOn  bool // by a service in the middle: class Safe says nothing of what that one did
	RequestID string
	Metadata  map[string]string
}

// OfCode returns what a code alone tells, with the message, or with the catalogue's
// text where that is empty.
func OfCode(c rpcerr.Code, message string) Error {
	if message == "" {
		message = c.Description("en")
	}
	return Error{
		GRPC: c.GRPCCode(), Message: message,
		Domain: c.Domain(), Number: c.Number(), Reason: c.Reason(), Retry: c.Retry(),
	}
}

// OfNumber is OfCode for a number other than 0, listed or not.
func OfNumber(catalogs []*rpcerr.Catalog, number int64, message string) Error {
	if number < 0 || number > math.MaxInt32 {
		return OfOdd(strconv.FormatInt(number, 10), message)
	}
	c, domain := Lookup(catalogs, int32(number))
	t := OfCode(c, message)
	t.Domain, t.Number = domain, int32(number)
	return t
}

// OfOdd returns what is told by something that stands in the place of a code and is no
// number that a code can have. There is no code then, and the text says what it was.
func OfOdd(code, message string) Error {
	t := Error{GRPC: codes.Unknown, Message: "code " + code}
	if message != "" {
		t.Message += ": " + message
	}
	return t
}

// Decode returns the error that a client would have got if the peer had sent it as a
// status. So it can be relayed like any other, and a number that no catalogue lists
// is kept. Where d has to guess the code, a longer delay counts.
func (t Error) Decode(d *rpcerr.Decoder) *rpcerr.Error {
	st := &spb.Status{Code: int32(t.GRPC), Message: str.Valid(t.Message)}
	if t.Number != 0 {
		st.Details = t.details()
	}
	e, _ := d.FromStatus(status.FromProto(st))
	if t.Number == 0 {
		if t.Retry.Delay > e.Retry().Delay {
			e = e.RetryAfter(t.Retry.Delay) // does not change the class
		}
		if t.RequestID != "" { // for which a plain status has no place
			e = e.WithRequestID(t.RequestID)
		}
	}
	return e
}

func (t Error) details() []*anypb.Any {
	details := []proto.Message{
		&errorsv1.ErrorInfo{
			Domain: t.Domain,
			Number: t.Number,
			Retry: &errorsv1.RetryHint{
				Class:   errorsv1.RetryClass(t.Retry.Class),
				DelayMs: uint32(t.Retry.Delay.Milliseconds()),
			},
			RequestId: str.Valid(t.RequestID),
		},
		&errdetails.ErrorInfo{Reason: t.Reason, Domain: t.Domain, Metadata: t.Metadata},
	}
	if t.Retry.Class == rpcerr.Safe && !t.PassedOn {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(t.Retry.Delay)})
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
