package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

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
	// domainRule and numberRule are how it is logged, by slog or in JSON.
	domainRule = regexp.MustCompile(`(?:^|[\s,{."])domain\\?"?\s*[=:]\s*\\?"?([a-z0-9][a-z0-9.-]*)`)
	numberRule = regexp.MustCompile(`(?:^|[\s,{."])number\\?"?\s*[=:]\s*\\?"?(\d{1,10})(?:[\s,}\\"]|$)`)
	// jsonRule is the code in the body of an HTTP error, headerRule that in its header.
	jsonRule   = regexp.MustCompile(`"(?:code|errorCode)\\?"\s*:\s*\\?"?(\d{1,10})\\?"?\s*[,}]`)
	headerRule = regexp.MustCompile(`(?i)\bx-inner-code\\?"?\s*[:=]\s*\[?\\?"?(\d{1,10})(?:[\s,;}\]\\"]|$)`)
	// reasonRule is a name, of at least two words, alone.
	reasonRule = regexp.MustCompile(`\b(?:ERR_)?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b`)
	// statusRule is how gRPC prints its errors. Of a client without this module only the
	// text tells then which one it was, if the handler gave none of its own.
	statusRule = regexp.MustCompile(`code = (\w+) desc = (.*)`)
)

// line returns the errors in a line of a log, each once. Those with most knowledge
// come first.
func (b book) line(text string) []finding {
	l := &lineReader{book: b}
	for _, blob := range detailsRule.FindAllString(text, -1) {
		st, err := decodeStatus(blob)
		if err != nil || !isStatus(st) {
			continue
		}
		if f, err := readDetails(blob); err == nil {
			l.addDetails(f)
		}
	}
	domain := domainRule.FindStringSubmatch(text)
	if domain != nil {
		l.addNumbers(numberRule, text, domain[1])
		l.addNumbers(jsonRule, text, domain[1])
	} else {
		l.addNumbers(jsonRule, text, "")
	}
	l.addNumbers(headerRule, text, "")
	for _, m := range printedRule.FindAllStringSubmatch(text, -1) {
		for _, c := range b.number(parse(m[2])) {
			if c.Reason() == m[1] {
				l.add(c)
			}
		}
	}
	if c, _, ok := mapping.ParseText(text, b...); ok {
		l.add(c)
	}
	if m := statusRule.FindStringSubmatch(text); m != nil {
		grpc, _ := parseGRPC(m[1])
		for _, c := range b.codes() {
			if c.GRPCCode() == grpc && strings.HasPrefix(m[2], c.Description("en")) {
				l.add(c)
			}
		}
	}
	for _, word := range reasonRule.FindAllString(text, -1) {
		for _, c := range b {
			if code, ok := c.LookupReason(bare(word)); ok {
				l.add(code)
			}
		}
	}
	return l.found
}

// A lineReader gathers what stands in one line.
type lineReader struct {
	book  book
	found []finding
}

func (l *lineReader) add(c mapping.Code) {
	if !slices.ContainsFunc(l.found, func(f finding) bool { return f.code == c }) {
		l.found = append(l.found, finding{code: c})
	}
}

// addDetails adds what a status says, if its domain is asked for.
func (l *lineReader) addDetails(f finding) {
	asked := f.code.IsZero() || slices.ContainsFunc(l.book, func(c *mapping.Catalog) bool { return c.Domain() == f.code.Domain() })
	if unknown, _ := mapping.Lookup(f.code.Domain(), f.code.Number()); unknown.IsZero() && !f.code.IsZero() {
		asked = true // nobody can have asked for what nobody here knows
	}
	if asked && !slices.ContainsFunc(l.found, func(g finding) bool { return g.key() == f.key() }) {
		l.found = append(l.found, f)
	}
}

// addNumbers adds the codes of the numbers that a rule finds, in one domain or in all.
func (l *lineReader) addNumbers(rule *regexp.Regexp, text, domain string) {
	for _, m := range rule.FindAllStringSubmatch(text, -1) {
		for _, c := range l.book.number(parse(m[1])) {
			if domain == "" || c.Domain() == domain {
				l.add(c)
			}
		}
	}
}

// parse returns a number of digits, 0 if no code can be that high.
func parse(digits string) int32 {
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil {
		return 0
	}
	return int32(n)
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
			i, known := at[f.key()]
			if !known {
				i = len(all)
				at[f.key()] = i
				f.line = lines
				all = append(all, f)
			}
			all[i].count++
			if all[i].err == nil {
				all[i].err = f.err
			}
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
		return nil, fmt.Errorf("no error code in %d lines%s", lines, unread)
	case unread != "":
		return all, fmt.Errorf("%d lines were read%s", lines, unread)
	}
	return all, nil
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
