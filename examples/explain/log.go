package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/mapping"
)

// Where in a line a code may stand. A number counts only right behind something that
// says that it is a code, so that no address, port, id or time of day passes for one.
var (
	// detailsRule is base64 that is long enough for a status with a detail.
	detailsRule = regexp.MustCompile(`[A-Za-z0-9+/_-]{40,}={0,2}`)
	// printedRule is how an error of this module prints: INSTANCE_NOT_FOUND (1003).
	printedRule = regexp.MustCompile(`\b([A-Z][A-Z0-9_]+) \((\d{1,10})\)`)
	// pairRule is how one is logged, by slog or in JSON: the number behind the domain,
	// both in the same group.
	pairRule = regexp.MustCompile(`(?:^|[\s,{"])([\w.]*)\bdomain` + is + `(` + domainName + `)\\*"?[\s,]+\\*"?([\w.]*)\bnumber` + is + `(\d{1,10})\b`)
	// memberRule are the other members of such an error, metadata as a whole, because its
	// keys are no members.
	memberRule = regexp.MustCompile(`[\s,{"]metadata"\s*:\s*\{(?:"(?:[^"\\]|\\.)*"|[^"{}\\])*\}|` +
		`[\s,{"]([\w.]*)\b(reason|grpc|grpc_code|retry|message|inferred|request_id|metadata)\\*"?\s*[=:]\s*(?:\{\\*"class\\*":)?` +
		`("(?:[^"\\]|\\.)*"|\\+"[^"\\]*|[^\s,"}\\]*)(?:\\*"?,\\*"delay_ms\\*":(\d+))?`)
	// domainRule and numberRule are the two apart from each other, as others sort them.
	domainRule = regexp.MustCompile(`(?:^|[\s,{."])domain` + is + `(` + domainName + `)`)
	numberRule = regexp.MustCompile(`(?:^|[\s,{"])([\w.]*)\bnumber` + is + `(\d{1,10})\b`)
	// codeRule is the code in the body of an HTTP error, bodyDomainRule its domain, and
	// headerRule the code in the header.
	codeRule       = regexp.MustCompile(`(\\*)"(code|errorCode)\\*"\s*:\s*\\*"?(\d{1,10})\\*"?\s*(?:[,}]|$)`)
	bodyDomainRule = regexp.MustCompile(`(\\*)"domain\\*"\s*:\s*\\*"(` + domainName + `)`)
	headerRule     = regexp.MustCompile(`(?i)\bx-inner-code\\?"?\s*[:=]\s*\[?\\?"?(\d{1,10})(?:[\s,;}\]\\"]|$)`)
	// reasonRule is a name, of at least two words, alone.
	reasonRule = regexp.MustCompile(`\b(?:ERR_)?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b`)
	// wordRule is what may be a message that the platform documents, such as
	// FunctionNotFound.
	wordRule = regexp.MustCompile(`[A-Z]\w+`)
)

const (
	// is stands between a key and its value in logfmt, in JSON, and in JSON in JSON.
	is         = `\\*"?\s*[=:]\s*\\*"?`
	domainName = `[a-z0-9][a-z0-9.-]*`
)

// line returns the errors in a line of a log, each once. Those with most knowledge
// come first.
func (b book) line(text string) []finding {
	l := &lineReader{book: b, text: text}
	l.details()
	l.pairs()
	l.bodies()
	for _, m := range headerRule.FindAllStringSubmatch(text, -1) {
		l.addNumber(b.header(m[1]), true)
	}
	for _, m := range printedRule.FindAllStringSubmatch(text, -1) {
		for _, c := range b.number(parse(m[2])) {
			if c.Reason() == m[1] {
				l.addCode(c)
			}
		}
	}
	if c, _, ok := mapping.ParseText(text, b...); ok {
		l.add(finding{code: c, bare: b.isWhole() && !strings.Contains(text, c.Reason())})
	}
	l.names()
	return l.found
}

// A lineReader gathers what stands in one line.
type lineReader struct {
	book  book
	text  string
	found []finding
}

// add adds a finding. What is known to be one error is not another as well.
func (l *lineReader) add(f finding) {
	for i, known := range l.found {
		if known.key() == f.key() {
			l.found[i].bare = known.bare && f.bare
			return
		}
	}
	l.found = append(l.found, f)
}

