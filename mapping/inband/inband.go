// Package inband reads and writes the errors of services that put a code into the reply of
// a call that ends OK. Package interceptor uses it on a client with WithInBand and on a
// server with WithInBandReplies. For streams on which several calls are multiplexed,
// [Format.FromReply] reads one message.
//
// # Invariants
//
//   - 0 is no error; any other number is one, whether a catalogue lists it or not, unless
//     Success says otherwise.
//   - The reply stays reachable from the error, and is not changed.
//   - What NewReply writes, FromReply reads back as an error of the same code.
package inband

import (
	"fmt"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/internal/told"
)

// A Format says how the replies of a service carry the code of an error while the
// call itself ends OK. It reads such replies, and writes them for callers that know
// nothing else. The zero value is ready to use and fits the services of openYuanrong.
// Its fields must not change after the first use; then it is safe for concurrent use.
// It must not be copied after the first use.
//
// Unless Extract is set, a reply is read by the shape of its type. It carries a code
// where it has a field "code", an enum or an integer, together with a string
// "message". So does a nested message that one of the fields in Nested holds. Beside
// them a bool "retryable" and a string "retryReason" (or "retry_reason") are read. An
// enum counts only if one of its numbers is in a catalogue: a health report has a
// "code" too, and is no error. A google.rpc.Status is not read, because its numbers
// are those of gRPC.
//
// The first code that is not 0 counts: that of the reply itself, then those of the
// nested messages in the order of Nested.
//
// Only the shape counts: any reply with an integer "code" and a string "message" is read,
// whoever declared it. If such a code means something else, such as that of a voucher, or
// if success is another number than 0, such as 200, every call would fail: set Extract
// then. Success does not help, because it names codes of catalogues and not numbers.
type Format struct {
	// Catalogs give the numbers their meaning: the first that lists a number decides, and
	// one that none lists belongs to the first. Empty means that of package sdk, so by
	// default codes of package rest and codes of your own are neither written into replies
	// nor read out of them. Catalogues given here replace it: to know all, name
	// rest.Catalog(), yours and sdk.Catalog(), in the order in which they are to count.
	// Nil ones are ignored.
	Catalogs []*mapping.Catalog
	// Nested names the fields whose messages are looked into, in proto style or in
	// JSON style, in this order. Empty means "status", then "callResult".
	Nested []string
	// Success names, by the full name of a method ("/package.Service/Method", of which the
	// first slash may be missing), the codes that are a success of that method: to kill an
	// instance that is not there, for example. It is about reading: a status with such a
	// code stays an error. If the number of success is not 0, use Extract.
	Success map[string][]mapping.Code
	// Extract, if set, reads all replies, in place of the shape. It is called for every
	// reply of every method, also for those that are no protobuf messages, and may be
	// called concurrently. An Outcome without a number is a success. A panic in it is one
	// in the call.
	Extract func(reply any) Outcome

	once      sync.Once
	known     settings
	generated readers[uintptr]                        // by Go type
	others    readers[protoreflect.MessageDescriptor] // of Go types that stand for many
}

// An Outcome is what a reply says about its call.
type Outcome struct {
	// Number is the code, 0 for success. One that no code can have, because it is
	// negative or larger than an int32, gives an error whose text says the number and
	// whose code is inferred: sdk.InnerSystemError, as for a status UNKNOWN, of class
	// NEVER.
	Number int64
	// Message is the reply's text; with an empty one the error has the catalogue's.
	Message string
	// Retryable is what the reply says about a repetition, nil if it says nothing.
	Retryable *bool
	// RetryReason says why, in the platform's words.
	RetryReason string
}

// The reasons in the platform's replies that say whether the call was executed.
const (
	preDispatch         = "pre-dispatch"          // it was not
	postDispatchUnknown = "post-dispatch-unknown" // nobody knows
)

// settings are the catalogues in force and the decoder that knows them, made at first use.
type settings struct {
	catalogs []*mapping.Catalog
	decoder  *mapping.Decoder
}

func (f *Format) settings() *settings {
	f.once.Do(func() {
		f.known.catalogs = f.Catalogs
		if told.NoneIn(f.known.catalogs) {
			f.known.catalogs = []*mapping.Catalog{sdk.Catalog()}
		}
		f.known.decoder = mapping.NewDecoder(f.known.catalogs...)
	})
	return &f.known
}

