package interceptor

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// LogValue returns what a person wants to read of the event, as a group: the method,
// everything that its [mapping.Error] knows, the real cause, and how the call went. It
// leaves out what has its usual value. The times, "took" and "wait", are of type
// [time.Duration], which slog's JSON handler writes as nanoseconds. See [slog.LogValuer].
//
//	slog.WarnContext(ctx, "call failed", "call", ev)
//
// The cause is for the log of this process: it may hold what no client may see.
func (ev Event) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, 20)
	attrs = append(attrs, slog.String("side", ev.Side.String()), slog.String("method", ev.Method))
	if ev.Error != nil {
		// Without its cause, which the event knows better.
		attrs = append(attrs, ev.Error.WithCause(nil).LogValue().Group()...)
	}
	if ev.RequestID != "" && ev.RequestID != ev.Error.RequestID() {
		key := "request_id"
		if ev.Error.RequestID() != "" { // which is what the client asks by
			key = "own_request_id"
		}
		attrs = append(attrs, slog.String(key, ev.RequestID))
	}
	if cause := ev.CauseText(); cause != "" {
		attrs = append(attrs, slog.String("cause", cause))
	}
	if ev.InBand {
		attrs = append(attrs, slog.Bool("in_band", true))
	}
	attrs = append(attrs, slog.Duration("took", ev.Duration.Round(time.Microsecond)))
	if ev.Attempt > 0 && ev.Error.Attempts() == 0 {
		attrs = append(attrs, slog.Int("attempt", ev.Attempt))
	}
	if ev.Retrying {
		attrs = append(attrs, slog.Bool("retrying", true), slog.Duration("wait", ev.Wait.Round(time.Microsecond)))
	}
	if ev.GaveUp != "" && ev.GaveUp != GaveUpError {
		attrs = append(attrs, slog.String("gave_up", string(ev.GaveUp)))
	}
	if ev.Panic != nil {
		attrs = append(attrs, slog.String("panic", panicText(ev.Panic)))
	}
	if len(ev.Stack) > 0 {
		attrs = append(attrs, slog.String("stack", string(ev.Stack)))
	}
	return slog.GroupValue(attrs...)
}

// panicText returns the text of a value that a handler panicked with.
func panicText(value any) string {
	err, ok := value.(error)
	if !ok {
		err = fmt.Errorf("%v", value)
	}
	return rpcerr.TextOf(err)
}

// CauseText returns what Cause tells beyond Error, "" for nothing. Unlike the texts of
// errors it has in it what platform errors hide from their peers: the causes that they
// wrap. It is for the log of this process, and safe for errors of any quality
// ([rpcerr.TextOf]).
//
// On a client the status that the error was decoded from tells nothing more.
func (ev Event) CauseText() string {
	if _, isStatus := ev.Cause.(interface{ GRPCStatus() *status.Status }); isStatus && ev.Side == ClientSide {
		return ""
	}
	text := rpcerr.TextOf(ev.Cause)
	if text == ev.Error.Error() || text == ev.Error.WithRequestID("").Error() {
		text = "" // it got its id on the way
	}
	for _, hidden := range hiddenCauses(ev.Cause) {
		if len(text) > maxCause {
			return text + "…"
		}
		text = because(text, rpcerr.TextOf(hidden))
	}
	return text
}

// maxCause is where CauseText ends, give or take a cause: a join may have very many.
const maxCause = rpcerr.MaxBudget

// because returns a text with a cause behind it, unless it ends with that cause already.
func because(text, cause string) string {
	switch {
	case text == "":
		return cause
	case cause == "", text == cause, strings.HasSuffix(text, ": "+cause):
		return text
	}
	return strings.TrimRight(text, ".") + ": " + cause
}

// hiddenCauses returns the causes that platform errors in err have and do not print. A
// [mapping.Mapper] that err has come through hides those in an error that holds io.EOF,
// which then has a tree of its own.
func hiddenCauses(err error) []error {
	var hidden []error
	trees := []error{err}
	for i := 0; i < len(trees) && i < maxTrees; i++ {
		rpcerr.Walk(trees[i], func(err error) bool {
			switch x := err.(type) {
			case *mapping.Error:
				if x.Unwrap() != nil && (x.HidesCause() || x.Origin() == mapping.OriginLocal) {
					hidden = append(hidden, x.Unwrap())
				}
			case interface{ Hidden() error }:
				trees = append(trees, x.Hidden())
			}
			return true
		})
	}
	return hidden
}

// maxTrees bounds the trees that are looked into: one for the error, and one for each
// mapping that it, or an error joined in it, has come through.
const maxTrees = 10
