package mapping_test

import (
	"bytes"
	stdcmp "cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// FuzzRoundTrip maps error trees of any shape, sends what comes of them, and reads on
// the other side what [mapping.Mapper.Map] promises of the tree.
func FuzzRoundTrip(f *testing.F) {
	long := strings.Repeat("值", 1200)
	for _, seed := range []struct {
		steps            []byte
		text, key, value string
		budget           int
	}{
		{nil, "", "", "", 0},
		{[]byte{1, 2}, "", "", "", 0},
		{[]byte{2, 2, 1, 2, 0, 3, 3, 200, 20}, "no instance", "instance", "a1", 0},
		{[]byte{2, 1, 2, 0, 255, 2, 1, 255, 2, 2, 255, 2, 3, 255}, long, "key", long, rpcerr.MinBudget},
		{[]byte{4, 4, 4, 5, 0, 9, 0, 2, 19, 1}, "wrapped\n", "_", "%", 7168},
		{[]byte{7, 17}, "17", "a/b", long, 2000},
		{[]byte{5, 8, 0, 8, 1, 1, 2}, "context", "", "", 0},
		{[]byte{6, 50, 6, 30, 10, 3, 1}, "cause", "Key", "v", 0},
		{[]byte{10, 21, 6, 1, 2, 9, 200}, long, "key", long, 0},
		{[]byte{11, 14}, "down", "", "", 0},
	} {
		f.Add(seed.steps, seed.text, seed.key, seed.value, seed.budget)
	}
	mapper := &mapping.Mapper{Rules: []mapping.Rule{mapping.WhenIs(context.Canceled, rest.EtcdError)}}
	f.Fuzz(func(t *testing.T, steps []byte, text, key, value string, budget int) {
		if len(text)+len(key)+len(value) > maxFuzzInput || strings.Contains(text+key+value, secret) {
			return
		}
		b := &builder{steps: steps, text: text, key: key, value: value, left: 30}
		err := b.tree()
		wire := b.wire(budget)
		mapped := mapper.Map(context.Background(), err)
		b.checkMapped(t, err, mapped)
		b.checkRead(t, err)

		sealed := mapped.Seal(wire)
		got := throughWire(t, sealed, budgetOf(wire))
		if !mapped.Code().IsZero() {
			if got, want := identityOf(got), identityOf(mapped).sent(); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if want := stdcmp.Or(mapped.RequestID(), sealed.RequestID()); got.RequestID() != want || want == "" && mapped.Origin() == mapping.OriginLocal && strings.ToValidUTF8(wire.RequestID, "?") != "" {
				t.Errorf("request id %q, want %q", got.RequestID(), want)
			}
			if got.Trimmed() != sealed.Trimmed() {
				t.Errorf("trimmed %v, sent was %v", got.Trimmed(), sealed.Trimmed())
			}
			checkKept(t, mapped, wire, got)
			checkOrder(t, sealed.GRPCStatus().Proto().Details)
		} else if want := identityOf(mapped).sent().grpc; got.GRPCCode() != want || !strings.HasPrefix(mapped.Message(), got.Message()) || !sealed.Trimmed() && mapped.Message() != got.Message() {
			t.Errorf("got %v %q, want %v %q", got.GRPCCode(), got.Message(), want, mapped.Message())
		}
		wireBytes := encoded(sealed.GRPCStatus().Proto())
		if bytes.Contains(wireBytes, []byte(secret)) {
			t.Errorf("what is not for the peer crosses: %q", wireBytes)
		}

		// An equal tree gives equal bytes, and so does what is sealed already.
		twin := &builder{steps: steps, text: text, key: key, value: value, left: 30}
		if again := encoded(mapper.Map(context.Background(), twin.tree()).Seal(wire).GRPCStatus().Proto()); !bytes.Equal(again, wireBytes) {
			t.Errorf("%q, and then %q", wireBytes, again)
		}
		if again := encoded(sealed.Seal(wire).GRPCStatus().Proto()); mapped.Origin() == mapping.OriginLocal && !bytes.Equal(again, wireBytes) {
			t.Errorf("sealed again %q, first %q", again, wireBytes)
		}
	})
}

// checkOrder holds the details of a status that is made here to their order.
func checkOrder(t *testing.T, details []*anypb.Any) {
	isA := func(name string) func(*anypb.Any) bool {
		return func(a *anypb.Any) bool { return strings.HasSuffix("/"+a.TypeUrl, "/"+name) }
	}
	own, google := slices.IndexFunc(details, isA(ownType)), slices.IndexFunc(details, isA(googleType))
	if own == 0 && google < 0 {
		return // it came so
	}
	if retry := slices.IndexFunc(details, isA(retryType)); own != 0 || google != 1 || retry >= 0 && retry != 2 {
		t.Errorf("the details of ours are number %d, %d and %d", own, google, retry)
	}
}

// secret stands in texts that are for nobody else.
const secret = "SECRET-"

// A builder makes an error tree of bytes: each takes a step.
type builder struct {
	steps      []byte
	text       string
	key, value string
	left       int // errors that may still be made

	made int // errors, in the order in which they are looked at
	// What is to come of the first of them that matches, nil if none does.
	maps, reads *outcome
}

// An outcome is what becomes of one error.
type outcome struct {
	code    mapping.Code
	grpc    codes.Code
	message string
	retry   mapping.Retry
}

func outcomeOf(e *mapping.Error) *outcome {
	return &outcome{e.Code(), e.GRPCCode(), e.Message(), e.Retry()}
}

// lookedAt is how many errors of a tree count.
const lookedAt = 1000

// checkMapped holds the result of Map to the outcome.
func (b *builder) checkMapped(t *testing.T, err error, mapped *mapping.Error) {
	want := b.maps
	if want == nil {
		want = outcomeOf(sdk.InnerSystemError.AsError())
	}
	if mapped == nil {
		t.Fatalf("%v became nil", err)
	}
	if got := outcomeOf(mapped); *got != *want {
		t.Errorf("%v became %+v, want %+v", err, got, want)
	}
	if _, bare := err.(mapping.Code); !bare && mapped != err && errors.Unwrap(mapped) != err {
		if raised, ok := err.(*mapping.Error); !ok || raised.Code() != mapped.Code() { // without its DebugInfo
			t.Errorf("%v does not unwrap to %v", mapped, err)
		}
	}
}

// checkRead holds the result of FromError to the outcome.
func (b *builder) checkRead(t *testing.T, err error) {
	e, ok := mapping.FromError(err)
	want := b.reads
	if ok != (want != nil) || ok != (e != nil) {
		t.Fatalf("FromError(%v) = %v, %v; want %+v", err, e, ok, want)
	}
	if ok && *outcomeOf(e) != *want {
		t.Errorf("FromError(%v) = %+v, want %+v", err, outcomeOf(e), want)
	}
}

func (b *builder) next() byte {
	if len(b.steps) == 0 {
		return 0
	}
	s := b.steps[0]
	b.steps = b.steps[1:]
	return s
}

// wire says how the error is to be sent.
func (b *builder) wire(budget int) rpcerr.Wire {
	wire := rpcerr.Wire{RequestID: "r", Budget: budget}
	step := b.next()
	wire.CodeInMetadata = step >= 64 && step < 128
	switch step % 4 {
	case 1:
		wire.Idempotent = true
	case 2:
		wire.RequestID = b.value
	case 3:
		wire.Details = []proto.Message{aDetail, nil}
		wire.Idempotent = step >= 128
	}
	return wire
}

// allCodes are the 109.
var allCodes = func() (all []mapping.Code) {
	for catalog := range mapping.Catalogs() {
		all = slices.AppendSeq(all, catalog.All())
	}
	return all
}()

func (b *builder) code() mapping.Code { return allCodes[int(b.next())%len(allCodes)] }

// platform returns an error with a code and what its raiser may say about it.
func (b *builder) platform() *mapping.Error {
	e := b.code().Errorf("%s", b.text)
	for range 4 {
		switch b.next() % 9 {
		case 0:
			return e
		case 1:
			e = e.With(b.key, b.value)
		case 2:
			e = e.With(b.key+string(rune('a'+b.next()%26)), strings.Repeat(b.value, 1+int(b.next())%(1+4*maxFuzzInput/(1+len(b.value)))))
		case 3:
			e = e.RetryAfter(time.Duration(b.next()) << (b.next() % 64))
		case 4:
			e = e.NotExecuted()
		case 5:
			e = e.DoNotRetry()
		case 6:
			e = e.WithDetails(&errdetails.DebugInfo{Detail: secret}, &errdetails.ErrorInfo{Reason: secret})
		case 7:
			e = e.WithDetails(&errdetails.Help{}, &errdetails.QuotaFailure{})
		case 8:
			e = e.WithRequestID(b.value)
		}
	}
	return e
}

// is notes what becomes of the next error of the tree: what Map and FromError make of
// it, nil where they go on.
func (b *builder) is(maps, reads *outcome) {
	if b.made++; b.made > lookedAt {
		return
	}
	if b.maps == nil {
		b.maps = maps
	}
	if b.reads == nil {
		b.reads = reads
	}
}

// none notes errors that match nothing.
func (b *builder) none(n int) { b.made += n }

// both notes an error that is mapped to itself.
func (b *builder) both(e *mapping.Error) { b.is(outcomeOf(e), outcomeOf(e)) }

func (b *builder) tree() error {
	if b.left--; b.left < 0 {
		b.none(1)
		return errors.New(secret + b.text)
	}
	switch b.next() % 16 {
	case 0:
		b.none(1)
		return errors.New(secret + b.text)
	case 1:
		c := b.code()
		b.both(c.AsError())
		return c
	case 2, 3:
		e := b.platform()
		b.both(e)
		return e
	case 4:
		b.none(1)
		return fmt.Errorf("%s%s: %w", secret, b.text, b.tree())
	case 5:
		b.none(1)
		return errors.Join(b.tree(), b.tree(), b.tree())
	case 6:
		c := b.code()
		b.both(c.Errorf("%s", b.value))
		return c.Wrapf(b.tree(), "%s", b.value)
	case 7:
		return b.grpc()
	case 8:
		if b.next()%2 == 0 {
			b.is(outcomeOf(rest.EtcdError.AsError()), nil) // the rule
			return context.Canceled
		}
		b.is(outcomeOf(rpcerr.Plain(codes.DeadlineExceeded, context.DeadlineExceeded.Error())), nil)
		return context.DeadlineExceeded
	case 9:
		b.none(1)
		return []error{(*mapping.Error)(nil), mapping.Code{}, (*silent)(nil), statusError{nil}}[b.next()%4]
	case 10:
		e, _ := mapping.FromStatus(b.platform().GRPCStatus())
		b.is(ruled(e, outcomeOf(e)), outcomeOf(e))
		return e
	case 11:
		return b.received()
	case 12:
		where := b.next() % 6
		b.none(1)
		if where == panicUnwrap {
			return panics{where, nil}
		}
		return panics{where, b.tree()}
	case 13: // as deep as it goes, and deeper
		layers := int(b.next()) * 5
		b.none(layers)
		err := b.tree()
		for range layers {
			err = layer{err}
		}
		return err
	case 14: // a ring
		b.none(1)
		ring := &several{errs: []error{nil, b.tree(), nil}}
		ring.errs[2] = ring
		b.none(lookedAt)
		return ring
	default: // as wide as it goes
		b.none(1)
		wide := &several{slices.Repeat([]error{errPlain}, int(b.next())*5)}
		b.none(len(wide.errs))
		wide.errs = append(wide.errs, b.tree())
		return wide
	}
}

// grpc returns an error with a gRPC status, as gRPC and others make them.
func (b *builder) grpc() error {
	st := status.FromProto(&spb.Status{Code: int32(b.next()) % 20, Message: b.text, Details: []*anypb.Any{{TypeUrl: b.key, Value: []byte(b.value)}}})
	e, ok := mapping.FromStatus(st)
	switch {
	case !ok:
		b.none(1)
	case e.Code().IsZero() || e.Inferred():
		b.is(&outcome{grpc: e.GRPCCode(), message: e.Message(), retry: mapping.Retry{Class: mapping.Never}}, outcomeOf(e))
	default:
		b.both(e)
	}
	return statusError{st}
}

// received returns an error that another service sent without a platform code.
func (b *builder) received() error {
	e, ok := mapping.FromStatus(status.New(codes.Code(b.next()%20), secret+b.text))
	if !ok {
		b.none(1)
		return mapping.Code{}
	}
	relayed := outcomeOf(sdk.InnerSystemError.AsError().DoNotRetry())
	switch e.GRPCCode() {
	case codes.Unavailable:
		relayed = outcomeOf(sdk.InnerCommunication.AsError())
	case codes.DeadlineExceeded, codes.Canceled:
		relayed = outcomeOf(sdk.InnerCommunication.AsError().DoNotRetry())
	}
	b.is(ruled(e, relayed), outcomeOf(e))
	return e
}

// ruled returns what the rule says to a received error, else the outcome.
func ruled(e *mapping.Error, o *outcome) *outcome {
	if e.GRPCCode() == codes.Canceled {
		return outcomeOf(rest.EtcdError.AsError())
	}
	return o
}

var errPlain = errors.New(secret)

type statusError struct{ st *status.Status }

func (e statusError) Error() string              { return secret }
func (e statusError) GRPCStatus() *status.Status { return e.st }

// A silent panics, as typed nils do.
type silent struct{}

func (*silent) Error() string              { panic(secret) }
func (*silent) GRPCStatus() *status.Status { panic(secret) }

type layer struct{ err error }

func (l layer) Error() string { return secret }
func (l layer) Unwrap() error { return l.err }

type several struct{ errs []error }

func (s *several) Error() string   { return secret }
func (s *several) Unwrap() []error { return s.errs }

const (
	panicError = iota
	panicIs
	panicAs
	panicStatus
	panicUnwrap
)

// A panics wraps an error, and panics in one of its methods.
type panics struct {
	where byte
	err   error
}

func (p panics) in(where byte) {
	if p.where == where {
		panic(secret)
	}
}

func (p panics) Error() string              { p.in(panicError); return secret }
func (p panics) Is(error) bool              { p.in(panicIs); return false }
func (p panics) As(any) bool                { p.in(panicAs); return false }
func (p panics) GRPCStatus() *status.Status { p.in(panicStatus); return nil }
func (p panics) Unwrap() error              { p.in(panicUnwrap); return p.err }
