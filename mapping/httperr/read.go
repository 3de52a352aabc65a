package httperr

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
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
)

// MaxBody bounds how much of a body is read in search of an error: 1 MiB. Of a
// longer one only status and headers count.
const MaxBody = 1 << 20

// FromResponse returns the error that an HTTP response carries, and whether it carries
// one, by [Parse]. It reads at most [MaxBody] of the body and puts it back, so
// that resp.Body can still be read from its beginning; it does not close it. Below
// status 400 only a JSON body is looked into, for the platform sends errors with 200
// too. It then waits for the body's end, so it is not for responses that stream.
func FromResponse(resp *http.Response, catalogs ...*mapping.Catalog) (*mapping.Error, bool) {
	if resp == nil {
		return nil, false
	}
	var body []byte
	if resp.Body != nil && (resp.StatusCode >= 400 || isJSON(resp.Header)) {
		var err error
		body, err = io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
		rest := io.Reader(resp.Body)
		if err != nil {
			rest = failingReader{err}
		}
		resp.Body = readCloser{io.MultiReader(bytes.NewReader(body), rest), resp.Body}
	}
	return Parse(resp.StatusCode, resp.Header, body, catalogs...)
}

// maxText bounds how much of a plain text becomes a message, in bytes.
const maxText = 4096

type readCloser struct {
	io.Reader
	io.Closer
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

func isJSON(h http.Header) bool {
	t, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return t == "application/json" || strings.HasSuffix(t, "+json")
}

// Parse returns the error that the parts of an HTTP response carry, and whether they
// carry one. It reads what [Write] writes, and the shapes that the platform's
// services send with any status, 200 included:
//
//   - a body {"code":4115,"message":"…"}, also with the code as a string, be it a
//     number or a name;
//   - {"errorCode":…,"errorMessage":"…"}, where 6030 is success;
//   - one of these as the value of "error";
//   - no code but that in the header X-Inner-Code;
//   - plain text, in which [mapping.ParseText] looks for a code.
//
// A body with a domain says itself what its number means. For others the catalogues
// decide, the first that lists a number, and one from 1000 that none lists belongs to
// the first; without catalogues that is package rest. A number below 1000 that none
// lists is taken for an HTTP status.
//
// An error status without any code gives an error without a platform code, or, as a
// plain gRPC status does, an inferred one: the gRPC code is what Status would turn
// into the status, 404 into NOT_FOUND and 503 into UNAVAILABLE. The retry hint is the
// body's or the catalogue's; a longer delay in Retry-After counts, but its presence
// alone makes nothing repeatable.
func Parse(status int, header http.Header, body []byte, catalogs ...*mapping.Catalog) (*mapping.Error, bool) {
	if len(catalogs) == 0 {
		catalogs = []*mapping.Catalog{rest.Catalog()}
	}
	r := reader{status: status, header: header, catalogs: catalogs}
	if len(body) <= MaxBody {
		r.read(body)
	}
	t, ok := r.told()
	if !ok {
		return nil, false
	}
	d := mapping.NewDecoder(catalogs...)
	d.Parse = func(message string) mapping.Code {
		c, _, _ := mapping.ParseText(message, append(catalogs[:len(catalogs):len(catalogs)], sdk.Catalog())...)
		return c
	}
	return t.Decode(d), true
}

// reader gathers what a response says.
type reader struct {
	status   int
	header   http.Header
	catalogs []*mapping.Catalog

	body    wireBody
	isError bool   // the body has the form of an error
	text    string // a body that is plain text
}

// wireBody is what is known of the bodies of all shapes.
type wireBody struct {
	Code         looseCode         `json:"code"`
	Message      *string           `json:"message"`
	ErrorCode    looseCode         `json:"errorCode"`
	ErrorMessage *string           `json:"errorMessage"`
	Error        json.RawMessage   `json:"error"`
	Domain       string            `json:"domain"`
	Reason       string            `json:"reason"`
	GRPCCode     string            `json:"grpc_code"`
	Retry        *retry            `json:"retry"`
	Metadata     map[string]string `json:"metadata"`
	RequestID    string            `json:"request_id"`
	TraceID      string            `json:"trace_id"`
}

// looseCode is a code that is a number, or a string with a number or a name.
type looseCode struct {
	number int32
	name   string
}

func (c *looseCode) UnmarshalJSON(b []byte) error {
	text := string(b)
	if unquoted := ""; json.Unmarshal(b, &unquoted) == nil {
		text = unquoted
	}
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		c.number = int32(n)
	} else if len(text) > 0 && text[0] >= 'A' && text[0] <= 'Z' {
		c.name = text
	}
	return nil
}

// schedulerSuccess is the errorCode of the platform's scheduler when all went well.
const schedulerSuccess = 6030

// read fills in what the body says.
func (r *reader) read(body []byte) {
	if !r.body.parse(body) {
		if t, _, _ := mime.ParseMediaType(r.header.Get("Content-Type")); t == "" || t == "text/plain" {
			text := bytes.TrimSpace(body)
			r.text = string(text[:min(len(text), maxText)])
		}
		return
	}
	var inner wireBody
	if inner.parse(r.body.Error) {
		inner.RequestID = firstNonEmpty(inner.RequestID, inner.TraceID, r.body.RequestID, r.body.TraceID)
		r.body = inner
	} else if text := ""; json.Unmarshal(r.body.Error, &text) == nil {
		r.text = text
	}
	b := &r.body
	if b.Code == (looseCode{}) && b.ErrorCode != (looseCode{}) {
		b.Code, b.Message = b.ErrorCode, b.ErrorMessage
		if b.Code.number == schedulerSuccess {
			b.Code.number = 0
		}
	}
	// Below 400 it takes both, for a "code" alone may be anything.
	r.isError = b.Message != nil || r.status >= 400
}

