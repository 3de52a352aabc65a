// Package control knows the characters that change how a line of text is read.
package control

import "unicode"

// Is reports whether a character controls how others are read: control characters
// proper, the Unicode line breaks, what turns the direction of writing around, and the
// byte order mark, which Go sources must not contain.
func Is(c rune) bool {
	if c <= unicode.MaxLatin1 {
		return unicode.IsControl(c) // all of these are here
	}
	return c == '\u2028' || c == '\u2029' || c == '\uFEFF' || unicode.Is(unicode.Bidi_Control, c)
}
