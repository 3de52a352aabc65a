package mapping

import (
	"strings"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping/internal/told"
)

// ParseText finds the code that the platform printed into a text, and the message
// that it printed with it. These forms are known, anywhere in the text:
//
//	code: 1003, message: …
//	code: ERR_INSTANCE_NOT_FOUND, message: …
//	ErrCode: 1003, ModuleCode: 20, ErrMsg: …
//	[code: 1003, status: …], detail: […]
//
// A name is known with and without ERR_ in front. Only what stands directly between
// the word and the comma counts, so an address or a request id never passes for a
// code. Neither does the code of something else, such as "exit code: 1003," or the
// "internal code: 2002" of a dependency. Where several are printed the first counts,
// which is the outermost.
//
// The catalogues give the numbers and names their meaning, the first that lists one
// decides; without any it is that of package sdk. What none of them lists is not
// recognised: in a text, a number that means nothing is more likely to be no code.
//
// The message is what follows "message:", "ErrMsg:" or "status:", else what follows
// the comma. ParseText allocates nothing and takes time proportional to the text.
func ParseText(text string, catalogs ...*Catalog) (c Code, message string, ok bool) {
	if len(catalogs) == 0 {
		platform := [...]*Catalog{sdk.Catalog()}
		catalogs = platform[:]
	}
	for rest, before := text, ""; ; {
		i := strings.Index(rest, codeKey)
		if i < 0 {
			return Code{}, "", false
		}
		before, rest = text[:len(text)-len(rest)+i], rest[i+len(codeKey):]
		if !opens(before) {
			continue
		}
		comma := strings.IndexByte(rest[:min(len(rest), maxPrinted)], ',')
		if comma < 0 {
			continue
		}
		if c := told.Printed(catalogs, strings.Trim(rest[:comma], " \t")); !c.IsZero() {
			return c, printedMessage(rest[comma+1:], strings.HasSuffix(before, "[c")), true
		}
	}
}

// codeKey is what "code:", "Code:" and "ErrCode:" have in common.
const codeKey = "ode:"

// qualifiers are words that make "code" mean something else than the platform's.
var qualifiers = [...]string{"exit", "exited", "status", "http", "https", "response", "return", "signal", "internal"}

// opens reports whether a text that ends before codeKey ends with the beginning of the
// key that the platform prints.
func opens(before string) bool {
	switch {
	case strings.HasSuffix(before, "ErrC"):
		before = before[:len(before)-len("ErrC")]
	case strings.HasSuffix(before, "c"), strings.HasSuffix(before, "C"):
		before = before[:len(before)-1]
	default:
		return false
	}
	if before == "" {
		return true
	}
	if last := before[len(before)-1]; isWord(last) || last == '.' || last == '-' || last == '/' {
		return false // exitcode:, status_code:, error.code:
	}
	word := strings.TrimRight(before, " \t")
	start := len(word)
	for start > 0 && isWord(word[start-1]) {
		start--
	}
	for _, q := range qualifiers {
		if strings.EqualFold(word[start:], q) {
			return false
		}
	}
	return true
}

func isWord(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_'
}

// maxPrinted bounds how far behind the word the comma may be: a name is at most 63
// bytes by AIP-193, and ERR_ and some spaces come on top.
const maxPrinted = 80

// printedMessage returns the message in what follows the comma. In brackets it ends
// with them.
func printedMessage(after string, bracketed bool) string {
	message := strings.TrimSpace(after)
	if strings.HasPrefix(message, "ModuleCode:") {
		_, message, _ = strings.Cut(message, ",")
		message = strings.TrimSpace(message)
	}
	for _, key := range [...]string{"message:", "ErrMsg:", "status:"} {
		if rest, ok := strings.CutPrefix(message, key); ok {
			message = rest
			break
		}
	}
	if bracketed {
		message, _, _ = strings.Cut(message, "], detail:")
		message = strings.TrimSuffix(message, "]")
	}
	return strings.TrimSpace(message)
}
