package interceptor_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
)

// uncomparable is an error that == panics on.
type uncomparable []string

func (uncomparable) Error() string { return errSecret.Error() }

func TestRecovery(t *testing.T) {
	for _, test := range []struct {
		name    string
		value   any // nil for panic(nil), which the runtime replaces
		noStack bool
	}{
		{"string", errSecret.Error(), false},
		{"error", errSecret, false},
		{"platform error", sdk.InstanceNotFound, false},
		{"uncomparable error", uncomparable{"x"}, false},
		{"nil", nil, false},
		{"http.ErrAbortHandler", http.ErrAbortHandler, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			events := make(chan interceptor.Event, 1)
			addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { panic(test.value) }),
				interceptor.ServerOptions(interceptor.WithRecovery(), interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) { events <- ev }))...)
			c, ctx := stubtest.Dial(t, addr, interceptor.DialOptions()...), stubtest.Context(t)
			for _, shape := range stubtest.Shapes() {
				err := shape.Call(ctx, c)
				if diff := cmp.Diff(hiddenOutcome(), outcomeOf(typed(t, err), status.Convert(err)), equalCodes); diff != "" {
					t.Errorf("%s (-want +got):\n%s", shape.Name, diff)
				}
				ev := <-events
				if test.value == nil {
					if _, ok := ev.Panic.(*runtime.PanicNilError); !ok {
						t.Errorf("%s: observed panic %v (%T), want a *runtime.PanicNilError", shape.Name, ev.Panic, ev.Panic)
					}
				} else if diff := cmp.Diff(test.value, ev.Panic, equalErrors); diff != "" {
					t.Errorf("%s: observed panic (-want +got):\n%s", shape.Name, diff)
				}
				if ev.Cause != nil {
					t.Errorf("%s: cause %v, want none: the handler returned nothing", shape.Name, ev.Cause)
				}
				switch {
				case test.noStack && ev.Stack != nil:
					t.Errorf("%s: a stack, want none:\n%s", shape.Name, ev.Stack)
				case !test.noStack && !bytes.Contains(ev.Stack, []byte("TestRecovery")):
					t.Errorf("%s: the stack does not lead to the handler:\n%s", shape.Name, ev.Stack)
				}
				if got, want := ev.Error.RequestID(), typed(t, err).RequestID(); got != want || got == "" {
					t.Errorf("%s: the observer has request id %q, the client %q", shape.Name, got, want)
				}
			}
		})
	}
}

var equalErrors = cmp.Comparer(func(a, b error) bool {
	return a.Error() == b.Error()
})

// TestRecoveryOfPanicNil uses the setting of old programs in which recover returns
// nil for panic(nil). Even so a panic must not look like a success.
func TestRecoveryOfPanicNil(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1")
	func() {
		defer func() {
			if v := recover(); v != nil {
				t.Skipf("this Go has no panicnil=1: recover() = %v", v)
			}
		}()
		panic(nil)
	}()
	addr := stubtest.Start(t, stubtest.Each(func(context.Context) error { panic(nil) }), interceptor.ServerOptions(interceptor.WithRecovery())...)
	c, ctx := stubtest.Dial(t, addr, interceptor.DialOptions()...), stubtest.Context(t)
	for _, shape := range stubtest.Shapes() {
		if err := shape.Call(ctx, c); !errors.Is(err, sdk.InnerSystemError) {
			t.Errorf("%s: got %v, want %v", shape.Name, err, sdk.InnerSystemError)
		}
	}
}

// TestGoexit ends the goroutine of a handler, as t.FailNow does. That is no panic:
// the server goes on, nothing is observed.
func TestGoexit(t *testing.T) {
	exited := make(chan bool, 1)
	var exits bool
	addr := stubtest.Start(t, stubtest.Each(func(ctx context.Context) error {
		if exits {
			defer func() { exited <- true }()
			runtime.Goexit()
		}
		return sdk.InstanceNotFound
	}), interceptor.ServerOptions(interceptor.WithRecovery(), interceptor.WithObserver(func(_ context.Context, ev interceptor.Event) {
		if !errors.Is(ev.Error, sdk.InstanceNotFound) {
			t.Errorf("observed %v", ev.Error)
		}
	}))...)
	c, ctx := stubtest.Dial(t, addr, interceptor.DialOptions()...), stubtest.Context(t)
	for _, shape := range stubtest.Shapes() {
		exits = true
		short, cancel := context.WithTimeout(ctx, 10*time.Second)
		go func() {
			<-exited
			cancel() // nobody answers any more
		}()
		if err := shape.Call(short, c); status.Code(err) != codes.Canceled {
			t.Errorf("%s: got %v, want the client's own cancellation", shape.Name, err)
		}
		cancel()
		exits = false
		if err := shape.Call(ctx, c); !errors.Is(err, sdk.InstanceNotFound) {
			t.Errorf("%s: the next call got %v", shape.Name, err)
		}
	}
}

// TestWithoutRecovery leaves a panic to whoever stands outside.
func TestWithoutRecovery(t *testing.T) {
	handler := func(context.Context, any) (any, error) { panic(errSecret) }
	defer func() {
		if got := recover(); got != errSecret {
			t.Errorf("the panic that arrives outside is %v, want %v", got, errSecret)
		}
	}()
	_, err := interceptor.UnaryServer()(context.Background(), nil, unaryInfo, handler)
	t.Errorf("returned %v, want a panic", err)
}
