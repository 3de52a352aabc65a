// Package str keeps strings sendable, short and in one line.
package str

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Valid returns s with each run of invalid bytes replaced by U+FFFD, because one bad
// byte in a string makes a whole message unsendable, and gRPC drop all details of a
// status.
func Valid(s string) string {
	if utf8.ValidString(s) { // faster than ToValidUTF8 at finding nothing
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// Cut returns at most limit bytes of s, and never half a character.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// Shorten returns at most limit bytes of s. Where something is left out an ellipsis
// stands in its place, and counts.
func Shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return Cut(s, max(0, limit-len("…"))) + "…"
}

// IsControl reports whether a character controls how others are read: control characters
// proper, the Unicode line breaks, what turns the direction of writing around, and the
// byte order mark, which Go sources must not contain.
func IsControl(c rune) bool {
	if c <= unicode.MaxLatin1 {
		return unicode.IsControl(c) // all of these are here
	}
	return c == '\u2028' || c == '\u2029' || c == '\uFEFF' || unicode.Is(unicode.Bidi_Control, c)
}
