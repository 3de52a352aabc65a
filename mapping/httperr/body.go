package httperr

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/mapping/internal/str"
)

// A body is the body of an error as it is written: code and message as the platform
// documents them, and beside them what makes the error whole.
type body struct {
	// Code is the number, or the HTTP status where there is no platform code, for the
	// platform's clients take 0 for success. Only with a domain is it a code.
	Code      int32             `json:"code"`
	Message   string            `json:"message"`
	Reason    string            `json:"reason,omitempty"`
	Domain    string            `json:"domain,omitempty"`
	GRPCCode  string            `json:"grpc_code,omitempty"`
	Retry     *retry            `json:"retry,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	RequestID string            `json:"request_id,omitempty"`
}

type retry struct {
	Class   string `json:"class"`
	DelayMS int64  `json:"delay_ms,omitempty"`
}

// fields are those members of a JSON object that some form of an error has.
type fields struct {
	code, errorCode       number
	message, errorMessage text
	domain, reason        string
	grpcCode              string
	retry                 *retry
	metadata              map[string]string
	requestID, traceID    string
	nested                json.RawMessage // "error"
	details               json.RawMessage
	wasNested             bool
	wasErrorCode          bool // the code is that of "errorCode"
}

// member returns where the member of that name goes, by its very name: package json
// itself would take "Code" for "code". What came under that name before is forgotten: it
// would be merged into.
func (f *fields) member(name string) any {
	switch name {
	case "code":
		return cleared(&f.code)
	case "message":
		return cleared(&f.message)
	case "errorCode":
		return cleared(&f.errorCode)
	case "errorMessage":
		return cleared(&f.errorMessage)
	case "domain":
		return cleared(&f.domain)
	case "reason":
		return cleared(&f.reason)
	case "grpc_code":
		return cleared(&f.grpcCode)
	case "retry":
		return cleared(&f.retry)
	case "metadata":
		return cleared(&f.metadata)
	case "request_id":
		return cleared(&f.requestID)
	case "trace_id":
		return cleared(&f.traceID)
	case "error":
		return cleared(&f.nested)
	case "details":
		return cleared(&f.details)
	}
	return new(ignored)
}

// cleared returns p, which points to nothing but a zero value now.
func cleared[T any](p *T) *T {
	*p = *new(T)
	return p
}

// ignored is a value that is read over.
type ignored struct{}

func (*ignored) UnmarshalJSON([]byte) error { return nil }

var errNoObject = errors.New("no JSON object")

// decode reads one JSON object, and nothing behind it. Of a member that is of another
// type than expected what fits is read, of one that comes twice the last counts.
func (f *fields) decode(dec *json.Decoder) error {
	if opening, err := dec.Token(); err != nil || opening != json.Delim('{') {
		return errNoObject
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var mismatch *json.UnmarshalTypeError
		if err := dec.Decode(f.member(name.(string))); err != nil && !errors.As(err, &mismatch) {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

// normalize brings the other forms into that of code and message.
func (f *fields) normalize() {
	var inner fields
	if f.code == (number{}) && inner.decode(json.NewDecoder(bytes.NewReader(f.nested))) == nil {
		inner.requestID, inner.wasNested = cmp.Or(inner.requestID, inner.traceID, f.requestID, f.traceID), true
		*f = inner
	}
	if f.code == (number{}) {
		if f.errorCode.value != schedulerSuccess {
			f.code, f.wasErrorCode = f.errorCode, true
		}
		if f.errorMessage != (text{}) {
			f.message = f.errorMessage
		}
	}
	if s := ""; f.message == (text{}) && json.Unmarshal(f.nested, &s) == nil {
		f.message.value = s
	}
	// One of the platform's handlers quotes it twice. A body with a gRPC code is ours.
	if unquoted, err := strconv.Unquote(f.message.value); err == nil && f.grpcCode == "" && f.message.plain && f.message.value[0] == '"' {
		f.message.value = unquoted
	}
	// With details it is a google.rpc.Status, as gRPC-Gateway writes it by default, and
	// has a code of gRPC.
	if n := f.code.value; n > 0 && n <= int32(codes.Unauthenticated) && bytes.HasPrefix(f.details, []byte{'['}) {
		f.code, f.grpcCode = number{value: int32(Status(codes.Code(n)))}, code.Code(n).String()
	}
}

// saysMessage reports whether the body, one that Write makes, says what the message is, be
// it empty.
func (f *fields) saysMessage() bool { return f.grpcCode != "" && f.message.plain }

// isFrontends reports whether the platform's frontend may have sent it.
func (f *fields) isFrontends() bool {
	return !f.wasNested && !f.wasErrorCode && f.message != text{}
}

// schedulerSuccess is the errorCode of the platform's scheduler when all went well.
const schedulerSuccess = 6030

// A number is what stands in the place of a code. It is comparable; the zero value
// stands for no code, as the number 0 does.
type number struct {
	value int32  // 0: there is none, or none that a code can have
	name  string // a text that is no number
	odd   string // a number that no code can have, as it was written
}

// newNumber returns what a text stands for.
func newNumber(s string) number {
	s = strings.TrimSpace(s)
	if s == "" || !isNumber(s[0]) || !json.Valid([]byte(s)) {
		return number{name: s}
	}
	// The error of ParseFloat is that it is out of range, and infinite.
	if f, _ := strconv.ParseFloat(s, 64); f >= 0 && f <= math.MaxInt32 && f == math.Trunc(f) {
		return number{value: int32(f)} // 4115.0 too
	}
	return number{odd: str.Shorten(s, maxPrinted)}
}

func (n *number) UnmarshalJSON(b []byte) error {
	*n = number{}
	if s := ""; json.Unmarshal(b, &s) == nil {
		*n = newNumber(s)
	} else if isNumber(b[0]) {
		*n = newNumber(string(b))
	}
	return nil
}

// isNumber reports whether JSON that begins with c is a number.
func isNumber(c byte) bool { return c == '-' || c >= '0' && c <= '9' }

// printed returns what is printed of a code that no code is: "" of others.
func (n number) printed() string { return cmp.Or(n.odd, str.Shorten(n.name, maxPrinted)) }

// maxPrinted bounds what a peer can make us print.
const maxPrinted = 64

// A text is what stands in the place of a message. It is comparable; the zero value
// stands for none.
type text struct {
	value string
	plain bool // a string, and no other JSON
}

func (t *text) UnmarshalJSON(b []byte) error {
	*t = text{}
	switch b[0] {
	case '"':
		if json.Unmarshal(b, &t.value) == nil {
			t.plain = true
		}
	case '{', '[': // what a user's function has thrown
		var compact bytes.Buffer
		if json.Compact(&compact, b) == nil {
			t.value = compact.String()
		}
	}
	return nil
}
