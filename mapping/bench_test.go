package mapping_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
)

var mapped *mapping.Error

// nested returns err under n wrappers.
func nested(err error, n int) error {
	for range n {
		err = fmt.Errorf("layer: %w", err)
	}
	return err
}

// BenchmarkMap: what a handler returned, to the error that goes out, by kind, by the
// depth at which it is wrapped, and by the number of errors joined before it.
func BenchmarkMap(b *testing.B) {
	m := &mapping.Mapper{Rules: []mapping.Rule{mapping.WhenIs(context.Canceled, sdk.InnerCommunication)}}
	received, _ := mapping.FromStatus(sdk.InstanceNotFound.With("instance", "a1").GRPCStatus())
	platform := sdk.InstanceNotFound.Errorf("no instance %q", "a1")
	run := func(name string, err error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				mapped = m.Map(context.Background(), err)
			}
		})
	}
	run("sentinel", sdk.InstanceNotFound)
	run("error", platform)
	run("received", received)
	run("status", status.Error(codes.NotFound, "no such object"))
	run("unknown", errors.New("disk on fire"))
	for _, n := range []int{1, 10, 100} {
		run(fmt.Sprintf("wrapped/%d", n), nested(platform, n))
		joined := make([]error, n+1)
		for i := range n {
			joined[i] = errors.New("not this one")
		}
		joined[n] = platform
		run(fmt.Sprintf("joined/%d", n), errors.Join(joined...))
	}
}

// BenchmarkFromError: reading a received error without an interceptor.
func BenchmarkFromError(b *testing.B) {
	run := func(name string, err error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				mapped, _ = mapping.FromError(err)
			}
		})
	}
	st := sdk.InstanceNotFound.With("instance", "a1").GRPCStatus()
	received, _ := mapping.FromStatus(st)
	run("typed", received)
	run("status", st.Err())
	run("foreign", status.Error(codes.NotFound, "no such object"))
	for _, n := range []int{1, 10, 100} {
		run(fmt.Sprintf("typed-wrapped/%d", n), nested(received, n))
	}
}

// BenchmarkMapParallel: all goroutines share one mapper; run it with -cpu 1,2,4.
func BenchmarkMapParallel(b *testing.B) {
	m := new(mapping.Mapper)
	err := nested(sdk.InstanceNotFound.Errorf("no instance"), 2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if m.Map(context.Background(), err) == nil {
				b.Error("no error")
			}
		}
	})
}

func TestAllocations(t *testing.T) {
	m := new(mapping.Mapper)
	ctx := context.Background()
	platform := sdk.InstanceNotFound.Errorf("no instance %q", "a1")
	wrapped := nested(platform, 2)
	received, _ := mapping.FromStatus(platform.GRPCStatus())
	var code mapping.Code
	for _, tt := range []struct {
		name string
		max  float64
		f    func()
	}{
		{"nil", 0, func() { mapped = m.Map(ctx, nil) }},
		{"a sentinel", 0, func() { mapped = m.Map(ctx, sdk.InstanceNotFound) }},
		{"a platform error", 0, func() { mapped = m.Map(ctx, platform) }},
		{"a wrapped platform error", 1, func() { mapped = m.Map(ctx, wrapped) }},
		{"an error that is typed already", 0, func() { mapped, _ = mapping.FromError(received) }},
		{"a code by domain and number", 0, func() { code, _ = mapping.Lookup(sdk.Domain, 3011) }},
		{"errors.Is", 0, func() { _ = errors.Is(received, sdk.InstanceNotFound) }},
	} {
		if got := testing.AllocsPerRun(100, tt.f); got > tt.max {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.max)
		}
	}
	if code != sdk.LocalSchedulerOperationError {
		t.Errorf("Lookup(%q, 3011) = %v, want %v", sdk.Domain, code, sdk.LocalSchedulerOperationError)
	}
}