func (l *lineReader) addCode(c mapping.Code) { l.add(finding{code: c}) }

// addNumber adds the code of a number, if the number means something here.
func (l *lineReader) addNumber(c mapping.Code, bare bool) {
	if c.Listed() || bare && len(l.book.number(c.Number())) > 0 {
		l.add(finding{code: c, bare: bare && l.book.isWhole(), silent: !c.Listed()})
	}
}

// asks reports whether errors of a domain are asked for. Nobody can have asked for what
// nobody here knows.
func (l *lineReader) asks(domain string) bool {
	return l.book.has(domain) || !platform().has(domain)
}

func (b book) has(domain string) bool {
	return slices.ContainsFunc(b, func(c *mapping.Catalog) bool { return c.Domain() == domain })
}

// details adds the statuses whose bytes stand in the line.
func (l *lineReader) details() {
	for _, blob := range detailsRule.FindAllString(l.text, -1) {
		st, err := decodeStatus(blob)
		if err != nil || !isStatus(st) {
			continue
		}
		if f, err := readDetails(blob); err == nil && (f.code.IsZero() || l.asks(f.code.Domain())) {
			l.add(f)
		}
	}
}

// pairs adds what is logged by domain and number, in catalogues or not. Outside of a
// group these two words are so common that an unknown domain needs a reason beside them,
// which our own errors are never logged without.
func (l *lineReader) pairs() {
	named := strings.Contains(l.text, "reason")
	pairs := pairRule.FindAllStringSubmatchIndex(l.text, -1)
	pairs = slices.DeleteFunc(pairs, func(m []int) bool {
		return l.text[m[2]:m[3]] != l.text[m[6]:m[7]] || !l.endsValue(m[9])
	})
	for i, m := range pairs {
		end := len(l.text)
		if i+1 < len(pairs) {
			end = pairs[i+1][0]
		}
		group, domain, number := l.text[m[2]:m[3]], l.text[m[4]:m[5]], l.text[m[8]:m[9]]
		if group != "" || named || platform().has(domain) {
			l.addPair(domain, number, members(l.text[m[9]:end])[group])
		}
	}
	domain := domainRule.FindStringSubmatch(l.text)
	if len(pairs) > 0 || domain == nil || !named && !platform().has(domain[1]) {
		return
	}
	groups := members(l.text)
	for _, m := range numberRule.FindAllStringSubmatchIndex(l.text, -1) {
		if l.endsValue(m[5]) {
			l.addPair(domain[1], l.text[m[4]:m[5]], groups[l.text[m[2]:m[3]]])
		}
	}
}

// endsValue reports whether a value ends there, so that 1003.5 is not 1003.
func (l *lineReader) endsValue(at int) bool {
	return at == len(l.text) || strings.IndexByte(" \t\r\n,}\\\"", l.text[at]) >= 0
}

// members returns what a text says of errors, by group.
func members(text string) map[string]logged {
	groups := map[string]logged{}
	for _, m := range memberRule.FindAllStringSubmatch(text, -1) {
		value := memberValue(m[3])
		if m[4] != "" {
			value += " after " + m[4] + "ms"
		}
		said := groups[m[1]]
		said.set(m[2], value)
		groups[m[1]] = said
	}
	return groups
}

// memberValue returns a value without quotes, be they of logfmt or of JSON, which write
// some characters differently.
func memberValue(text string) string {
	if value, err := strconv.Unquote(text); err == nil {
		return value
	}
	var value string
	if json.Unmarshal([]byte(text), &value) == nil {
		return value
	}
	return strings.TrimLeft(text, "\\\"")
}

// addPair adds an error by domain and number, of which said tells the rest.
func (l *lineReader) addPair(domain, number string, said logged) {
	if !l.asks(domain) {
		return
	}
	for _, c := range l.book {
		if code, ok := c.Lookup(parse(number)); ok && c.Domain() == domain {
			e := said.errorOf(code)
			l.add(finding{code: code, err: e, silent: e != nil && isSilent(e)})
			return
		}
	}
	said.domain, said.number = domain, number
	if f, ok := said.finding(); ok {
		l.add(f)
	}
}

