package rpcerr

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	spb "google.golang.org/genproto/googleapis/rpc/status"
)

// A Decoder reads errors out of received statuses. It holds the catalogues that
// it knows. The zero value knows none: it still decodes domain, number, reason,
// class and text of any code.
type Decoder struct {
	// Catalogs are searched by their domains, in order.
	Catalogs []*Catalog
	// Parse, if set, looks for a code in the message of a status without details, and
	// returns the zero Code if it finds none.
	Parse func(message string) Code
	// Infer, if set, returns the code to be assumed for a status that carries only
	// a gRPC code, or the zero Code.
	Infer func(codes.Code) Code
}

// FromError returns the outermost platform error or status in err, outermost
// first and depth first through [errors.Join]:
//
//   - an *Error: that value, with its code looked up if only d lists it;
//   - a [Code]: the error it stands for;
//   - an error with a GRPCStatus method that returns a status other than OK: what
//     [Decoder.FromStatus] makes of it, with err as its cause.
//
// The bool is false where there is none of these, and for nil.
func (d *Decoder) FromError(err error) (*Error, bool) {
	if e, ok := err.(*Error); ok && e != nil {
		return d.resolve(e), true
	}
	var found *Error
	Walk(err, func(node error) bool {
		switch x := node.(type) {
		case *Error:
			found = d.resolve(x)
		case Code:
			found = x.AsError()
		case interface{ GRPCStatus() *status.Status }:
			if st := x.GRPCStatus(); st.Code() != codes.OK {
				found, _ = d.FromStatus(st)
				found.cause = err
			}
		}
		return found == nil
	})
	return found, found != nil
}

// resolve returns e with the code of a catalogue that its first decoder did not know.
func (d *Decoder) resolve(e *Error) *Error {
	if e == nil || e.received == nil || e.code.IsZero() || e.code.Listed() {
		return e
	}
	if !d.code([]byte(e.code.Domain()), e.code.Number()).Listed() {
		return e
	}
	known, _ := d.FromStatus(e.status.Load())
	known.origin, known.cause, known.attempts = e.origin, e.cause, e.attempts
	return known
}

// FromStatus returns the error that a status carries:
//
//   - nil or code OK: nil and false;
//   - a status with our detail: its domain, number, retry hint, request id, with
//     reason and metadata out of google.rpc.ErrorInfo;
//   - a status with only a google.rpc.ErrorInfo of a known domain and reason: that
//     code with its catalogue's retry hint;
//   - a status without details in whose message Parse finds a code: that code;
//   - any other status: the inferred code, if there is one, else no code.
//
// The gRPC code and the message are always those of the status, and GRPCStatus of
// the error returns st. Details that contradict each other, or that are damaged,
// never cost the rest: the first of each type counts, and what of it can be read.
func (d *Decoder) FromStatus(st *status.Status) (*Error, bool) {
	if st.Code() == codes.OK {
		return nil, false
	}
	received := st.Proto()
	e := &Error{
		grpc:     codes.Code(received.GetCode()),
		retry:    Retry{Class: Never},
		message:  validUTF8(received.GetMessage()),
		origin:   OriginTransport,
		received: received,
	}
	e.status.Store(st)
	if len(received.Details) > 0 {
		d.readDetails(e, received)
	} else if d.Parse != nil {
		if c := d.Parse(e.message); !c.IsZero() {
			e.code, e.retry, e.parsed = c, c.Retry(), true
			if e.retry.Class == Safe { // a text says nothing about what was executed
				e.retry.Class = Idempotent
			}
		}
	}
	if e.code.IsZero() && d.Infer != nil {
		if c := d.Infer(e.grpc); !c.IsZero() {
			e.code, e.inferred = c, true
			// Of the gRPC codes by themselves only UNAVAILABLE says that another try may
			// help (AIP-194).
			if e.grpc == codes.Unavailable {
				e.retry = c.Retry()
				if delay, ok := retryInfoOf(received); ok {
					e.retry = Retry{e.retry.Class, delay}.normal()
				}
			}
		}
	}
	if !e.code.IsZero() && !e.inferred || fromPeer(e.grpc) {
		e.origin = OriginPeer
	}
	return e, true
}

// readDetails fills in what the details of the status say.
func (d *Decoder) readDetails(e *Error, st *spb.Status) {
	var own, google, retryInfo []byte
	for _, detail := range st.Details {
		switch url, value := detail.GetTypeUrl(), detail.GetValue(); typeName(url) {
		case errorInfoType:
			own = firstOf(own, value)
		case googleInfoType:
			google = firstOf(google, value)
		case retryInfoType:
			retryInfo = firstOf(retryInfo, value)
		}
	}
	info := scanErrorInfo(own)
	hint, hinted := info.retry, info.hinted
	reason, domain := scanGoogleInfo(google)
	switch {
	case info.number > 0 && isName(info.domain):
		e.code = d.code(info.domain, info.number)
		e.requestID = validRequestID(string(info.requestID))
		e.trimmed = info.trimmed
		e.hinted = hinted
		e.passedOn = hinted && hint.Class == Safe && retryInfo == nil
		// A google.rpc.ErrorInfo of another domain speaks of another error.
		if string(domain) == string(info.domain) {
			e.info = google
			if !e.code.Listed() && isName(reason) {
				e.reason = validName(reason)
			}
		}
	case google != nil:
		catalog := d.catalog(domain)
		if catalog == nil {
			return
		}
		c, ok := catalog.LookupReason(string(reason))
		if !ok {
			return
		}
		e.code, e.info = c, google
		hinted = false // a detail of ours that names no code says nothing
		if retryInfo != nil {
			hint, hinted = Retry{c.Retry().Class, scanRetryInfo(retryInfo)}, true
		}
	default:
		return
	}
	if !hinted {
		hint = e.code.Retry()
	}
	e.retry = hint.normal()
}

// retryInfoOf returns the delay that a status of another service asks for.
func retryInfoOf(st *spb.Status) (time.Duration, bool) {
	for _, detail := range st.Details {
		if typeName(detail.GetTypeUrl()) == retryInfoType {
			return scanRetryInfo(detail.GetValue()), true
		}
	}
	return 0, false
}

// firstOf keeps the first detail of a type. An empty one is present too.
func firstOf(first, value []byte) []byte {
	switch {
	case first != nil:
		return first
	case value == nil:
		return []byte{}
	}
	return value
}

// isName reports whether b can be a domain or a reason.
func isName(b []byte) bool { return len(b) > 0 && len(b) <= maxName }

func validName(b []byte) string { return cut(validUTF8(string(b)), maxName) }

// code returns the code of that domain and number, listed or not.
func (d *Decoder) code(domain []byte, number int32) Code {
	if catalog := d.catalog(domain); catalog != nil {
		if c, ok := catalog.Lookup(number); ok {
			return c
		}
		return unlistedCode(catalog.domain, number)
	}
	return unlistedCode(validName(domain), number)
}

// catalog returns the catalogue of that domain, or nil.
func (d *Decoder) catalog(domain []byte) *Catalog {
	for _, c := range d.Catalogs {
		if c != nil && c.domain == string(domain) {
			return c
		}
	}
	return nil
}

// fromPeer reports whether c is one of the codes that gRPC libraries never make
// by themselves, so that the application at the other end did.
func fromPeer(c codes.Code) bool {
	switch c {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition,
		codes.Aborted, codes.OutOfRange, codes.DataLoss:
		return true
	}
	return false
}
