package interceptor_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor/internal/limits"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
)

// A plan is what happens in one call of the soak test, apart from what time and the
// network make of it. It follows from seed and id, so that the server and the client
// work it out each for itself, and that a failure can be looked at again.
type plan struct {
	seed, id   uint64
	client     int // of soakClients
	shape      int // of stubtest.Shapes
	idempotent bool
	wait       bool          // until there is a connection
	timeout    time.Duration // 0 for none
	cancel     time.Duration // after which the caller cancels the call, 0 for never
	requests   int           // messages that the client sends on a stream
	size       int           // of a message in bytes, more or less
}

const (
	unaryShape = iota // the indices of stubtest.Shapes
	clientStreamShape
	serverStreamShape
	bidiStreamShape
)

// random returns the source of what is decided about execution n of call id, or, with
// n 0, about the call itself.
func random(seed, id uint64, n int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, id<<8|uint64(n)))
}

func planOf(seed, id uint64) *plan {
	r := random(seed, id, 0)
	p := &plan{
		seed: seed, id: id,
		client:     min(r.IntN(len(soakClients)+2), len(soakClients)-1), // the last one three times as often
		shape:      r.IntN(4),
		idempotent: r.IntN(2) == 0,
		wait:       r.IntN(8) > 0,
		requests:   r.IntN(4),
		size:       r.IntN(1000),
	}
	switch r.IntN(20) {
	case 0:
		p.timeout = 1 // over before the call is made
	case 1, 2:
		p.timeout = time.Duration(r.Int64N(int64(20 * time.Millisecond)))
	case 3, 4:
		p.cancel = time.Duration(r.Int64N(int64(5 * time.Millisecond)))
	}
	return p
}

func (p *plan) name() string { return strconv.FormatUint(p.id, 10) }

func (p *plan) String() string {
	return fmt.Sprintf("seed %d, call %d, client %s, %s, idempotent %t, wait %t, timeout %v, cancelled after %v, %d requests",
		p.seed, p.id, soakClients[p.client].name, stubtest.Shapes()[p.shape].Name, p.idempotent, p.wait, p.timeout, p.cancel, p.requests)
}

// An ending is what one execution of a call does and how it ends.
type ending struct {
	kind     string
	messages int // that the server sends, or of a client stream receives, before the end
	// err is what the handler returns, nil for success. One of these may stand instead:
	err    error
	panics bool
	hangs  bool // until the call is over
	hangUp bool // it has the caller cancel the call, and then hangs
	// want is what the client gets; it is zero for success, and where the client has to
	// make up an error itself.
	want view
}

// A view is what a client sees of an error.
type view struct {
	Domain            string
	Number            int32
	Reason            string
	GRPC              codes.Code
	Message           string
	Metadata          map[string]string
	Retry             mapping.Retry
	Inferred, Trimmed bool
	RequestID         string
	Origin            mapping.Origin
	Details           []string
}

func (v view) equal(w view) bool { return reflect.DeepEqual(v, w) }

func viewOf(e *mapping.Error) view {
	v := view{
		Domain: e.Code().Domain(), Number: e.Code().Number(), Reason: e.Reason(), GRPC: e.GRPCCode(),
		Message: e.Message(), Metadata: e.Metadata(), Retry: e.Retry(),
		Inferred: e.Inferred(), Trimmed: e.Trimmed(), RequestID: e.RequestID(), Origin: e.Origin(),
	}
	for _, d := range e.GRPCStatus().Proto().GetDetails() {
		v.Details = append(v.Details, d.TypeUrl[strings.LastIndexByte(d.TypeUrl, '/')+1:])
	}
	return v
}

// succeeds is the kind of ending that is none of an error.
const succeeds = "success"

// ending returns what execution n, from 1, of the call does.
func (p *plan) ending(n int) ending {
	r := random(p.seed, p.id, n)
	end := ending{messages: r.IntN(4)}
	end.decide(p, n, r)
	switch {
	case end.kind == succeeds && p.shape != serverStreamShape, p.shape == bidiStreamShape:
		end.messages = min(end.messages, p.requests)
		if end.kind == succeeds {
			end.messages = p.requests
		}
	}
	return end
}

