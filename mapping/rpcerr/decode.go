package rpcerr

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/openyuanrong/statusmap/mapping/internal/str"
)

// A Decoder reads errors out of received statuses. The zero value knows no catalogue, and
// still decodes domain, number, reason, class and text of any code. Its fields must not
// change after the first use; then it is safe for concurrent use, as long as Parse and
// Infer are.
type Decoder struct {
	// Catalogs are searched in order. Several may be of one domain; nil ones are empty.
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
//   - an *Error: that value, or, if d lists its code and it did not, one with that code;
//   - a [Code]: the error that it stands for, with err as its cause, unless err is the code
//     itself;
//   - an error with a GRPCStatus method that returns a status other than OK: what
//     [Decoder.FromStatus] makes of it, with err as its cause.
//
// The bool is false where there is none of these, and for nil.
func (d *Decoder) FromError(err error) (*Error, bool) {
	found := d.read(err, err) // what gRPC returns, without the cost of a walk
	if found == nil {
		Walk(err, func(node error) bool {
			found = d.read(node, err)
			return found == nil
		})
	}
	return found, found != nil
}

// read returns what a single error of the tree is, nil if it is none of these.
func (d *Decoder) read(node, tree error) *Error {
	switch x := node.(type) {
	case *Error:
		return d.resolve(x)
	case Code:
		if node != tree {
			return x.AsError().WithCause(tree)
		}
		return x.AsError()
	case interface{ GRPCStatus() *status.Status }:
		if e, ok := d.FromStatus(statusOf(x)); ok {
			e.cause = tree
			return e
		}
	}
	return nil
}

// statusOf asks an error for its status. One that panics, as typed nils do, has none.
func statusOf(err interface{ GRPCStatus() *status.Status }) (st *status.Status) {
	defer func() { _ = recover() }()
	return err.GRPCStatus()
}

// resolve returns e with the code of a catalogue that its first decoder did not know.
func (d *Decoder) resolve(e *Error) *Error {
	if e == nil || e.received == nil || e.code.IsZero() || e.code.Listed() {
		return e
	}
	if !d.code([]byte(e.code.Domain()), e.code.Number()).Listed() {
		return e
	}
	known, _ := d.FromStatus(e.sealed)
	known.origin, known.cause, known.rare = e.origin, e.cause, e.rare
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
// The gRPC code and the message are always those of the status, and GRPCStatus of the error
// returns st. Details that are damaged, or contradict each other, never cost the rest: the
// first of each type counts, as far as it can be read.
func (d *Decoder) FromStatus(st *status.Status) (*Error, bool) {
	if st.Code() == codes.OK {
		return nil, false
	}
	received := st.Proto()
	e := &Error{
		facts: facts{
			grpc:   codes.Code(received.GetCode()),
			class:  Never,
			origin: OriginTransport,
		},
		sealed:   st,
		received: received,
	}
	if len(received.Details) > 0 {
		d.readDetails(e)
	} else if d.Parse != nil {
		d.readText(e)
	}
	if e.code.IsZero() && d.Infer != nil {
		d.infer(e)
	}
	if !e.code.IsZero() && e.guess != inferred || fromPeer(e.grpc) {
		e.origin = OriginPeer
	}
	return e, true
}

// readDetails fills in what the details of the status say.
func (d *Decoder) readDetails(e *Error) {
	own := e.detail(errorInfoType)
	if own != nil {
		info := scanErrorInfo(own.Value)
		if info.number > 0 && isName(info.domain) {
			e.code = d.code(info.domain, info.number)
			e.requestID = validRequestID(string(info.requestID))
			e.trimmed = info.trimmed
			if !info.hinted {
				e.setRetry(e.code.Retry())
				return
			}
			e.setRetry(info.retry)
			e.arrival = hinted
			if info.retry.Class == Safe && e.detail(retryInfoType) == nil {
				e.arrival = passedOn
			}
			return
		}
	}
	d.readGoogleInfo(e)
}

// readGoogleInfo fills in what the standard details say, where ours names no code: a
// server in another language needs no more than them.
func (d *Decoder) readGoogleInfo(e *Error) {
	reason, domain := scanGoogleInfo(e.detail(googleInfoType).GetValue())
	c, ok := d.named(domain, string(reason))
	if !ok {
		return
	}
	e.code = c
	e.setRetry(c.Retry())
	if retryInfo := e.detail(retryInfoType); retryInfo != nil {
		e.setRetry(Retry{c.Retry().Class, scanRetryInfo(retryInfo.Value)})
	}
}

// readText looks for a code in the text of the status.
func (d *Decoder) readText(e *Error) {
	c := d.Parse(e.Message())
	if c.IsZero() {
		return
	}
	e.code, e.guess = c, parsed
	e.setRetry(c.Retry())
	if e.class == Safe { // a text says nothing about what was executed
		e.class = Idempotent
	}
}

// infer guesses the code by the gRPC code.
func (d *Decoder) infer(e *Error) {
	c := d.Infer(e.grpc)
	if c.IsZero() {
		return
	}
	e.code, e.guess = c, inferred
	// Of the gRPC codes by themselves only UNAVAILABLE says that another try may help
	// (AIP-194).
	if e.grpc == codes.Unavailable {
		e.setRetry(c.Retry())
		if retryInfo := e.detail(retryInfoType); retryInfo != nil {
			e.setRetry(Retry{e.class, scanRetryInfo(retryInfo.Value)})
		}
	}
}

// detail returns the first detail of a type in the status that e was received in, nil
// if there is none.
func (e *Error) detail(name string) *anypb.Any {
	for _, d := range e.received.Details {
		if isType(d.GetTypeUrl(), name) {
			return d
		}
	}
	return nil
}

// googleInfo returns the bytes of the google.rpc.ErrorInfo that speaks of the code of
// a received error, nil if there is none. One of another domain speaks of another
// error, and what a guess stands for has none.
func (e *Error) googleInfo() []byte {
	if e.said().IsZero() {
		return nil
	}
	if info := e.detail(googleInfoType).GetValue(); isOfDomain(info, e.code) {
		return info
	}
	return nil
}

// isOfDomain reports whether a google.rpc.ErrorInfo has the domain of a code.
func isOfDomain(info []byte, c Code) bool {
	_, domain := scanGoogleInfo(info)
	return string(domain) == c.Domain() || validName(domain) == c.Domain()
}

// receivedReason returns what the peer calls an unlisted code.
func (e *Error) receivedReason() string {
	if reason, _ := scanGoogleInfo(e.googleInfo()); isName(reason) {
		return validName(reason)
	}
	return ""
}

// maxName is AIP-193's bound on reasons, and ours on domains. A peer's longer one is none.
const maxName = 63

// isName reports whether b can be a domain or a reason.
func isName(b []byte) bool { return len(b) > 0 && len(b) <= maxName }

func validName(b []byte) string { return str.Cut(str.Valid(string(b)), maxName) }

// code returns the code of that domain and number, listed or not.
func (d *Decoder) code(domain []byte, number int32) Code {
	known := "" // not to make a string of the bytes
	for _, catalog := range d.Catalogs {
		if catalog.Domain() != string(domain) {
			continue
		}
		if c, ok := catalog.Lookup(number); ok {
			return c
		}
		known = catalog.Domain()
	}
	if known == "" {
		known = validName(domain)
	}
	return unlistedCode(known, number)
}

// named returns the code of that domain and reason, and whether a catalogue lists it.
func (d *Decoder) named(domain []byte, reason string) (Code, bool) {
	for _, catalog := range d.Catalogs {
		if catalog.Domain() != string(domain) {
			continue
		}
		if c, ok := catalog.LookupReason(reason); ok {
			return c, true
		}
	}
	return Code{}, false
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
