package rpcerr_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

func TestWalk(t *testing.T) {
	leaf := func(s string) error { return errors.New(s) }
	tree := fmt.Errorf("top: %w", errors.Join(fmt.Errorf("left: %w", leaf("ll")), errors.Join(leaf("m1"), leaf("m2")), leaf("right")))
	var got []string
	rpcerr.Walk(tree, func(err error) bool {
		got = append(got, strings.Split(err.Error(), "\n")[0])
		return err.Error() != "m2"
	})
	want := []string{"top: left: ll", "left: ll", "left: ll", "ll", "m1", "m1", "m2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("visited (-want +got):\n%s", diff)
	}
	rpcerr.Walk(nil, func(error) bool { t.Error("visited nil"); return true })
	last := leaf("last")
	visits := 0
	rpcerr.Walk(several{nil, last, nil}, func(err error) bool {
		if visits++; err == nil {
			t.Error("visited a nil among others")
		}
		return true
	})
	if visits != 2 {
		t.Errorf("visited %d errors, want the outer and the one in it", visits)
	}
}

// several wraps errors as errors.Join does, but leaves nil ones where they are.
type several []error

func (several) Error() string     { return "several" }
func (s several) Unwrap() []error { return s }

// A nilWrapper panics when it is nil, as errors do that nobody expects to be.
type nilWrapper struct{ err error }

func (w *nilWrapper) Error() string { return w.err.Error() }
func (w *nilWrapper) Unwrap() error { return w.err }

func TestWalkGoesOnBehindPanics(t *testing.T) {
	last := errors.New("last")
	visits := 0
	rpcerr.Walk(errors.Join((*nilWrapper)(nil), last), func(err error) bool {
		visits++
		_ = err.Error() // that of the join panics too
		return err != last
	})
	if visits != 3 {
		t.Errorf("visited %d errors, want 3", visits)
	}
}
