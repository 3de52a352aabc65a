package maptest

import (
	"strings"
	"unicode/utf8"

	"github.com/openyuanrong/statusmap/mapping"
)

// diff shows all facts, with both sides of those that differ.
func diff(facts []fact) string {
	width := 0
	for _, f := range facts {
		width = max(width, utf8.RuneCountInString(f.name))
	}
	var b strings.Builder
	line := func(mark, name, text string) {
		b.WriteString("  " + mark + " " + name + strings.Repeat(" ", width-utf8.RuneCountInString(name)+3) + text + "\n")
	}
	for _, f := range facts {
		if f.ok {
			line(" ", f.name, f.got)
			continue
		}
		line("-", f.name, f.want)
		line("+", f.name, f.got)
	}
	return b.String()
}

// wantOnly shows what is wanted where there is nothing to compare it with.
func wantOnly(wants []Want) string {
	var facts []fact
	for _, want := range wants {
		if want == nil {
			continue
		}
		f := want(nil, (*mapping.Error)(nil))
		facts = append(facts, fact{name: f.name, got: f.want, ok: true})
	}
	return diff(facts)
}