// decide fills in how the execution ends.
func (end *ending) decide(p *plan, n int, r *rand.Rand) {
	code, text := allCodes[r.IntN(len(allCodes))], fmt.Sprintf("第 %d 次调用, execution %d: 100%%", p.id, n)
	raised := p.view(code)
	// What clients repeat by themselves is not to take as long as the catalogue says.
	delay := time.Duration(r.IntN(3)) * time.Millisecond
	soon := func(e *mapping.Error) *mapping.Error { return e.RetryAfter(delay) }
	if raised.Retry.Class != mapping.Never {
		raised.Retry.Delay = delay
	}
	err := soon(code.AsError())

	switch draw := r.IntN(100); {
	case draw < 30:
		end.kind = succeeds
	case draw < 40:
		end.kind, end.err, end.want = "bare code", code, p.view(code)
		if soakClients[p.client].repeater != nobody {
			end.err, end.want = err, raised
		}
	case draw < 50:
		end.kind, end.err, end.want = "error with text and metadata", soon(code.Errorf("%s", text)).With("call", p.name(), "n", strconv.Itoa(n)), raised
		end.want.Message, end.want.Metadata = text, map[string]string{"call": p.name(), "n_": strconv.Itoa(n)}
	case draw < 54:
		end.kind, end.err, end.want = "error that was not executed", err.NotExecuted(), raised
		if raised.Retry.Class == mapping.Idempotent {
			end.want.Retry.Class = mapping.Safe
		}
	case draw < 57:
		end.kind, end.err, end.want = "error not to be repeated", err.DoNotRetry(), p.view(code)
		end.want.Retry = mapping.Retry{Class: mapping.Never}
		end.want.Details = []string{ourDetail, googleDetail}
	case draw < 61:
		end.kind, end.err, end.want = "error with a cause", err.WithCause(errSecret), raised
	case draw < 66:
		end.kind, end.err, end.want = "wrapped error", fmt.Errorf("secret of call %d: %w", p.id, err), raised
	case draw < 70:
		end.kind, end.err, end.want = "joined error", errors.Join(errSecret, err, sdk.ParamInvalid), raised
	case draw < 72:
		end.kind, end.err, end.want = "error with a detail", err.WithDetails(quota), raised
		end.want.Details = append(raised.Details, "google.rpc.QuotaFailure")
	case draw < 74:
		end.kind, end.err, end.want = "error too large", soon(limits.Talkative(code)), raised
		end.want.Trimmed = true
	case draw < 78:
		end.kind, end.err, end.want = "plain error", fmt.Errorf("call %d: %w", p.id, errSecret), p.hidden()
	case draw < 81:
		end.kind, end.panics, end.want = "panic", true, p.hidden()
	case draw < 83:
		end.kind, end.err, end.want = "claimed by a rule", fmt.Errorf("select: %w", sql.ErrNoRows), p.view(rest.KVNotFound)
	case draw < 89:
		c := codes.Code(1 + r.IntN(16))
		end.kind, end.err, end.want = "status", status.Error(c, text), plainView(c, text)
	case draw < 91:
		end.kind, end.err, end.want = "status in an error", fmt.Errorf("secret: %w", status.Error(codes.Aborted, text)), plainView(codes.Aborted, text)
	case draw < 93:
		end.kind, end.err, end.want = "unlisted code", p.unlisted(text), view{
			Domain: "soak.example", Number: int32(p.id) + 1, Reason: "SOAKED", GRPC: codes.Aborted, Message: text,
			Metadata: map[string]string{"call": p.name()}, Retry: mapping.Retry{Class: mapping.Never},
			RequestID: p.name(), Origin: mapping.OriginPeer, Details: []string{ourDetail, googleDetail},
		}
	case draw < 95:
		c, ended := codes.Canceled, context.Canceled
		if r.IntN(2) == 0 {
			c, ended = codes.DeadlineExceeded, context.DeadlineExceeded
		}
		end.kind, end.err, end.want = "error of a context", fmt.Errorf("secret: %w", ended), plainView(c, ended.Error())
	case draw < 97:
		end.kind, end.hangUp = "caller hangs up", true
	default:
		end.kind, end.hangs = "caller's time is over", true
		if p.timeout == 0 {
			end.kind, end.hangUp = "caller hangs up", true
		}
	}
}

var allCodes = slices.Collect(every)

// view is what the bare code gives in this call. All methods of the server are declared
// idempotent.
func (p *plan) view(c mapping.Code) view {
	v := view{
		Domain: c.Domain(), Number: c.Number(), Reason: c.Reason(), GRPC: c.GRPCCode(), Message: c.Description("en"), Retry: c.Retry(),
		RequestID: p.name(), Origin: mapping.OriginPeer, Details: []string{ourDetail, googleDetail},
	}
	if class := c.Retry().Class; class == mapping.Safe || class == mapping.Idempotent {
		v.Details = append(v.Details, retryDetail)
	}
	return v
}

// hidden is what everything gives of which the client may know nothing.
func (p *plan) hidden() view { return p.view(sdk.InnerSystemError) }

// plainView is what a status without a platform code gives, and what gRPC makes up.
func plainView(c codes.Code, message string) view {
	o := plainOutcome(c, message)
	v := view{
		Domain: o.Code.Domain(), Number: o.Code.Number(), Reason: o.Code.Reason(), GRPC: c, Message: message, Retry: o.Retry,
		Inferred: o.Inferred, Origin: mapping.OriginTransport,
	}
	switch c {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition, codes.Aborted, codes.OutOfRange, codes.DataLoss:
		v.Origin = mapping.OriginPeer // gRPC itself makes none of these
	}
	return v
}

// unlisted returns a status with a code that no catalogue has, another one in every
// call.
func (p *plan) unlisted(text string) error {
	return statusWith(codes.Aborted, text,
		&errorsv1.ErrorInfo{
			Domain: "soak.example", Number: int32(p.id) + 1, RequestId: p.name(),
			Retry: &errorsv1.RetryHint{Class: errorsv1.RetryClass_RETRY_CLASS_NEVER},
		},
		&errdetails.ErrorInfo{Domain: "soak.example", Reason: "SOAKED", Metadata: map[string]string{"call": p.name()}},
	).Err()
}
