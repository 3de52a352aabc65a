package cli

import (
	"io"
	"os"
)

// A Paint colours text, or leaves it as it is.
type Paint bool

// PaintFor returns the paint for an output: colours for a terminal, unless NO_COLOR
// (no-color.org) is set or the terminal says that it is dumb.
func PaintFor(w io.Writer) Paint {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return Paint(err == nil && info.Mode()&os.ModeCharDevice != 0)
}

// A Colour is an SGR parameter of ECMA-48.
type Colour string

// The colours in use.
const (
	Bold   Colour = "1"
	Faint  Colour = "2"
	Red    Colour = "31"
	Green  Colour = "32"
	Yellow Colour = "33"
	Cyan   Colour = "36"
)

// In returns the text in a colour.
func (p Paint) In(c Colour, text string) string {
	if !p {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}
