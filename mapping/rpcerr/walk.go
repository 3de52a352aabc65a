package rpcerr

// maxNodes bounds how many errors of a tree are looked at, so that cyclic, very
// deep and very wide ones end in bounded time.
const maxNodes = 1000

// Walk visits err and the errors that it wraps, outermost first and depth first
// through multiple ones, in the order of [errors.As], until visit returns false.
// It ends after 1000 errors, so that it is safe for trees of any shape. A method of an
// error that panics, as those of a typed nil do, costs no more than its own answer:
// where Unwrap does, the error wraps nothing, and a visit that panics counts as one
// that returned true.
func Walk(err error, visit func(error) bool) {
	left := maxNodes
	walk(err, visit, &left)
}

func walk(err error, visit func(error) bool, left *int) bool {
	for err != nil {
		if *left == 0 {
			return false
		}
		*left--
		if !ask(visit, err) {
			return false
		}
		several, one := unwrap(err)
		for _, e := range several {
			if !walk(e, visit, left) {
				return false
			}
		}
		err = one
	}
	return true
}

func ask(visit func(error) bool, err error) (on bool) {
	defer func() {
		if recover() != nil {
			on = true
		}
	}()
	return visit(err)
}

// unwrap returns what an error wraps: several others, or one.
func unwrap(err error) (several []error, one error) {
	defer func() { _ = recover() }()
	switch x := err.(type) {
	case interface{ Unwrap() error }:
		one = x.Unwrap()
	case interface{ Unwrap() []error }:
		several = x.Unwrap()
	}
	return several, one
}
