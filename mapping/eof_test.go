package mapping_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
)

// What is mapped is not io.EOF to whoever looks into it later, and is still everything else
// that it was.
func TestMapHidesEOF(t *testing.T) {
	t.Parallel()
	secret := errors.New("secret")
	read := &fs.PathError{Op: "read", Path: "p", Err: io.EOF}
	for _, err := range []error{
		io.EOF,
		fmt.Errorf("%w: %w", secret, io.EOF),
		errors.Join(sdk.InstanceNotFound, secret, read),
		errors.Join(read, secret, sdk.InstanceNotFound),
		sdk.InstanceNotFound.Wrap(fmt.Errorf("%w: %w", secret, read)),
		fmt.Errorf("invoke: %w", sdk.InstanceNotFound.Wrap(io.EOF)),
		errors.Join(panickingEOF{saysEOF{secret}}, sdk.InstanceNotFound),
		saysEOF{secret},
	} {
		e := new(mapping.Mapper).Map(context.Background(), err)
		if errors.Is(e, io.EOF) {
			t.Errorf("%v is io.EOF after mapping", err)
		}
		if errors.Is(e, secret) != errors.Is(err, secret) {
			t.Errorf("%v: what else it is was lost", err)
		}
		if want := errors.Is(err, sdk.InstanceNotFound); (e.Code() == sdk.InstanceNotFound) != want {
			t.Errorf("%v became %v", err, e.Code())
		}
		var path *fs.PathError
		if errors.As(e, &path) != errors.As(err, &path) {
			t.Errorf("%v: the %T was lost", err, path)
		}
	}
}

// What a mapped error unwraps to can be asked for, even around an error that has no ==.
func TestMapHidesEOFOfIncomparable(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		causes{io.EOF, sdk.InstanceNotFound},
		sdk.InstanceNotFound.Wrap(causes{io.EOF}),
	} {
		e := new(mapping.Mapper).Map(context.Background(), err)
		if !errors.Is(e, e.Unwrap()) || errors.Is(e, io.EOF) {
			t.Errorf("%T: errors.Is finds its cause: %t, io.EOF: %t", err, errors.Is(e, e.Unwrap()), errors.Is(e, io.EOF))
		}
	}
}

// A causes is several errors, as validators return them.
type causes []error

func (causes) Error() string     { return "causes" }
func (c causes) Unwrap() []error { return c }

// An error that panics where it is asked for its status, or whether it is the end of a
// context, means nothing by itself, whatever else it says to be. It costs no code behind
// it, and is not io.EOF.
func TestMapGoesOnBehindPanics(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range []error{
		panickingCancelled{sdk.InstanceNotFound},
		panickingEOF{saysEOF{sdk.InstanceNotFound}},
		onlyEOF{sdk.InstanceNotFound},
		panickingIs{sdk.InstanceNotFound},
	} {
		e := new(mapping.Mapper).Map(ended, err)
		if e.Code() != sdk.InstanceNotFound {
			t.Errorf("%T became %v, want %v", err, e, sdk.InstanceNotFound)
		}
		if _, panics := err.(panickingIs); !panics && errors.Is(e, io.EOF) {
			t.Errorf("%T is io.EOF after mapping", err)
		}
	}
}

// An error that panics where it is asked whether it is io.EOF has only not said so: what
// else it means counts, as a rule or its status has it.
func TestMapReadsErrorsWhoseIsPanics(t *testing.T) {
	t.Parallel()
	claims := &mapping.Mapper{Rules: []mapping.Rule{mapping.WhenAs[panickingIs](sdk.InstanceNotFound)}}
	if e := claims.Map(context.Background(), panickingIs{errors.New("x")}); e.Code() != sdk.InstanceNotFound {
		t.Errorf("a claimed error became %v, want %v", e, sdk.InstanceNotFound)
	}
	e := new(mapping.Mapper).Map(context.Background(), panickingStatus{})
	if e.GRPCCode() != codes.NotFound || e.Message() != "gone" {
		t.Errorf("a status became %v, want it as it is", e)
	}
}

// A panickingStatus is a status error that panics whatever it is asked.
type panickingStatus struct{ panickingIs }

func (panickingStatus) Error() string              { return "gone" }
func (panickingStatus) Unwrap() error              { return nil }
func (panickingStatus) GRPCStatus() *status.Status { return status.New(codes.NotFound, "gone") }

type saysEOF struct{ error }

func (e saysEOF) Is(target error) bool { return target == io.EOF }
func (e saysEOF) Unwrap() error        { return e.error }

// A panickingEOF says to be io.EOF, and panics where it is asked for its status.
type panickingEOF struct{ saysEOF }

func (panickingEOF) GRPCStatus() *status.Status { panic("a mistake") }

// A panickingCancelled says to be context.Canceled, and panics where it is asked for its
// status.
type panickingCancelled struct{ error }

func (panickingCancelled) Is(target error) bool       { return target == context.Canceled }
func (e panickingCancelled) Unwrap() error            { return e.error }
func (panickingCancelled) GRPCStatus() *status.Status { panic("a mistake") }

// An onlyEOF says to be io.EOF, and panics where it is asked whether it is the end of a
// context.
type onlyEOF struct{ error }

func (e onlyEOF) Unwrap() error { return e.error }
func (onlyEOF) Is(target error) bool {
	if target == context.Canceled || target == context.DeadlineExceeded {
		panic("a mistake")
	}
	return target == io.EOF
}

// A panickingIs panics whatever it is asked.
type panickingIs struct{ error }

func (e panickingIs) Unwrap() error { return e.error }
func (panickingIs) Is(error) bool   { panic("a mistake") }
