package main

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/httperr"
)

// What has a number, and may lack a domain, is read by package httperr, whose rules say
// whose number it is. There is no second set of rules here.

// parse reads the parts of an HTTP response, by the catalogues if some are asked for.
func (b book) parse(status int, header http.Header, body string) (*mapping.Error, bool) {
	if b.isWhole() {
		return httperr.Parse(status, header, []byte(body))
	}
	return httperr.Parse(status, header, []byte(body), b...)
}

// platform returns the book of all catalogues of the platform.
func platform() book { return slices.Collect(mapping.Catalogs()) }

// isWhole reports whether no catalogue was asked for.
func (b book) isWhole() bool { return slices.Equal(b, platform()) }

// isObject reports whether a text could be a JSON object.
func isObject(text string) bool { return strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}") }

// body reads a JSON object, of which nobody says with which HTTP status it came: below
// 400 the rules are stricter about what is an error. What is inferred from the status
// would be made up, so then there is no code.
func (b book) body(text string) (finding, bool) {
	if !isObject(text) {
		return finding{}, false
	}
	e, ok := b.parse(http.StatusOK, nil, text)
	if !ok {
		e, ok = b.parse(http.StatusBadRequest, nil, text)
		ok = ok && !e.Code().IsZero()
	}
	if !ok {
		return finding{}, false
	}
	f := finding{code: e.Code(), err: e, bare: b.isWhole() && saysNoDomain(text)}
	if e.Inferred() {
		f.code = mapping.Code{}
	}
	f.silent = f.code.IsZero() || !f.code.Listed() && !strings.Contains(text, `"retry"`)
	return f, true
}

// saysNoDomain reports whether the number in a body belongs to whoever is asked first.
func saysNoDomain(body string) bool {
	ours, _ := httperr.Parse(http.StatusBadRequest, nil, []byte(body), sdk.Catalog())
	theirs, _ := httperr.Parse(http.StatusBadRequest, nil, []byte(body), rest.Catalog())
	return ours.Code().Domain() != theirs.Code().Domain() && !ours.Code().IsZero() && !theirs.Code().IsZero()
}

// bodyInLog is body for a line of a log, where many an object with a code and a message
// is no error of the platform: it has to be a number that some catalogue has, to be of
// the scheduler's form, or to say what only our own bodies say.
func (b book) bodyInLog(text string) (finding, bool) {
	f, ok := b.body(text)
	switch {
	case !ok || f.code.IsZero():
		return finding{}, false
	case f.code.Listed():
		return f, true
	case f.bare:
		return f, len(platform().number(f.code.Number())) > 0 || strings.Contains(text, `"errorCode"`)
	}
	return f, strings.Contains(text, `"grpc_code"`)
}

// member reads a number that stands as a member of JSON, of which the rest is not at
// hand, as if it stood in the body of an error.
func (b book) member(key, number, domain string) mapping.Code {
	body := map[string]any{key: parse(number), "message": "-"}
	if key == "errorCode" {
		body = map[string]any{key: parse(number), "errorMessage": "-"}
	}
	if domain != "" {
		body["domain"] = domain
	}
	text, err := json.Marshal(body)
	if err != nil {
		return mapping.Code{}
	}
	e, _ := b.parse(http.StatusBadRequest, nil, string(text))
	return e.Code()
}

// header reads the header X-Inner-Code.
func (b book) header(number string) mapping.Code {
	e, _ := b.parse(http.StatusBadRequest, http.Header{"X-Inner-Code": {number}}, "")
	return e.Code()
}

// A logged is what a line says of an error, in the words of [mapping.Error]'s LogValue.
type logged struct {
	domain, number, reason, grpc, retry, message, inferred, requestID string
}

// set notes a member by its name; others are ignored. Of two the first counts: a later one
// may be a part of the text of an error.
func (l *logged) set(name, value string) {
	to, ok := map[string]*string{
		"reason": &l.reason, "grpc": &l.grpc, "grpc_code": &l.grpc, "retry": &l.retry, "message": &l.message,
		"inferred": &l.inferred, "request_id": &l.requestID,
	}[name]
	if ok && *to == "" {
		*to = value
	}
}

// errorOf returns it as an error of a code that a catalogue has, nil if the line says
// nothing but the code.
func (l logged) errorOf(c mapping.Code) *mapping.Error {
	if l.message == "" && l.retry == "" {
		return nil
	}
	e := c.Errorf("%s", cmp.Or(l.message, c.Description("en")))
	if grpc, ok := parseGRPC(l.grpc); ok && l.inferred == "true" {
		if guess, _ := mapping.FromStatus(status.New(grpc, e.Message())); guess.Code() == c {
			e = guess
		}
	}
	class, delay, _ := strings.Cut(l.retry, " after ")
	for known := mapping.Never; known <= mapping.HigherLevel; known++ {
		if known.String() == class {
			e = e.WithRetry(mapping.Retry{Class: known, Delay: duration(delay)})
		}
	}
	return e.WithRequestID(l.requestID)
}

// finding returns it, as an error of a code that no catalogue here has, as what
// [httperr.Write] would have sent.
func (l logged) finding() (finding, bool) {
	if parse(l.number) == 0 {
		return finding{}, false
	}
	body := map[string]any{
		"code": parse(l.number), "domain": l.domain, "message": l.message, "reason": l.reason,
		"grpc_code": grpcName(codes.Unknown), "request_id": l.requestID,
	}
	if c, ok := parseGRPC(l.grpc); ok {
		body["grpc_code"] = grpcName(c)
	}
	if class, delay, _ := strings.Cut(l.retry, " after "); class != "" {
		body["retry"] = map[string]any{"class": class, "delay_ms": duration(delay).Milliseconds()}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return finding{}, false
	}
	e, ok := httperr.Parse(http.StatusInternalServerError, nil, text)
	if !ok || e.Code().Domain() != l.domain {
		return finding{}, false
	}
	return finding{code: e.Code(), err: e, silent: l.retry == ""}, true
}
