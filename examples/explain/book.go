package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	"github.com/openyuanrong/statusmap/mapping"
)

// A finding is an error that can be explained.
type finding struct {
	code   mapping.Code   // zero: no platform code
	err    *mapping.Error // nil: nothing is known but the code
	wire   bool           // err was a status, whose details are what was sent
	bare   bool           // only the number was given, so that it may be another's
	silent bool           // neither sender nor catalogue says who may repeat the call
	// In a log: the first line that has it, from 1, the number of lines, and the line that
	// err is from.
	line, count, source int
}

func (f finding) grpc() codes.Code {
	if f.err != nil {
		return f.err.GRPCCode()
	}
	return f.code.GRPCCode()
}

func (f finding) retry() mapping.Retry {
	if f.err != nil {
		return f.err.Retry()
	}
	return f.code.Retry()
}

func (f finding) reason() string {
	if f.err != nil {
		return f.err.Reason()
	}
	return f.code.Reason()
}

// A book is the catalogues in which errors are looked up.
type book []*mapping.Catalog

// open returns the catalogues of a domain, or of all domains for "".
func open(domain string) (book, error) {
	var b book
	var known []string
	for c := range mapping.Catalogs() {
		known = append(known, c.Domain())
		if domain == "" || isDomain(c, domain) {
			b = append(b, c)
		}
	}
	if len(b) == 0 {
		return nil, cli.Misusef("-domain %q: it must be one of %s", domain, strings.Join(known, ", "))
	}
	return b, nil
}

// isDomain reports whether name is the catalogue's domain or its first label.
func isDomain(c *mapping.Catalog, name string) bool {
	first, _, _ := strings.Cut(c.Domain(), ".")
	return strings.EqualFold(name, c.Domain()) || strings.EqualFold(name, first)
}

// codes returns all codes, by catalogue and number.
func (b book) codes() []mapping.Code {
	var all []mapping.Code
	for _, c := range b {
		all = slices.AppendSeq(all, c.All())
	}
	return all
}

// number returns the codes of that number: one for each catalogue that has it.
func (b book) number(n int32) []mapping.Code {
	var found []mapping.Code
	for _, c := range b {
		if code, ok := c.Lookup(n); ok {
			found = append(found, code)
		}
	}
	return found
}

// name returns the codes of that name, however it is written, or of that text, documented
// or in the catalogue.
func (b book) name(name string) []mapping.Code {
	var found []mapping.Code
	for _, code := range b.codes() {
		switch folded(name) {
		case folded(code.DocumentedMessage()), folded(code.Description("en")), folded(code.Description("zh")):
			found = append(found, code)
		default:
			if folded(code.Reason()) == folded(bare(name)) {
				found = append(found, code)
			}
		}
	}
	return found
}

// bare returns a name without the prefixes by which others write it.
func bare(name string) string {
	for _, prefix := range [...]string{"ERR_", "CODE_"} {
		if rest, ok := strings.CutPrefix(strings.ToUpper(name), prefix); ok {
			return rest
		}
	}
	return name
}

// folded returns a name in capitals without what separates its words.
func folded(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == ' ' {
			return -1
		}
		return unicode.ToUpper(r)
	}, name)
}

// find returns what one argument names.
func (b book) find(arg string) ([]finding, error) {
	text := unquoted(strings.TrimSpace(arg))
	if text == "" {
		return nil, errors.New("an empty argument names no error")
	}
	narrow, name := b.qualified(text)
	if n, err := strconv.ParseInt(name, 10, 64); err == nil {
		return narrow.findNumber(n, name)
	}
	if isObject(text) {
		if f, ok := b.body(text); ok {
			return []finding{f}, nil
		}
		return b.findInText(text)
	}
	if found := narrow.name(name); len(found) > 0 {
		return findings(found), nil
	}
	if parts := strings.Fields(text); len(parts) > 1 {
		// What a terminal or a mail has broken into lines.
		if st, err := decodeStatus(strings.Join(parts, "")); err == nil && isStatus(st) {
			f, err := readDetails(strings.Join(parts, ""))
			return []finding{f}, err
		}
		return b.findInText(text)
	}
	if strings.Trim(text, "0123456789") == "" {
		return nil, fmt.Errorf("%.60s: a number this long is no code", text)
	}
	f, err := readDetails(text)
	if err == nil {
		return []finding{f}, nil
	}
	if found := b.line(text); len(found) > 0 {
		return found, nil // a line without blanks
	}
	if isLikelyBase64(text) {
		return nil, fmt.Errorf("%s: neither the name of a code nor a status: %v", shortened(text), err)
	}
	return nil, b.unknownName(name)
}

