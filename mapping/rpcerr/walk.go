package rpcerr

// maxNodes bounds how much of an error tree is looked at, because trees may have
// rings, or millions of errors in a join.
const maxNodes = 1000

// Walk visits err and the errors that it wraps, outermost first and depth first through
// multiple ones, in the order of [errors.As], until visit returns false. It ends after 1000
// errors, so it is safe for trees of any shape. Panics, such as those of a typed nil, do no
// harm: an error whose Unwrap panics wraps nothing, and a visit that panics counts as one
// that returned true.
func Walk(err error, visit func(error) bool) {
	w := walker{left: maxNodes, err: err}
	for !w.walk(visit) {
	}
}

// A walker is where a walk has come to.
type walker struct {
	left    int       // how many errors may still be visited
	err     error     // the next to be visited, or to be unwrapped if it is visited
	visited bool      // err is
	behind  [][]error // those that come after it, the last of these slices first
}

// walk goes on to the end, or to a panic, behind which it can be called again. So a
// walk without one needs to be prepared for it only once.
func (w *walker) walk(visit func(error) bool) (done bool) {
	defer func() { _ = recover() }()
	for w.err != nil || w.pop() {
		if !w.visited {
			if w.left == 0 {
				return true
			}
			w.left--
			w.visited = true
			if !visit(w.err) {
				return true
			}
		}
		err := w.err
		w.err, w.visited = nil, false
		switch x := err.(type) {
		case interface{ Unwrap() error }:
			w.err = x.Unwrap()
		case interface{ Unwrap() []error }:
			w.behind = append(w.behind, x.Unwrap())
		}
	}
	return true
}

// pop takes the next error from those behind; it reports whether there is one.
func (w *walker) pop() bool {
	for len(w.behind) > 0 {
		last := &w.behind[len(w.behind)-1]
		for len(*last) > 0 {
			w.err, *last = (*last)[0], (*last)[1:]
			if w.err != nil {
				return true
			}
		}
		w.behind = w.behind[:len(w.behind)-1]
	}
	return false
}