// parse reads a JSON object, and of a field that is of another type than expected only
// the others.
func (b *wireBody) parse(body []byte) bool {
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return false
	}
	err := json.Unmarshal(body, b)
	var mismatch *json.UnmarshalTypeError
	return err == nil || errors.As(err, &mismatch)
}

// told returns what the response says of an error, and whether it is one.
func (r *reader) told() (told.Error, bool) {
	if t, ok := r.platformCode(); ok {
		t.RequestID = firstNonEmpty(r.body.RequestID, r.body.TraceID, r.header.Get("X-Request-Id"))
		t.Metadata = r.body.Metadata
		return t, true
	}
	status := r.status
	if n := r.body.Code.number; r.isError && status < 400 && n >= 400 && n < 600 {
		status = int(n)
	}
	if status < 400 {
		return told.Error{}, false
	}
	grpc := grpcCodeOf(status)
	if named, ok := r.namedGRPCCode(); ok {
		grpc = named
	}
	message := firstNonEmpty(r.message(), r.text, http.StatusText(status), "HTTP status "+strconv.Itoa(status))
	return told.Error{GRPC: grpc, Message: message}, true
}

// platformCode returns the error by the platform code in the body or in the header,
// if there is one.
func (r *reader) platformCode() (told.Error, bool) {
	b := &r.body
	if r.isError && b.Domain != "" && b.Code.number != 0 {
		return r.ownBody(), true
	}
	if r.isError && b.Domain == "" {
		number := b.Code.number
		if c := told.Printed(r.catalogs, b.Code.name); !c.IsZero() {
			number = c.Number()
		}
		if r.isPlatform(number) {
			return r.withDelay(told.OfNumber(r.catalogs, number, r.message())), true
		}
	}
	inner, err := strconv.ParseInt(strings.TrimSpace(r.header.Get(headerInnerCode)), 10, 32)
	if err == nil && r.isPlatform(int32(inner)) {
		return r.withDelay(told.OfNumber(r.catalogs, int32(inner), firstNonEmpty(r.message(), r.text))), true
	}
	return told.Error{}, false
}

// isPlatform reports whether a number is a code rather than an HTTP status.
func (r *reader) isPlatform(number int32) bool {
	c, _ := told.Lookup(r.catalogs, number)
	return number >= 1000 || !c.IsZero()
}

// ownBody returns the error in a body that says its domain.
func (r *reader) ownBody() told.Error {
	b := &r.body
	known := r.catalogs
	for c := range mapping.Catalogs() {
		known = append(known[:len(known):len(known)], c)
	}
	var t told.Error
	for _, catalog := range known {
		if catalog == nil || catalog.Domain() != b.Domain {
			continue
		}
		if c, ok := catalog.Lookup(b.Code.number); ok {
			t = told.OfCode(c, r.message())
			break
		}
	}
	if t.Number == 0 {
		t = told.Error{GRPC: grpcCodeOf(r.status), Message: r.message(), Domain: b.Domain, Number: b.Code.number, Reason: b.Reason}
		t.Retry.Class = mapping.Never
	}
	if named, ok := r.namedGRPCCode(); ok {
		t.GRPC = named
	}
	if b.Retry != nil {
		t.Retry = mapping.Retry{Class: classOf(b.Retry.Class), Delay: delayOf(b.Retry.DelayMS, time.Millisecond)}
	}
	return t
}

// message returns the body's text. One of the platform's handlers quotes it twice.
func (r *reader) message() string {
	if r.body.Message == nil {
		return ""
	}
	if unquoted, err := strconv.Unquote(*r.body.Message); err == nil {
		return unquoted
	}
	return *r.body.Message
}

// namedGRPCCode returns the gRPC code that the body names.
func (r *reader) namedGRPCCode() (codes.Code, bool) {
	n, ok := code.Code_value[r.body.GRPCCode]
	return codes.Code(n), ok && n != 0
}

// withDelay lengthens the delay by the header Retry-After.
func (r *reader) withDelay(t told.Error) told.Error {
	seconds, err := strconv.ParseInt(strings.TrimSpace(r.header.Get(headerRetryAfter)), 10, 64)
	if err != nil {
		// The other form is a date, which means something only next to the sender's.
		until, errUntil := http.ParseTime(r.header.Get(headerRetryAfter))
		now, errNow := http.ParseTime(r.header.Get("Date"))
		if errUntil != nil || errNow != nil {
			return t
		}
		seconds = int64(until.Sub(now) / time.Second)
	}
	if t.Retry.Class != mapping.Never {
		t.Retry.Delay = max(t.Retry.Delay, delayOf(seconds, time.Second))
	}
	return t
}

// delayOf returns n units, within the bounds of a delay.
func delayOf(n int64, unit time.Duration) time.Duration {
	return time.Duration(min(max(0, n), int64(time.Hour/unit))) * unit
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

// grpcCodeOf returns the gRPC code that an HTTP status most likely stands for.
func grpcCodeOf(status int) codes.Code {
	switch status {
	case http.StatusBadRequest:
		return codes.InvalidArgument
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusConflict:
		return codes.Aborted
	case http.StatusRequestedRangeNotSatisfiable:
		return codes.OutOfRange
	case http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case 499:
		return codes.Canceled
	case http.StatusNotImplemented:
		return codes.Unimplemented
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return codes.Unavailable
	case http.StatusGatewayTimeout:
		return codes.DeadlineExceeded
	case http.StatusInternalServerError:
		return codes.Internal
	}
	if status >= 400 && status < 500 {
		return codes.FailedPrecondition
	}
	return codes.Unknown
}

func firstNonEmpty(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
