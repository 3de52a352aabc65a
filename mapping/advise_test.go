package mapping_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
)

func TestAdvise(t *testing.T) {
	const (
		giveUp, repeat, startOver = mapping.GiveUp, mapping.Repeat, mapping.StartOver
		ms                        = time.Millisecond
	)
	received := func(st *status.Status) *mapping.Error {
		e, ok := mapping.FromStatus(st)
		if !ok {
			t.Fatalf("FromStatus(%v) found nothing", st)
		}
		return e
	}
	unsent := func(c codes.Code) error {
		return received(status.New(c, "x")).WithOrigin(mapping.OriginUnsent)
	}
	type advice struct {
		next  mapping.Next
		after time.Duration
	}
	tests := []struct {
		name             string
		err              error
		want, idempotent advice
	}{
		{"nil", nil, advice{giveUp, 0}, advice{giveUp, 0}},
		{"some error", errors.New("x"), advice{giveUp, 0}, advice{giveUp, 0}},
		{"context error", context.Canceled, advice{giveUp, 0}, advice{giveUp, 0}},
		{"typed nil", (*mapping.Error)(nil), advice{giveUp, 0}, advice{giveUp, 0}},

		{"SAFE", sdk.InvokeRateLimited, advice{repeat, 1000 * ms}, advice{repeat, 1000 * ms}},
		{"SAFE, received", sdk.InvokeRateLimited.GRPCStatus().Err(), advice{repeat, 1000 * ms}, advice{repeat, 1000 * ms}},
		{"SAFE, another delay", sdk.InvokeRateLimited.AsError().RetryAfter(7 * ms), advice{repeat, 7 * ms}, advice{repeat, 7 * ms}},
		{"SAFE, wrapped and joined", errors.Join(errors.New("x"), fmt.Errorf("y: %w", sdk.InvokeRateLimited)), advice{repeat, 1000 * ms}, advice{repeat, 1000 * ms}},
		{"IDEMPOTENT", sdk.InnerCommunication, advice{giveUp, 0}, advice{repeat, 500 * ms}},
		{"IDEMPOTENT, not executed", sdk.InnerCommunication.AsError().NotExecuted(), advice{repeat, 500 * ms}, advice{repeat, 500 * ms}},
		{"HIGHER_LEVEL", sdk.InstanceExited, advice{startOver, 200 * ms}, advice{startOver, 200 * ms}},
		{"HIGHER_LEVEL without delay", rest.RevisionIDError, advice{startOver, 0}, advice{startOver, 0}},
		{"NEVER", sdk.ParamInvalid, advice{giveUp, 0}, advice{giveUp, 0}},
		{"made NEVER", sdk.InvokeRateLimited.AsError().DoNotRetry(), advice{giveUp, 0}, advice{giveUp, 0}},

		{"plain UNAVAILABLE", status.Error(codes.Unavailable, "x"), advice{giveUp, 0}, advice{repeat, 500 * ms}},
		{"plain ABORTED", status.Error(codes.Aborted, "x"), advice{giveUp, 0}, advice{giveUp, 0}},

		{"never left, refused", unsent(codes.Unavailable), advice{repeat, 500 * ms}, advice{repeat, 500 * ms}},
		{"never left, no token", unsent(codes.Unauthenticated), advice{giveUp, 0}, advice{giveUp, 0}},
		{"never left, bad metadata", unsent(codes.Internal), advice{giveUp, 0}, advice{giveUp, 0}},
		{"never left, whatever the hint", received(status.New(codes.Unauthenticated, "x")).WithRetry(sdk.InvokeRateLimited.Retry()).WithOrigin(mapping.OriginUnsent), advice{giveUp, 0}, advice{giveUp, 0}},
		{"never left, cancelled", unsent(codes.Canceled), advice{giveUp, 0}, advice{giveUp, 0}},
	}
	for _, tc := range tests {
		for idempotent, want := range map[bool]advice{false: tc.want, true: tc.idempotent} {
			next, after := mapping.Advise(tc.err, idempotent)
			if got := (advice{next, after}); got != want {
				t.Errorf("%s: Advise(%v, %v) = %v, %v, want %v, %v", tc.name, tc.err, idempotent, next, after, want.next, want.after)
			}
		}
	}
}

func TestNextString(t *testing.T) {
	for next, want := range map[mapping.Next]string{mapping.GiveUp: "give up", mapping.Repeat: "repeat", mapping.StartOver: "start over", 7: "give up"} {
		if got := next.String(); got != want {
			t.Errorf("Next(%d).String() = %q, want %q", uint8(next), got, want)
		}
	}
}

func TestAdviseAllocations(t *testing.T) {
	e := sdk.InstanceExited.AsError()
	if got := testing.AllocsPerRun(100, func() { mapping.Advise(e, true) }); got != 0 {
		t.Errorf("Advise costs %v allocations, want none", got)
	}
}

// A caller's own loop: when the instance that it was working with is gone, it acquires
// another one and goes on. Whoever else may repeat a call, nobody else can do that.
func ExampleAdvise() {
	// What a client gets from a server whose instance a1 has exited.
	gone := sdk.InstanceExited.Errorf("instance a1 has exited").RetryAfter(time.Millisecond).GRPCStatus().Err()
	invoke := func(instance string) error {
		if instance == "a1" {
			return gone
		}
		return nil
	}
	acquire := func() string { return "b2" }

	instance := "a1"
	for range 3 {
		err := invoke(instance)
		if next, after := mapping.Advise(err, false); next == mapping.StartOver {
			fmt.Printf("%v: %v after %v\n", err, next, after)
			time.Sleep(after)
			instance = acquire()
			continue
		}
		fmt.Printf("with instance %s: %v\n", instance, err)
		break
	}
	// Output:
	// rpc error: code = Aborted desc = instance a1 has exited: start over after 1ms
	// with instance b2: <nil>
}
