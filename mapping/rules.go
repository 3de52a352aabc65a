package mapping

import "reflect"

// A Rule claims errors that know nothing of the platform, such as those of a database
// driver, and errors that another service sent. It is given one error of the tree at a
// time, never nil, and must not unwrap it. The client gets the code with the catalogue's
// text; the error itself stays in the process. A rule that claims everything also hides the
// platform errors that are wrapped inside; as a last resort, use Mapper.Fallback.
//
// The client also gets the code's retry class, and repeats calls by it. With a code of
// class [Safe], the rule says that nothing was executed whenever the error comes up, and
// clients repeat any unary call. A rule sees an error and not what was done before it, so a
// code of class [Idempotent] or [Never] fits most errors.
type Rule func(err error) (Code, bool)

// WhenIs returns a rule that claims target, by the meaning of [errors.Is]: an error
// equal to it, or one whose Is method says so. With a nil target or the zero Code
// it claims nothing. See [Rule] for which retry class the code should have.
func WhenIs(target error, c Code) Rule {
	isComparable := target != nil && reflect.TypeOf(target).Comparable()
	return func(err error) (Code, bool) {
		if target == nil || c.IsZero() {
			return Code{}, false
		}
		if isComparable && err == target {
			return c, true
		}
		x, ok := err.(interface{ Is(error) bool })
		return c, ok && x.Is(target)
	}
}

// WhenAs returns a rule that claims errors of type T, by the meaning of [errors.As]: an
// error that is assignable to T, or one whose As method says so. With the zero Code it
// claims nothing. See [Rule] for which retry class the code should have.
func WhenAs[T error](c Code) Rule {
	return func(err error) (Code, bool) {
		if c.IsZero() {
			return Code{}, false
		}
		if _, ok := err.(T); ok {
			return c, true
		}
		x, ok := err.(interface{ As(any) bool })
		return c, ok && x.As(new(T))
	}
}