// findNumber returns the codes of a number that stands alone.
func (b book) findNumber(n int64, text string) ([]finding, error) {
	if n == int64(int32(n)) {
		if found := findings(b.number(int32(n))); len(found) > 0 {
			for i := range found {
				found[i].bare = b.isWhole()
			}
			return found, nil
		}
	}
	hint := ""
	switch {
	case n == int64(int32(n)) && frontends[int32(n)].en != "":
		hint = "; from the platform's frontend it means: " + frontends[int32(n)].en
	case n == 0:
		hint = "; the platform's 0 is success"
	case n > 0 && n <= int64(codes.Unauthenticated):
		hint = grpcHint(codes.Code(n))
	case n >= 100 && n <= 599:
		hint = "; it could be an HTTP status"
	}
	return nil, fmt.Errorf("no catalogue (%s) has the number %s%s", b.domains(), text, hint)
}

func (b book) domains() string {
	var names []string
	for _, c := range b {
		names = append(names, c.Domain())
	}
	return strings.Join(names, ", ")
}

// qualified splits a catalogue's name off what is written as sdk.InstanceNotFound,
// sdk.yuanrong:1003 or sdk.yuanrong/1003.
func (b book) qualified(text string) (book, string) {
	if i := strings.LastIndexAny(text, ".:/"); i > 0 {
		for _, c := range b {
			if isDomain(c, text[:i]) {
				return book{c}, text[i+1:]
			}
		}
	}
	return b, text
}

// unquoted returns a text without quotes around it.
func unquoted(text string) string {
	if n := len(text); n > 1 && text[0] == text[n-1] && strings.ContainsRune("\"'`", rune(text[0])) {
		return text[1 : n-1]
	}
	return text
}

// findInText returns what a line of a log names.
func (b book) findInText(text string) ([]finding, error) {
	found := b.line(text)
	if len(found) > 0 {
		return found, nil
	}
	if c, _, ok := printedStatus(text); ok {
		return nil, fmt.Errorf("no error code in %s%s", shortened(text), grpcHint(c))
	}
	if _, after, ok := strings.Cut(text, "grpc-status-details-bin"); ok {
		if _, err := decodeStatus(detailsRule.FindString(after)); err != nil {
			return nil, fmt.Errorf("no error code in %s; the details there cannot be read: %v", shortened(text), err)
		}
	}
	return nil, fmt.Errorf("no error code in %s", shortened(text))
}

// grpcHint says what a code of gRPC is worth.
func grpcHint(c codes.Code) string {
	return fmt.Sprintf("; %s is gRPC's own (%s), and says nothing about the platform: -list -grpc %[1]s shows the codes that travel with it",
		grpcName(c), generally("en", c))
}

// parseGRPC returns the error code of gRPC of that name, in either spelling.
func parseGRPC(name string) (codes.Code, bool) {
	for c := codes.Canceled; c <= codes.Unauthenticated; c++ {
		if folded(name) == folded(grpcName(c)) || folded(name) == folded(c.String()) {
			return c, true
		}
	}
	return codes.OK, false
}

func findings(found []mapping.Code) []finding {
	var all []finding
	for _, c := range found {
		all = append(all, finding{code: c})
	}
	return all
}

// unknownName tells which names are similar to one that no catalogue has.
func (b book) unknownName(name string) error {
	if c, ok := parseGRPC(name); ok {
		return fmt.Errorf("no code is called %s%s", shortened(name), grpcHint(c))
	}
	var similar []string
	for _, code := range b.codes() {
		if isSimilar(folded(bare(name)), folded(code.Reason())) {
			similar = append(similar, code.Reason())
		}
	}
	const most = 5
	switch {
	case len(similar) == 0:
		return fmt.Errorf("no code is called %s; -list shows all", shortened(name))
	case len(similar) > most:
		similar = append(similar[:most], "…")
	}
	return fmt.Errorf("no code is called %s; did you mean %s?", shortened(name), strings.Join(similar, ", "))
}

// isSimilar reports whether one name is a part of the other, or a mistyped form.
func isSimilar(typed, name string) bool {
	if len(typed) < 3 {
		return false
	}
	return strings.Contains(name, typed) || strings.Contains(typed, name) || distance(typed, name) <= len(name)/5
}

// distance is how many letters have to be changed, added or removed to make b of a
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, before+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// digits writes a number.
func digits(n int32) string { return strconv.Itoa(int(n)) }

// shortened quotes a text of any length for a message.
func shortened(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return strconv.Quote(text)
}