// FromReply returns the error that a reply carries, and whether it carries one. The method
// is the full name of the reply's method; it is only looked up in Success and may be empty.
// FromReply itself never ends a stream, so it also suits messages of streams on which
// several calls are multiplexed.
//
// The error has origin [mapping.OriginPeer] and unwraps to a [*Reply]. For a number that no
// code can have, the code is inferred, as [Outcome] says. The retry class is the code's,
// refined by what the reply says:
//
//   - with the reason "post-dispatch-unknown" SAFE becomes IDEMPOTENT;
//   - not retryable otherwise: SAFE and IDEMPOTENT become NEVER;
//   - retryable with the reason "pre-dispatch": nothing was executed, so IDEMPOTENT
//     becomes SAFE;
//   - retryable otherwise: as the code has it, because senders set the flag for calls
//     that were executed, and for codes that no repetition helps.
//
// NEVER stays whatever the reply says, and so does HIGHER_LEVEL, which does not repeat
// this call.
//
// A reply that carries no error, of a type that was seen before, costs neither an
// allocation nor a lock, except what protobuf itself does to decode lazy fields.
func (f *Format) FromReply(method string, reply any) (*mapping.Error, bool) {
	if f.Extract != nil {
		if outcome := f.Extract(reply); outcome.Number != 0 {
			return f.fail(method, reply, outcome)
		}
		return nil, false
	}
	m, ok := reply.(proto.Message)
	if !ok {
		return nil, false
	}
	if p := f.readerOf(m).failed(m); p != nil {
		return f.fail(method, reply, p.outcome(m.ProtoReflect()))
	}
	return nil, false
}

// fail makes the error of an outcome, unless the method counts it as a success.
func (f *Format) fail(method string, reply any, o Outcome) (*mapping.Error, bool) {
	set := f.settings()
	t := told.OfNumber(set.catalogs, o.Number, o.Message)
	success := f.Success[method]
	if success == nil {
		success = f.Success[strings.TrimPrefix(method, "/")]
	}
	for _, c := range success {
		if c.Number() == t.Number && c.Domain() == t.Domain {
			return nil, false
		}
	}
	t.Retry = o.refine(t.Retry)
	e := t.Decode(set.decoder).WithOrigin(mapping.OriginPeer) // whatever the number is, the peer has sent it
	return e.WithCause(&Reply{Reply: reply, RetryReason: o.RetryReason}), true
}

// refine returns the retry hint of the code as far as the reply knows better.
func (o Outcome) refine(r mapping.Retry) mapping.Retry {
	switch {
	case r.Class == mapping.Never, r.Class == mapping.HigherLevel:
	case o.RetryReason == postDispatchUnknown:
		r.Class = mapping.Idempotent
	case o.Retryable == nil:
	case !*o.Retryable:
		r = mapping.Retry{Class: mapping.Never}
	case o.RetryReason == preDispatch:
		r.Class = mapping.Safe
	}
	return r
}

// A Reply is the reply that an error came in: the cause of the [mapping.Error], where
// [errors.As] finds it. The platform puts data beside the code.
type Reply struct {
	// Reply is the message itself, not a copy.
	Reply any
	// RetryReason is what the reply says about a repetition, "" if nothing.
	RetryReason string
}

// Error says what type of reply carried the error.
func (r *Reply) Error() string {
	if m, ok := r.Reply.(proto.Message); ok {
		return "code in a reply of type " + string(m.ProtoReflect().Descriptor().FullName())
	}
	return fmt.Sprintf("code in a reply of type %T", r.Reply)
}

// NewReply returns a reply of the type that carries e, for callers that read codes in
// replies: with code, message and, if there are such fields, retryable and the reason. It
// is retryable only if repeating the very call is safe: for class SAFE, and for IDEMPOTENT
// if the method is declared idempotent.
//
// The bool is false if the caller could not recognise the error in a reply: if the type has
// no place for a code, if e has no code or only a guess of one, if its number is not above
// 0, if its domain is not the one that FromReply would give to the number (with the zero
// Format, any but that of sdk), or if the field is a closed enum without the number. Then
// the error has to travel as a status.
func (f *Format) NewReply(t protoreflect.MessageType, e *mapping.Error, idempotent bool) (proto.Message, bool) {
	if t == nil || e == nil || e.Code().IsZero() || e.Guessed() || !f.means(e.Code()) {
		return nil, false
	}
	reply := t.New()
	places := f.readerOf(reply.Interface()).shape
	if len(places) == 0 || !places[0].write(reply, e, idempotent) || proto.CheckInitialized(reply.Interface()) != nil {
		return nil, false
	}
	return reply.Interface(), true
}

// means reports whether the number of a code means that code where a reply is read. 0 is
// success there, and what is below it is no code.
func (f *Format) means(c mapping.Code) bool {
	_, domain := told.Lookup(f.settings().catalogs, c.Number())
	return domain == c.Domain() && c.Number() > 0
}
