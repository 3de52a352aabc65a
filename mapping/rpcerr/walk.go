package rpcerr

// maxNodes bounds how many errors of a tree are looked at, so that cyclic, very
// deep and very wide ones end in bounded time.
const maxNodes = 1000

// Walk visits err and the errors that it wraps, outermost first and depth first
// through multiple ones, in the order of [errors.As], until visit returns false.
// It ends after 1000 errors, and where a method of an error panics, so that it is
// safe for trees of any shape and errors of any quality.
func Walk(err error, visit func(error) bool) {
	defer func() { _ = recover() }()
	left := maxNodes
	walk(err, visit, &left)
}

func walk(err error, visit func(error) bool, left *int) bool {
	for err != nil {
		if *left == 0 {
			return false
		}
		*left--
		if !visit(err) {
			return false
		}
		switch x := err.(type) {
		case interface{ Unwrap() error }:
			err = x.Unwrap()
		case interface{ Unwrap() []error }:
			for _, e := range x.Unwrap() {
				if !walk(e, visit, left) {
					return false
				}
			}
			return true
		default:
			return true
		}
	}
	return true
}
