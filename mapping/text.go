package mapping

import (
	"strings"
	"unicode"

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
// A name is known with and without ERR_ in front. Only what stands directly between the
// word and the comma counts, so an address or a request id never passes for a code. If
// several are printed, the first counts, which is the outermost.
//
// Others print codes too, and theirs must not pass for the platform's. A name counts, and
// so does a number in front of "message:", "ModuleCode:", "ErrMsg:" or "status:", but not
// after a word such as exit, status, close, rpc or internal in the same line: "exit code:
// 1003, message: …" is the code of something else. A number in front of anything else
// counts only if no word at all stands in front of "code:". In front of "reason:", where
// WebSockets print theirs, it never does.
//
// The catalogues give the numbers and names their meaning, and the first that lists one
// decides. They replace the default, which is that of package sdk: to know yours in
// addition, give both, yours and sdk.Catalog(), in the order in which they are to count.
// Nil ones are ignored. What none of them lists is not recognised: in a text, a number that
// means nothing is more likely to be no code.
//
// The message is what follows "message:", "ErrMsg:" or "status:", else what follows
// the comma. ParseText allocates nothing and takes time proportional to the text.
func ParseText(text string, catalogs ...*Catalog) (c Code, message string, ok bool) {
	if told.NoneIn(catalogs) {
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
		value, after := strings.Trim(rest[:comma], " \t"), rest[comma+1:]
		if c := told.Printed(catalogs, value); !c.IsZero() && (!isDigit(value[0]) || isPlatforms(before, after)) {
			return c, printedMessage(after, strings.HasSuffix(before, "[c")), true
		}
	}
}

// codeKey is what "code:", "Code:" and "ErrCode:" have in common.
const codeKey = "ode:"

// qualifiers are words that make "code" mean something else than the platform's,
// whatever follows.
var qualifiers = [...]string{
	"exit", "exited", "signal", "return", "status", "http", "https", "response", "close", "rpc", "grpc", "sql", "errno", "internal",
}

// opens reports whether a text that ends before codeKey ends with the beginning of the
// key that the platform prints.
func opens(before string) bool {
	before, ok := cutKey(before)
	if !ok {
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

// cutKey returns what stands in front of the beginning of the key.
func cutKey(before string) (string, bool) {
	for _, beginning := range [...]string{"ErrC", "c", "C"} {
		if front, ok := strings.CutSuffix(before, beginning); ok {
			return front, true
		}
	}
	return "", false
}

// The keys of the message, and the one that the SDK prints in front of it.
var messageKeys = [...]string{"message:", "ErrMsg:", "status:"}

const moduleKey = "ModuleCode:"

// isPlatforms reports whether a number between such texts is the platform's: its own key
// follows, or nothing tells that it is another's.
func isPlatforms(before, after string) bool {
	after = strings.TrimLeftFunc(after, unicode.IsSpace)
	if strings.HasPrefix(after, moduleKey) {
		return true
	}
	for _, key := range messageKeys {
		if strings.HasPrefix(after, key) {
			return true
		}
	}
	front, _ := cutKey(before)
	front = strings.TrimRightFunc(front, unicode.IsSpace)
	return (front == "" || !isWord(front[len(front)-1])) && !strings.HasPrefix(after, "reason:")
}

func isWord(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || isDigit(b) || b == '_'
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// maxPrinted bounds how far behind the word the comma may be: a name is at most 63
// bytes by AIP-193, and ERR_ and some spaces come on top.
const maxPrinted = 80

// printedMessage returns the message in what follows the comma. In brackets it ends
// with them.
func printedMessage(after string, bracketed bool) string {
	message := strings.TrimSpace(after)
	if strings.HasPrefix(message, moduleKey) {
		_, message, _ = strings.Cut(message, ",")
		message = strings.TrimSpace(message)
	}
	for _, key := range messageKeys {
		if rest, ok := strings.CutPrefix(message, key); ok {
			message = rest
			break
		}
	}
	if bracketed {
		message = inBrackets(message)
	}
	return strings.TrimSpace(message)
}

// inBrackets returns what stands before the bracket that closes the one in front of s.
// Where the brackets in s do not match, the form tells where it ends.
func inBrackets(s string) string {
	for i, open := 0, 0; i < len(s); i++ {
		switch s[i] {
		case '[':
			open++
		case ']':
			if open == 0 {
				return s[:i]
			}
			open--
		}
	}
	s, _, _ = strings.Cut(s, "], detail:")
	return strings.TrimSuffix(s, "]")
}
