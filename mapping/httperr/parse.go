package httperr

import (
	"bytes"
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/internal/told"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// Parse returns the error that the parts of an HTTP response carry, and whether they
// carry one. The code is looked for in these places, in this order:
//
//   - a JSON body as [Write] makes it, which says the domain of its number;
//   - a body {"code":4115,"message":"…"}, also with the code as a string, be it a
//     number or a name;
//   - {"errorCode":…,"errorMessage":"…"};
//   - one of these as the value of "error";
//   - the header X-Inner-Code;
//   - plain text, in which [mapping.ParseText] looks for a code. All of the text, of which
//     the first 4 KiB count, stays the message.
//
// A body that [Write] makes for an error without a platform code has none, whatever its
// number and its message look like.
//
// # What is an error
//
// From status 400 every response is one. The platform sends errors with 200 too. Below 400
// a body is an error only if it has both a code and a string as the message, because a
// "code" alone may be anything. Then the number decides, and so does one that only the
// header has:
//
//   - a success is 0, 100 to 399, which are HTTP statuses, 200200 to 200399, which are
//     the frontend's form of them, and 6030 as errorCode;
//   - 400 to 599 are HTTP statuses of errors;
//   - any other is an error, listed or not: {"code":42,"message":"…"} is one with 200
//     too. A name is one only if it is listed.
//
// X-Inner-Code: 0 says, below 400, that all went well and that the body is what a
// function has returned, whatever it looks like.
//
// # What the number means
//
// Where the body does not say the domain, the catalogues decide, the first that lists
// the number. One that none lists belongs to the first, with class NEVER and the gRPC
// code UNKNOWN; but 400 to 599 are HTTP statuses. The catalogues replace the default:
// to know yours in addition to the platform's, give yours, rest.Catalog() and
// sdk.Catalog(), in the order in which their meanings are to count. Nil ones are ignored.
// A body that says the domain, as that of [Write] does, needs only yours.
//
// The default is rest and sdk, the latter only for what the platform's frontend sends,
// which is a code and a message, or X-Inner-Code. Other services have numbers of their own
// for the same errors, so an errorCode never means one of sdk. The frontend too means other
// errors than the SDK by 3008, 3009, 4001 to 4009 and 4201, such as 4002 for a function
// that has thrown. These count as not listed.
//
// A negative number, one that is too large, and from status 400 an unknown name, can be no
// code. They count as none, and the text says what they were.
//
// An error without any code is like that of a plain gRPC status, for which
// [mapping.FromStatus] tells when a code is inferred. Its gRPC code is the one that
// [Status] turns into the HTTP status, or into the number in the body that is an HTTP
// status: 404 is NOT_FOUND, without a platform code, and 503 is UNAVAILABLE, from which
// 3002 is inferred. Below 400, what can be no code is UNKNOWN, from which 3003 is inferred.
//
// The retry hint is the body's or the catalogue's. A longer delay in Retry-After counts,
// but its presence alone makes nothing repeatable. A body as [Write] makes it with class
// SAFE, but without that header, was passed on by a service in the middle: Repeatable
// is true only for idempotent methods then.
//
// Of a JSON body the first object counts, and of that at most [MaxBody].
func Parse(status int, header http.Header, body []byte, catalogs ...*mapping.Catalog) (*mapping.Error, bool) {
	r := newReader(status, header, catalogs)
	r.read(&recorder{from: bytes.NewReader(body)})
	return r.error()
}

// reader gathers what a response says.
type reader struct {
	status    int
	header    http.Header
	catalogs  []*mapping.Catalog
	byDefault bool // nobody has named the catalogues

	inner  number // of the header
	fields fields // of a JSON body
	text   string // a body that is plain text
}

func newReader(status int, header http.Header, catalogs []*mapping.Catalog) *reader {
	r := &reader{status: status, header: header, catalogs: catalogs, inner: newNumber(header.Get(headerInnerCode))}
	if told.NoneIn(catalogs) {
		r.catalogs, r.byDefault = []*mapping.Catalog{rest.Catalog(), sdk.Catalog()}, true
	}
	return r
}

// error returns what was gathered as an error, if it is one.
func (r *reader) error() (*mapping.Error, bool) {
	t, ok := r.told()
	if !ok {
		return nil, false
	}
	if wait, _ := r.retryAfter(); wait > inSeconds(t.Retry.Delay) && t.Retry.Class != mapping.Never {
		t.Retry.Delay = wait // longer than the exact one, and not just rounded up
	}
	d := mapping.NewDecoder(r.catalogs...)
	if r.text != "" { // a message in JSON may quote what a user has sent
		d.Parse = func(message string) mapping.Code {
			c, _, _ := mapping.ParseText(message, r.catalogs...)
			return c
		}
	}
	return t.Decode(d), true
}

// told returns what was gathered, and whether it is an error.
func (r *reader) told() (told.Error, bool) {
	if r.saysFine() {
		return told.Error{}, false
	}
	t, ok := r.platformCode()
	if ok {
		t.Metadata = r.fields.metadata
	} else if t, ok = r.otherCode(); !ok {
		return told.Error{}, false
	}
	t.RequestID = cmp.Or(r.fields.requestID, r.fields.traceID, r.header.Get("X-Request-Id"), r.header.Get("X-Trace-Id"))
	return t, true
}

// saysFine reports whether the header says that all went well.
func (r *reader) saysFine() bool {
	return r.status < 400 && r.inner == number{} && r.header.Get(headerInnerCode) != ""
}

// code returns the code in the body, if the body has the form of an error.
func (r *reader) code() number {
	if r.status < 400 && !r.fields.message.plain {
		return number{}
	}
	return r.fields.code
}

// platformCode returns the error by the platform code in the body or in the header,
// if there is one.
func (r *reader) platformCode() (told.Error, bool) {
	n := r.code()
	if r.fields.domain != "" && n.value > 0 && (r.status >= 400 || !isSuccess(n.value)) {
		return r.ownBody(), true
	}
	if r.fields.grpcCode != "" && isStatus(n.value) { // it says itself that it has none
		n = number{}
	}
	for i, n := range [...]number{n, r.inner} {
		if c := told.Printed(r.catalogs, n.name); !c.IsZero() {
			return told.OfCode(c, r.message()), true
		}
		known := r.catalogs
		if r.byDefault && (isAmbiguous(n.value) || i == 0 && !r.fields.isFrontends()) {
			known = known[:1] // not sdk
		}
		if c, _ := told.Lookup(known, n.value); !c.IsZero() || n.value > 0 && !isSuccess(n.value) && !isStatus(n.value) {
			return told.OfNumber(known, int64(n.value), r.message()), true
		}
	}
	return told.Error{}, false
}

// isAmbiguous reports whether the platform's frontend means another error by a number
// than package sdk.
func isAmbiguous(n int32) bool {
	return n == 3008 || n == 3009 || n >= 4001 && n <= 4009 || n == 4201
}

// isSuccess reports whether a number says that all went well, if the HTTP status does.
func isSuccess(n int32) bool {
	return n == 0 || n >= 100 && n < 400 || n >= 200200 && n < 200400
}

// isStatus reports whether a number is the HTTP status of an error.
func isStatus(n int32) bool { return n >= 400 && n < 600 }

// ownBody returns the error in a body that says its domain.
func (r *reader) ownBody() told.Error {
	f := &r.fields
	t := told.Error{
		GRPC: grpcCodeOf(r.status), Message: r.message(),
		Domain: f.domain, Number: f.code.value, Reason: f.reason, Retry: mapping.Retry{Class: mapping.Never},
	}
	for _, catalog := range mapping.NewDecoder(r.catalogs...).Catalogs {
		if c, ok := catalog.Lookup(f.code.value); ok && catalog.Domain() == f.domain {
			t = told.OfCode(c, t.Message)
			break
		}
	}
	if f.saysMessage() {
		t.Message = f.message.value
	}
	if named, ok := r.namedGRPCCode(); ok {
		t.GRPC = named
	}
	if f.retry != nil {
		t.Retry = mapping.Retry{Class: classOf(f.retry.Class), Delay: delayOf(f.retry.DelayMS, time.Millisecond)}
		_, asks := r.retryAfter()
		t.PassedOn = !asks
	}
	return t
}

// otherCode returns the error by what stands in the place of a code and is none, by the
// text, or by the HTTP status.
func (r *reader) otherCode() (told.Error, bool) {
	n, status := r.code(), r.status
	if n == (number{}) {
		n = number{value: r.inner.value, odd: r.inner.odd}
	}
	if status < 400 && isStatus(n.value) {
		status = int(n.value)
	}
	if status < 400 && n.odd == "" {
		return told.Error{}, false
	}
	t := told.Error{GRPC: grpcCodeOf(status), Message: r.message()}
	if odd := n.printed(); odd != "" {
		t.Message = told.OfOdd(odd, t.Message).Message
	}
	if t.Message == "" && !r.fields.saysMessage() {
		t.Message = nameOf(status)
	}
	if named, ok := r.namedGRPCCode(); ok {
		t.GRPC = named
	}
	return t, true
}

// message returns the text in the body.
func (r *reader) message() string { return cmp.Or(r.fields.message.value, r.text) }

// namedGRPCCode returns the gRPC code that the body names.
func (r *reader) namedGRPCCode() (codes.Code, bool) {
	n, ok := code.Code_value[r.fields.grpcCode]
	return codes.Code(n), ok && n != 0
}

// retryAfter returns the delay that the header asks for, and whether it asks for one.
func (r *reader) retryAfter() (time.Duration, bool) {
	value := strings.TrimSpace(r.header.Get(headerRetryAfter)) // HTTP/2 leaves blanks around it
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		// The other form is a date, which means something only next to the sender's.
		until, errUntil := http.ParseTime(value)
		now, errNow := http.ParseTime(r.header.Get("Date"))
		if errUntil != nil || errNow != nil {
			return 0, false
		}
		seconds = int64(until.Sub(now) / time.Second)
	}
	return delayOf(seconds, time.Second), true
}

// delayOf returns n units, within the bounds of a delay.
func delayOf(n int64, unit time.Duration) time.Duration {
	return time.Duration(min(max(0, n), int64(rpcerr.MaxRetryDelay/unit))) * unit
}

// classOf returns the class of that name. One that a later version has means NEVER.
func classOf(name string) mapping.RetryClass {
	for _, c := range [...]mapping.RetryClass{mapping.Safe, mapping.Idempotent, mapping.HigherLevel} {
		if c.String() == name {
			return c
		}
	}
	return mapping.Never
}
