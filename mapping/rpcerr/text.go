package rpcerr

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/openyuanrong/statusmap/mapping/internal/str"
)

// What errors say to the people of this process: as a text, and in a log.

// maxErrorText bounds what Error returns, for it ends up in log lines.
const maxErrorText = 512

// Error returns the code, the message for the peer and the request id, if there is one, in
// one line of at most 512 bytes, with spaces in place of control characters. The cause is
// not in it, so that an error wrapped with %w leaks no more than the peer may know.
func (e *Error) Error() string {
	if e == nil {
		return "<nil>"
	}
	var b strings.Builder
	switch reason := e.Reason(); {
	case e.code.IsZero():
		b.WriteString(e.GRPCCode().String())
	case !e.code.Listed() && reason != "":
		b.WriteString(reason + " (" + strconv.Itoa(int(e.code.Number())) + ")")
	default:
		b.WriteString(e.code.String())
	}
	if message := e.Message(); message != "" {
		b.WriteString(": ")
		b.WriteString(str.Cut(message, maxErrorText))
	}
	text, id := b.String(), ""
	if e.requestID != "" {
		id = " (request " + e.requestID + ")"
	}
	text = str.Shorten(text, maxErrorText-len(id))
	// A peer may have chosen any of it.
	return oneLine(text + id)
}

// oneLine replaces characters that control how others are read, line breaks among
// them, by spaces.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if str.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// maxLogText bounds each text of a log, because a peer may have chosen it. What was sent
// within a budget is whole.
const maxLogText = MaxBudget

// LogValue returns what e knows, including the cause, as a group; see [slog.LogValuer].
// Message and cause are cut to [MaxBudget] bytes each, and so is the metadata as a whole,
// so that no peer decides how long a line of the log gets.
func (e *Error) LogValue() slog.Value {
	if e == nil {
		return slog.Value{}
	}
	attrs := make([]slog.Attr, 0, 12)
	if !e.code.IsZero() {
		attrs = append(attrs,
			slog.String("domain", e.code.Domain()),
			slog.Int("number", int(e.code.Number())),
			slog.String("reason", e.Reason()))
	}
	attrs = append(attrs,
		slog.String("grpc", e.GRPCCode().String()),
		slog.String("message", str.Shorten(e.Message(), maxLogText)),
		slog.String("retry", e.Retry().String()))
	if e.origin != OriginLocal {
		attrs = append(attrs, slog.String("origin", e.origin.String()))
	}
	if e.requestID != "" {
		attrs = append(attrs, slog.String("request_id", e.requestID))
	}
	if n := e.Attempts(); n > 0 {
		attrs = append(attrs, slog.Int("attempts", n))
	}
	if e.Inferred() {
		attrs = append(attrs, slog.Bool("inferred", true))
	}
	if e.Parsed() {
		attrs = append(attrs, slog.Bool("parsed", true))
	}
	if e.Trimmed() {
		attrs = append(attrs, slog.Bool("trimmed", true))
	}
	if m := loggable(e.Metadata()); len(m) > 0 {
		attrs = append(attrs, slog.Any("metadata", m))
	}
	if e.cause != nil && e.received == nil {
		attrs = append(attrs, slog.String("cause", TextOf(e.cause)))
	}
	return slog.GroupValue(attrs...)
}

// loggable cuts metadata that is too long for a log: its values, and then its entries in
// the order of their keys.
func loggable(m map[string]string) map[string]string {
	size := 0
	for key, value := range m {
		size += len(key) + len(value)
	}
	if size <= maxLogText {
		return m
	}
	room, left := maxLogText, 0
	for _, key := range slices.Sorted(maps.Keys(m)) {
		value := str.Shorten(m[key], maxErrorText)
		if size := len(key) + len(value); size <= room {
			m[key], room = value, room-size
			continue
		}
		delete(m, key)
		left++
	}
	if left > 0 {
		m["…"] = strconv.Itoa(left) + " more"
	}
	return m
}

// TextOf returns what err says, for a log, and "" for nil. It returns only the type of a
// nil *Error, and of an error whose Error method panics, as that of a typed nil does. It
// cuts a text to MaxBudget bytes, because the text may be a peer's.
func TextOf(err error) (text string) {
	if err == nil {
		return ""
	}
	if e, is := err.(*Error); is && e == nil {
		return fmt.Sprintf("%T, which is nil", err)
	}
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("%T, whose Error method panics", err)
		}
	}()
	return str.Shorten(err.Error(), maxLogText)
}
