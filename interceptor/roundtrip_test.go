package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
)

// every yields all codes of the platform.
func every(yield func(mapping.Code) bool) {
	for catalog := range mapping.Catalogs() {
		for c := range catalog.All() {
			if !yield(c) {
				return
			}
		}
	}
}

// TestEveryCodeCrosses raises each code of both catalogues in each shape, and reads
// it with and without the client interceptors.
func TestEveryCodeCrosses(t *testing.T) {
	var raised mapping.Code // set between calls only
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { return raised }), interceptor.ServerOptions()...)
	clients := map[string]client{
		"with our client": stubtest.Dial(t, addr, interceptor.DialOptions()...),
		"stock client":    stubtest.Dial(t, addr),
	}
	ctx := stubtest.Context(t)
	var isThere map[mapping.Code]int
	for name, c := range clients {
		for _, shape := range stubtest.Shapes() {
			t.Run(name+"/"+shape.Name, func(t *testing.T) {
				isThere = map[mapping.Code]int{}
				n := 0
				for code := range every {
					n++
					raised = code
					err := shape.Call(ctx, c)
					checkBare(t, err, code)
					if e, ok := mapping.FromError(err); ok {
						isThere[e.Code()]++
					}
					if _, typed := err.(*mapping.Error); typed != (name == "with our client") {
						t.Errorf("%v: the client got a %T", code, err)
					}
				}
				if len(isThere) != n || n < 109 {
					t.Errorf("as map keys the decoded codes are %d, want as many as were raised, %d", len(isThere), n)
				}
			})
		}
	}
}

// checkBare reports whether err, as a client got it, is what the bare code stands for.
func checkBare(t *testing.T, err error, want mapping.Code) {
	t.Helper()
	e, ok := mapping.FromError(err)
	if !ok {
		t.Errorf("%v: FromError(%v) found nothing", want, err)
		return
	}
	if e.Code() != want {
		t.Errorf("%v: Code() = %v", want, e.Code())
	}
	// Of a wrapped received error only FromError finds the code, for a *status.Error
	// cannot know ours.
	if !errors.Is(e, want) {
		t.Errorf("%v: errors.Is = false", want)
	}
	if got := status.Code(err); got != want.GRPCCode() {
		t.Errorf("%v: status.Code = %v, want %v", want, got, want.GRPCCode())
	}
	if got := status.Convert(err).Message(); got != want.Description("en") {
		t.Errorf("%v: message %q, want %q", want, got, want.Description("en"))
	}
	type seen struct {
		domain, reason, message, description string
		number                               int32
		grpc                                 codes.Code
		retry                                mapping.Retry
		inferred, trimmed                    bool
		origin                               mapping.Origin
	}
	got := seen{e.Code().Domain(), e.Reason(), e.Message(), e.Code().Description("zh"), e.Code().Number(), e.GRPCCode(), e.Retry(), e.Inferred(), e.Trimmed(), e.Origin()}
	wanted := seen{want.Domain(), want.Reason(), want.Description("en"), want.Description("zh"), want.Number(), want.GRPCCode(), want.Retry(), false, false, mapping.OriginPeer}
	if got != wanted {
		t.Errorf("%v: the client sees %+v, want %+v", want, got, wanted)
	}
	if len(e.Metadata()) != 0 {
		t.Errorf("%v: metadata %v, want none", want, e.Metadata())
	}
	for other := range every {
		if other != want && errors.Is(e, other) {
			t.Errorf("%v: errors.Is says that it is %v too", want, other)
		}
	}
}

// TestEveryCodeKeepsWhatIsSaid raises each code with everything that a handler can
// say about it.
func TestEveryCodeKeepsWhatIsSaid(t *testing.T) {
	var raised mapping.Code
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error {
		return raised.Errorf("第 %d 号\n100 %%", raised.Number()).With("instance", "a1").With("zone", "").RetryAfter(1500 * time.Millisecond)
	}), interceptor.ServerOptions()...)
	c := stubtest.Dial(t, addr, interceptor.DialOptions()...)
	ctx := stubtest.Context(t)
	for _, shape := range stubtest.Shapes() {
		for code := range every {
			raised = code
			err := shape.Call(ctx, c)
			var e *mapping.Error
			if !errors.As(err, &e) || !errors.Is(err, code) {
				t.Fatalf("%s: got %v, want %v", shape.Name, err, code)
			}
			if want := fmt.Sprintf("第 %d 号\n100 %%", code.Number()); e.Message() != want {
				t.Errorf("%s, %v: message %q, want %q", shape.Name, code, e.Message(), want)
			}
			if m := e.Metadata(); len(m) != 2 || m["instance"] != "a1" {
				t.Errorf("%s, %v: metadata %v", shape.Name, code, m)
			}
			want := mapping.Retry{Class: code.Retry().Class, Delay: 1500 * time.Millisecond}
			if want.Class == mapping.Never {
				want.Delay = 0
			}
			if e.Retry() != want {
				t.Errorf("%s, %v: retry %v, want %v", shape.Name, code, e.Retry(), want)
			}
		}
	}
}
