package maptest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
)

// A Want is something that an error is to have. Nil asks for nothing.
type Want func(err error, e *mapping.Error) fact

// A fact is what an error has of what is wanted.
type fact struct {
	name, want, got string
	ok              bool
}

// same returns the fact that two values are equal, or not.
func same[T comparable](name string, want, got T, text func(T) string) fact {
	return fact{name, text(want), text(got), want == got}
}

func code(c mapping.Code) Want {
	return func(_ error, e *mapping.Error) fact {
		f := fact{name: "code", want: codeText(c, c.Reason()), got: codeText(e.Code(), e.Reason())}
		switch {
		case c.IsZero():
			f.ok = e.Code().IsZero()
		case e.Inferred():
			f.got += " (inferred from " + e.GRPCCode().String() + ")"
		default:
			f.ok = errors.Is(e, c)
		}
		return f
	}
}

func codeText(c mapping.Code, reason string) string {
	if c.IsZero() {
		return "no platform code"
	}
	return strings.TrimSpace(c.Domain() + " " + strconv.Itoa(int(c.Number())) + " " + reason)
}

// plain wants an error without a platform code.
func plain(_ error, e *mapping.Error) fact {
	f := fact{name: "code", want: codeText(mapping.Code{}, ""), got: codeText(e.Code(), e.Reason()), ok: e.Code().IsZero() || e.Inferred()}
	if f.ok {
		f.got = f.want
	}
	return f
}

// Inferred wants a code that was inferred from a plain gRPC status. It is for
// [CheckGRPC], whose errors it divides into those with an inferred code and those
// with none.
func Inferred(c mapping.Code) Want {
	return func(_ error, e *mapping.Error) fact {
		f := fact{name: "inferred code", want: codeText(c, c.Reason()), got: "none"}
		if e.Inferred() {
			f.got, f.ok = codeText(e.Code(), e.Reason()), errors.Is(e, c)
		}
		return f
	}
}

// GRPC wants a gRPC code.
func GRPC(c codes.Code) Want {
	return func(_ error, e *mapping.Error) fact { return same("gRPC code", c, e.GRPCCode(), codes.Code.String) }
}

// Message wants this message for the peer, to the letter.
func Message(text string) Want {
	return func(_ error, e *mapping.Error) fact { return same("message", text, e.Message(), strconv.Quote) }
}

// MessageContains wants a message with this part.
func MessageContains(part string) Want {
	return func(_ error, e *mapping.Error) fact {
		return fact{"message", "…" + strconv.Quote(part) + "…", strconv.Quote(e.Message()), strings.Contains(e.Message(), part)}
	}
}

// Metadata wants a metadata entry. Other entries do not matter. The key may be written as
// it was given to [mapping.Error]'s With, which changes some.
func Metadata(key, value string) Want {
	return func(_ error, e *mapping.Error) fact {
		f := fact{name: "metadata[" + strconv.Quote(key) + "]", want: strconv.Quote(value), got: "none"}
		metadata := e.Metadata()
		got, ok := metadata[key]
		if !ok {
			got, ok = metadata[sent(key)]
		}
		if ok {
			f.got, f.ok = strconv.Quote(got), got == value
		}
		return f
	}
}

// sent returns a key as With makes it.
func sent(key string) string {
	for k := range sdk.InnerSystemError.AsError().With(key, "").Metadata() {
		key = k
	}
	return key
}

// NoMetadata wants no metadata entry of these keys, written as for [Metadata]; without
// keys, none at all.
func NoMetadata(keys ...string) Want {
	return func(_ error, e *mapping.Error) fact {
		found, want := e.Metadata(), "none"
		if len(keys) > 0 {
			maps.DeleteFunc(found, func(found, _ string) bool {
				return !slices.ContainsFunc(keys, func(key string) bool { return found == key || found == sent(key) })
			})
			want = "none of " + strings.Join(keys, ", ")
		}
		f := fact{name: "metadata", want: want, got: "none", ok: len(found) == 0}
		if !f.ok {
			f.got = fmt.Sprintf("%q", found)
		}
		return f
	}
}

// Retry wants a retry hint: who may repeat the call, and after how long.
func Retry(class mapping.RetryClass, delay time.Duration) Want {
	return func(_ error, e *mapping.Error) fact {
		return same("retry", mapping.Retry{Class: class, Delay: delay}, e.Retry(), mapping.Retry.String)
	}
}

// RetryClass wants a retry class, after whatever delay.
func RetryClass(class mapping.RetryClass) Want {
	return func(_ error, e *mapping.Error) fact {
		return same("retry class", class, e.Retry().Class, mapping.RetryClass.String)
	}
}

// RequestID wants a request id; with "" any but none.
func RequestID(id string) Want {
	return func(_ error, e *mapping.Error) fact {
		if id == "" {
			return fact{"request id", "any", strconv.Quote(e.RequestID()), e.RequestID() != ""}
		}
		return same("request id", id, e.RequestID(), strconv.Quote)
	}
}

// Origin wants an error that was born there.
func Origin(o mapping.Origin) Want {
	return func(_ error, e *mapping.Error) fact { return same("origin", o, e.Origin(), mapping.Origin.String) }
}

// Attempts wants a call that was tried so many times; see interceptor.WithRetry.
func Attempts(n int) Want {
	return func(_ error, e *mapping.Error) fact { return same("attempts", n, e.Attempts(), strconv.Itoa) }
}

// Trimmed wants an error from which something was left out to fit the wire budget, or, with
// false, one that is whole.
func Trimmed(trimmed bool) Want {
	return func(_ error, e *mapping.Error) fact { return same("trimmed", trimmed, e.Trimmed(), strconv.FormatBool) }
}

// Cause wants an error in which [errors.Is] finds target. Causes do not cross the
// wire, so it is for errors of this process, and for the context's errors, which those
// with CANCELLED and DEADLINE_EXCEEDED are on a client too.
func Cause(target error) Want {
	return func(err error, e *mapping.Error) fact {
		return fact{"cause", fmt.Sprintf("%v", target), "not in it", errors.Is(err, target) || errors.Is(e, target)}
	}
}

// Detail wants a status that carries this detail, which no status does if it is nil.
func Detail(m proto.Message) Want {
	if m == nil {
		return func(error, *mapping.Error) fact {
			return fact{name: "detail", want: "nil, which is none", got: "none of it"}
		}
	}
	return func(_ error, e *mapping.Error) fact {
		name := m.ProtoReflect().Descriptor().FullName()
		f := fact{name: "detail " + string(name), want: messageText(m), got: "none"}
		for _, d := range e.GRPCStatus().Proto().GetDetails() {
			if d.MessageName() != name {
				continue
			}
			got := m.ProtoReflect().New().Interface()
			if err := d.UnmarshalTo(got); err != nil {
				f.got = err.Error()
				return f
			}
			f.got, f.ok = messageText(got), proto.Equal(got, m)
			return f
		}
		return f
	}
}

func messageText(m proto.Message) string {
	if text := (prototext.MarshalOptions{}).Format(m); text != "" {
		return text
	}
	return "(empty)"
}