// bodies adds the bodies of HTTP errors: one that is the whole line, or the members of
// those that are quoted in it, be it in part.
func (l *lineReader) bodies() {
	whole, ok := l.book.bodyInLog(strings.TrimSpace(l.text))
	if ok && l.asks(whole.code.Domain()) {
		l.add(whole)
	}
	groups := members(l.text)
	domains := map[string]string{} // by how deep they are quoted
	for _, m := range bodyDomainRule.FindAllStringSubmatch(l.text, -1) {
		domains[m[1]] = m[2]
	}
	for _, m := range codeRule.FindAllStringSubmatch(l.text, -1) {
		domain := domains[m[1]]
		switch {
		case ok && parse(m[3]) == whole.code.Number() || !l.asks(domain):
		case domain == "" || platform().has(domain) || l.book.has(domain):
			l.addNumber(l.book.member(m[2], m[3], domain), domain == "")
		case strings.Contains(l.text, "grpc_code"): // as only our own bodies say it
			l.addPair(domain, m[3], groups[""])
		}
	}
}

// names adds the codes whose names or texts stand in the line.
func (l *lineReader) names() {
	if grpc, message, ok := printedStatus(l.text); ok {
		for _, c := range l.book.codes() {
			if c.GRPCCode() == grpc && strings.HasPrefix(message, c.Description("en")) {
				l.addCode(c)
			}
		}
	}
	for _, word := range reasonRule.FindAllString(l.text, -1) {
		if l.isOthers(word) {
			continue
		}
		for _, c := range l.book {
			if code, ok := c.LookupReason(bare(word)); ok {
				l.addCode(code)
			}
		}
	}
	for _, at := range wordRule.FindAllStringIndex(l.text, -1) {
		if c, ok := documented()[l.text[at[0]:at[1]]]; ok && l.book.has(c.Domain()) && isAlone(l.text[:at[0]], l.text[at[1]:]) {
			l.addCode(c)
		}
	}
}

// isOthers reports whether a name is that of an error of another domain in the line.
func (l *lineReader) isOthers(reason string) bool {
	return slices.ContainsFunc(l.found, func(f finding) bool {
		return !f.code.IsZero() && !f.code.Listed() && f.reason() == reason
	})
}

