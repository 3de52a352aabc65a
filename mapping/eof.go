package mapping

import (
	"errors"
	"io"

	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// hideEOF returns e with io.EOF hidden from [errors.Is], where it is in the cause. To
// logs and metrics that stand outside, an error that is io.EOF is a stream that ended
// well; what e says is that the call failed.
func hideEOF(e *Error) *Error {
	cause := e.Unwrap()
	if cause == nil {
		return e
	}
	eof := false
	rpcerr.Walk(cause, func(node error) bool {
		is, _ := node.(isser)
		eof = isEOF(node, is)
		return !eof
	})
	if !eof {
		return e
	}
	return e.WithCause(&notEOF{cause})
}

// isEOF reports whether a single error of a tree is, or says to be, io.EOF. It is given as
// x too if it has that method. Those of this module never say so.
func isEOF(err error, x isser) bool {
	if _, ours := err.(*Error); ours || x == nil {
		return err == io.EOF
	}
	return saysEOF(x)
}

// saysEOF asks an error whether it is io.EOF. One that panics is not, and can still be what
// a [Mapper] looks for.
func saysEOF(x isser) (says bool) {
	defer func() { _ = recover() }()
	return x.Is(io.EOF)
}

// notEOF is an error in which everything is found but io.EOF. It has no Unwrap, by which
// that would be found. It is used by pointer, because errors are compared by ==, which
// panics for a struct around an error that cannot be compared.
type notEOF struct{ error }

func (e *notEOF) Is(target error) bool { return target != io.EOF && errors.Is(e.error, target) }
func (e *notEOF) As(target any) bool   { return errors.As(e.error, target) }

// Hidden returns the error as it was, for logs that follow causes.
func (e *notEOF) Hidden() error { return e.error }
