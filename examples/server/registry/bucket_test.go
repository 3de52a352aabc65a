package registry

import (
	"testing"
	"time"

	functionv1 "github.com/openyuanrong/statusmap/examples/internal/pb/function/v1"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
)

// The error of a call that came too soon says how long to wait, which the catalogue
// does not know.
func TestRateLimitTellsWait(t *testing.T) {
	t.Parallel()
	now := time.Unix(1700000000, 0)
	r := New()
	r.now = func() time.Time { return now }
	_, err := r.CreateFunction(t.Context(), &functionv1.CreateFunctionRequest{Name: "hello", Handler: "echo", MemoryMib: 128})
	if err != nil {
		t.Fatal(err)
	}
	req := &functionv1.InvokeRequest{Name: "hello", Payload: "x"}
	for range invokesAtOnce {
		if _, err := r.Invoke(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	_, err = r.Invoke(t.Context(), req)
	e, ok := mapping.FromError(err)
	want := mapping.Retry{Class: mapping.Safe, Delay: time.Second / invokesPerSec}
	if !ok || e.Code() != sdk.InvokeRateLimited || e.Retry() != want {
		t.Errorf("Invoke = %v, retry %v, want %v, retry %v", err, e.Retry(), sdk.InvokeRateLimited, want)
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	now := time.Unix(1700000000, 0)
	b := newBucket(now)
	for i := range invokesAtOnce {
		if wait := b.take(now); wait != 0 {
			t.Fatalf("invocation %d has to wait %v", i+1, wait)
		}
	}
	const interval = time.Second / invokesPerSec
	if wait := b.take(now); wait != interval {
		t.Errorf("the next one waits %v, want %v", wait, interval)
	}
	now = now.Add(interval / 2)
	if wait := b.take(now); wait != interval/2 {
		t.Errorf("half way it waits %v, want %v", wait, interval/2)
	}
	now = now.Add(interval / 2)
	if wait := b.take(now); wait != 0 {
		t.Errorf("after the wait it waits %v, want 0", wait)
	}
	now = now.Add(time.Hour)
	for i := range invokesAtOnce {
		if wait := b.take(now); wait != 0 {
			t.Fatalf("after an hour, invocation %d has to wait %v", i+1, wait)
		}
	}
	if b.take(now) == 0 {
		t.Error("an hour saved up more than the bucket holds")
	}
}