// documented returns the codes by their documented messages, as far as these are names of
// several words written as one, and so no words of a language. The platform prints them
// without the number.
var documented = sync.OnceValue(func() map[string]mapping.Code {
	names := map[string]mapping.Code{}
	for _, c := range platform().codes() {
		name := c.DocumentedMessage()
		if name != "" && wordRule.FindString(name) == name && strings.ContainsAny(name[1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
			names[name] = c
		}
	}
	return names
})

// isAlone reports whether a word between two texts is a message, and not a part of the
// name of a type, a function or a file, nor a key.
func isAlone(before, after string) bool {
	if last := before[max(0, len(before)-1):]; last != "" && !strings.Contains(" \t\"'`=:([{|,;>", last) || strings.HasSuffix(before, "::") {
		return false
	}
	next := strings.TrimLeft(after, "\\")
	if rest, ok := strings.CutPrefix(next, `"`); ok {
		return !strings.HasPrefix(strings.TrimLeft(rest, " "), ":")
	}
	if rest, ok := strings.CutPrefix(next, "."); ok {
		return rest == "" || strings.Contains(" \t\"'\\)]", rest[:1])
	}
	return next == "" || strings.Contains(" \t'`,;:)]}|<!", next[:1]) && !strings.HasPrefix(next, "::")
}

// How the libraries of gRPC print a status. Of a client without this module only the text
// tells then which code it was, if the handler gave none of its own.
var statusRules = [...]*regexp.Regexp{
	regexp.MustCompile(`code = (?P<code>\w+) desc = (?P<text>.*)`),                                          // Go
	regexp.MustCompile(`Status(?:Runtime)?Exception: (?P<code>[A-Z_]+)(?:: (?P<text>.*))?`),                 // Java
	regexp.MustCompile(`\b\d{1,2} (?P<code>[A-Z_]+): (?P<text>.*)`),                                         // Node
	regexp.MustCompile(`StatusCode\.(?P<code>[A-Z_]+)(?:\s*[,\n]?\s*details\s*=\s*"(?P<text>[^"]*))?`),      // Python
	regexp.MustCompile(`grpc_message:\s*\\*"(?P<text>[^"\\]*)\\*"[^}]*?grpc_status:\s*(?P<code>\d{1,2})\b`), // C++ core
	regexp.MustCompile(`grpc_status:\s*(?P<code>\d{1,2})\b[^}]*?grpc_message:\s*\\*"(?P<text>[^"\\]*)`),
}

// printedStatus returns gRPC code and message of a status that is printed in a text.
func printedStatus(text string) (codes.Code, string, bool) {
	for _, rule := range statusRules {
		m := rule.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		name := m[rule.SubexpIndex("code")]
		c, ok := parseGRPC(name)
		if n := parse(name); n > 0 && n <= int32(codes.Unauthenticated) {
			c, ok = codes.Code(n), true
		}
		if ok {
			return c, m[rule.SubexpIndex("text")], true
		}
	}
	return codes.OK, "", false
}

// parse returns a number of digits, 0 if no code can be that high.
func parse(digits string) int32 {
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil {
		return 0
	}
	return int32(n)
}

// duration returns a duration as Go prints it, 0 of another text.
func duration(text string) time.Duration {
	d, _ := time.ParseDuration(text)
	return d
}

// A key tells errors of a log apart.
type key struct {
	code mapping.Code
	grpc codes.Code // where there is no platform code
}

func (f finding) key() key {
	if f.code.IsZero() {
		return key{grpc: f.grpc()}
	}
	return key{code: f.code}
}

// learn takes over what another occurrence of the same error tells more. It stays in doubt
// whether it is the same if that was so of one of them.
func (f *finding) learn(g finding) {
	if f.err == nil && g.err != nil || g.wire && !f.wire {
		f.err, f.wire, f.silent, f.source = g.err, g.wire, g.silent, g.source
	}
	f.bare = f.bare || g.bare
}

// maxLine bounds what is read of a line, in bytes.
const maxLine = 256 << 10

// log returns the errors in a log, in the order of their first lines. For each the
// occurrence that tells most is kept.
func (b book) log(in io.Reader) ([]finding, error) {
	var all []finding
	at := map[key]int{}
	lines, kind := 0, ""
	var long []string
	err := eachLine(in, func(text string, whole bool) {
		lines++
		if lines == 1 {
			kind = http.DetectContentType([]byte(text))
		}
		if !whole {
			long = append(long, strconv.Itoa(lines))
		}
		for _, f := range b.line(text) {
			f.source = lines
			i, known := at[f.key()]
			if !known {
				i = len(all)
				at[f.key()] = i
				f.line = lines
				all = append(all, f)
			}
			all[i].count++
			all[i].learn(f)
		}
	})
	unread := ""
	if len(long) > 0 {
		unread = fmt.Sprintf("; only the first 256 KiB were read of line %.100s", strings.Join(long, ", "))
	}
	switch {
	case err != nil:
		return all, fmt.Errorf("reading standard input: %w", err)
	case lines == 0:
		return nil, errors.New("standard input is empty")
	case len(all) == 0 && (!strings.HasPrefix(kind, "text/") || strings.Contains(kind, "utf-16")):
		return nil, fmt.Errorf("no error code in what looks like %s, not like text in UTF-8", kind)
	case len(all) == 0:
		return nil, fmt.Errorf("no error code in %s%s", inLines(lines), unread)
	case unread != "":
		return all, errors.New(strings.TrimPrefix(unread, "; "))
	}
	return all, nil
}

func inLines(n int) string {
	if n == 1 {
		return "1 line"
	}
	return fmt.Sprintf("%d lines", n)
}

// eachLine calls f with each line, of long ones with the beginning, and tells whether that
// was the whole line.
func eachLine(in io.Reader, f func(text string, whole bool)) error {
	r := bufio.NewReaderSize(in, maxLine)
	for {
		text, more, err := r.ReadLine()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		f(string(text), !more)
		for more && err == nil {
			_, more, err = r.ReadLine()
		}
	}
}
