package interceptor

import (
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc/status"
)

// LogValue returns what a person wants to read of the event, as a group: the method,
// everything that its [mapping.Error] knows, the real cause, and how the call went. It
// leaves out what has its usual value. See [slog.LogValuer].
//
//	slog.WarnContext(ctx, "call failed", "call", ev)
//
// The cause is for the log of this process: it may hold what no client may see.
func (ev Event) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, 20)
	attrs = append(attrs, slog.String("side", ev.Side.String()), slog.String("method", ev.Method))
	if ev.Error != nil {
		for _, a := range ev.Error.LogValue().Group() {
			if a.Key != "cause" { // the event knows it better
				attrs = append(attrs, a)
			}
		}
	}
	if ev.RequestID != "" && ev.Error.RequestID() == "" {
		attrs = append(attrs, slog.String("request_id", ev.RequestID))
	}
	if cause := ev.causeText(); cause != "" {
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
	if ev.Panic != nil {
		attrs = append(attrs, slog.String("panic", fmt.Sprint(ev.Panic)))
	}
	if len(ev.Stack) > 0 {
		attrs = append(attrs, slog.String("stack", string(ev.Stack)))
	}
	return slog.GroupValue(attrs...)
}

// causeText returns the text of the cause where it tells more than the error does.
// That of a status which a client got does not: the error was decoded from it.
func (ev Event) causeText() (text string) {
	if ev.Cause == nil {
		return ""
	}
	if _, isStatus := ev.Cause.(interface{ GRPCStatus() *status.Status }); isStatus && ev.Side == ClientSide {
		return ""
	}
	defer func() {
		if recover() != nil { // the Error method of a typed nil, for instance
			text = fmt.Sprintf("%T, whose Error method panics", ev.Cause)
		}
	}()
	text = ev.Cause.Error()
	if text == ev.Error.Error() {
		return ""
	}
	return text
}
