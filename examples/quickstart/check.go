package main

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/status"

	faultv1 "github.com/openyuanrong/statusmap/examples/internal/pb/fault/v1"
	"github.com/openyuanrong/statusmap/mapping"
)

// A mismatch is one call that did not end as it should have.
type mismatch struct {
	code  mapping.Code
	shape string
	what  []string
}

// String names everything that was wrong, in one line.
func (m mismatch) String() string {
	text := fmt.Sprintf("%s %d, %s:", m.code.Domain(), m.code.Number(), m.shape)
	for i, what := range m.what {
		if i > 0 {
			text += ";"
		}
		text += " " + what
	}
	return text
}

// A tally counts calls.
type tally struct{ codes, sent, recognised int }

// count adds the calls for one code.
func (t *tally) count(wrong []mismatch) {
	t.codes++
	t.sent += shapeCount
	t.recognised += shapeCount - len(wrong)
}

// try has the server raise a code in each kind of RPC. It returns the error as the
// unary call got it, nil if it got none, and what was wrong.
func try(ctx context.Context, client faultv1.FaultServiceClient, code mapping.Code) (received *mapping.Error, wrong []mismatch) {
	fault := &faultv1.Fault{Domain: code.Domain(), Number: code.Number()}
	for i, shape := range shapes() {
		err := shape.call(ctx, client, fault)
		if what := differences(code, err); len(what) > 0 {
			wrong = append(wrong, mismatch{code, shape.name, what})
		}
		if i == 0 {
			received, _ = mapping.FromError(err)
		}
	}
	return received, wrong
}

// differences compares the error that a client got with what the catalogue says about
// the code that the server raised.
func differences(want mapping.Code, err error) []string {
	e, ok := mapping.FromError(err)
	if !ok {
		return []string{fmt.Sprintf("the call ended with %q, which is no gRPC error", err)}
	}
	var what []string
	compare := func(name string, got, want any) {
		if got != want {
			what = append(what, fmt.Sprintf("%s is %v, want %v", name, got, want))
		}
	}
	compare("domain", e.Code().Domain(), want.Domain())
	compare("number", e.Code().Number(), want.Number())
	compare("reason", e.Reason(), want.Reason())
	compare("gRPC code", status.Code(err), want.GRPCCode())
	compare("retry class", e.Retry().Class, want.Retry().Class)
	compare("retry delay", e.Retry().Delay, want.Retry().Delay)
	compare("text", e.Message(), want.Description("en"))
	compare("inferred", e.Inferred(), false)
	compare("errors.Is", errors.Is(err, want), true)
	compare("==", e.Code() == want, true)
	return what
}
