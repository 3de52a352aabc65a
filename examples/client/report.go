package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
)

// A report shows an error to a person.
type report struct {
	lang  cli.Lang
	paint cli.Paint
	out   io.Writer
}

// line is one fact, left out if it is empty.
type line struct{ en, zh, text string }

// print prints everything that is known about an error.
func (r report) print(e *mapping.Error, addr string) {
	if isUnreachable(e) {
		fmt.Fprintf(r.out, r.lang.Pick("no server at %s; start one: go run ./examples/server\n", "%s 没有服务;启动:go run ./examples/server\n"), addr)
	}
	title := e.Code().String()
	if e.Code().IsZero() {
		title = e.GRPCCode().String()
	}
	fmt.Fprintf(r.out, "%s %s\n", r.lang.Pick("error:", "错误:"), r.paint.In(cli.Red, title))

	lang := string(r.lang)
	lines := []line{
		{"domain", "域", e.Code().Domain()},
		{"gRPC code", "gRPC 码", e.GRPCCode().String()},
		{"message", "消息", e.Message()},
		{"metadata", "元数据", joined(e.Metadata())},
		{"description", "说明", e.Code().Description(lang)},
		{"remedy", "处理建议", e.Code().Remedy(lang)},
		{"retry", "重试", r.advice(e)},
		{"try", "可执行", next(e.Code())},
		{"origin", "来源", e.Origin().String()},
		{"request id", "请求 ID", e.RequestID()},
	}
	width := 0
	for _, l := range lines {
		width = max(width, cli.Width(r.lang.Pick(l.en, l.zh)))
	}
	for _, l := range lines {
		if l.text != "" {
			fmt.Fprintf(r.out, "  %s  %s\n", cli.Pad(r.lang.Pick(l.en, l.zh), width), l.text)
		}
	}
}

// isUnreachable reports whether no server has answered.
func isUnreachable(e *mapping.Error) bool {
	return e.GRPCCode() == codes.Unavailable && e.Origin() != mapping.OriginPeer
}

// joined returns metadata in one line, in the order of keys.
func joined(metadata map[string]string) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		pairs = append(pairs, key+"="+metadata[key])
	}
	return strings.Join(pairs, " ")
}

// advice says in words what a retry hint means.
func (r report) advice(e *mapping.Error) string {
	hint := e.Retry()
	if hint.Class == mapping.Never && (e.Code().IsZero() || e.Inferred()) {
		return r.lang.Pick("nothing is known about repeating it", "未知是否可以重试")
	}
	var text string
	switch hint.Class {
	case mapping.Safe:
		text = r.lang.Pick("nothing was executed: repeat the call", "未执行:可直接重试")
	case mapping.Idempotent:
		text = r.lang.Pick("it may have been executed: repeat it only if that does no harm", "可能已执行:仅幂等调用可重试")
	case mapping.HigherLevel:
		text = r.lang.Pick("this call is over: fetch what is new, then start again", "本次调用已结束:重新获取后再开始")
	default:
		return r.lang.Pick("do not: it fails until something is changed", "不要重试:改正之前不会成功") + " (" + hint.Class.String() + ")"
	}
	if hint.Delay > 0 {
		text += fmt.Sprintf(r.lang.Pick(", after %v", ",间隔 %v"), hint.Delay.Round(time.Millisecond))
	}
	return text + " (" + hint.Class.String() + ")"
}

// next returns a subcommand that leads on. Codes are comparable, so they can be the
// cases of a switch.
func next(code mapping.Code) string {
	switch code {
	case sdk.InstanceNotFound, sdk.InstanceExited:
		return "client scale <function> 1"
	case rest.FunctionNotFound, sdk.FunctionMetaNotFound:
		return "client create <function>"
	case rest.FunctionVersionNotFound:
		return "client publish <function>"
	case rest.RevisionIDError:
		return "client get <function>"
	case rest.FunctionVersionDeletionForbidden:
		return "client delete <function>:<alias>"
	}
	return ""
}
