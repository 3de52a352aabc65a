package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	"github.com/openyuanrong/statusmap/mapping/httperr"
)

// An output shows findings.
type output struct {
	lang  cli.Lang
	paint cli.Paint
	out   io.Writer
}

// A fact is one line about an error, left out if it is empty.
type fact struct{ en, zh, text string }

// findings explains errors to a person.
func (o output) findings(all []finding) {
	for i, f := range all {
		if i > 0 {
			fmt.Fprintln(o.out)
		}
		fmt.Fprintln(o.out, o.paint.In(cli.Red, title(f))+o.place(f))
		o.facts(o.known(f))
	}
}

func title(f finding) string {
	switch {
	case f.code.IsZero():
		return grpcName(f.grpc())
	case f.code.Listed():
		return f.code.String() + " " + f.code.Domain()
	case f.reason() != "":
		return printable(fmt.Sprintf("%s (%d) %s", f.reason(), f.code.Number(), f.code.Domain()))
	}
	return printable(f.code.String())
}

// place says where in a log an error was found.
func (o output) place(f finding) string {
	if f.count == 0 {
		return ""
	}
	text := fmt.Sprintf(o.lang.Pick("line %d, on %d in all", "第 %d 行,共 %d 行"), f.line, f.count)
	if f.err != nil && f.source != f.line {
		text += fmt.Sprintf(o.lang.Pick("; message and details from line %d", ";消息和详情取自第 %d 行"), f.source)
	}
	return "  (" + text + ")"
}

// known returns what is known about an error.
func (o output) known(f finding) []fact {
	lang := string(o.lang)
	facts := []fact{
		{"what it is", "含义", o.meaning(f)},
		{"ambiguous", "歧义", o.ambiguous(f)},
		{"who acts", "由谁处理", f.who(o.lang)},
		{"what to do", "处理建议", f.code.Remedy(lang)},
		{"retry", "重试", f.when(o.lang)},
		{"gRPC", "gRPC", fmt.Sprintf("%s, HTTP %d", grpcName(f.grpc()), httperr.Status(f.grpc()))},
	}
	if f.err == nil {
		return append(facts, fact{"as documented", "文档消息", f.code.DocumentedMessage()})
	}
	e := f.err
	facts = append(facts,
		fact{"message", "消息", e.Message()},
		fact{"metadata", "元数据", joined(e.Metadata())},
		fact{"request id", "请求 ID", e.RequestID()})
	if e.Trimmed() {
		facts = append(facts, fact{"trimmed", "已裁剪", o.lang.Pick("the sender left something out to save space", "发送方为节省空间省略了部分内容")})
	}
	for _, d := range f.details() {
		facts = append(facts, fact{"detail", "详情", typeName(d) + " " + detailText(d)})
	}
	return facts
}

// details returns the details that were sent. What came otherwise than by a status has none.
func (f finding) details() []*anypb.Any {
	if !f.wire {
		return nil
	}
	return f.err.GRPCStatus().Proto().GetDetails()
}

// meaning says what an error is, and how sure that is.
func (o output) meaning(f finding) string {
	switch {
	case f.code.IsZero() && f.wire:
		text := generally(o.lang, f.grpc()) + o.lang.Pick("; a plain gRPC status, without a code of the platform", ";普通的 gRPC 状态,不含平台错误码")
		if name := sendersName(f.err); name != "" {
			text += o.lang.Pick("; its sender calls it ", ";发送方称之为 ") + name
		}
		return text
	case f.code.IsZero():
		return generally(o.lang, f.grpc()) + o.lang.Pick("; an HTTP error without a code of the platform", ";不含平台错误码的 HTTP 错误")
	case f.isFrontends():
		return frontendsMeaning(o.lang, f.code.Number()) + o.lang.Pick(", if it comes from the platform's frontend; no catalogue has it", "(若来自平台前端;目录中没有此错误码)")
	case f.bare && !f.code.Listed():
		return o.lang.Pick("a number that no catalogue has for this kind of answer", "目录中没有此类响应使用的这个编号")
	case !f.code.Listed() && !platform().has(f.code.Domain()):
		return o.lang.Pick("a code of another domain, whose catalogue is not here", "其他域的错误码,此处没有该域的目录")
	case !f.code.Listed():
		return o.lang.Pick("a code that this version of the catalogues does not have", "当前版本的目录中没有的错误码")
	case f.err.Inferred():
		return f.code.Description(string(o.lang)) + o.lang.Pick(" (inferred from the gRPC code)", "(由 gRPC 码推断)")
	}
	return f.code.Description(string(o.lang))
}

// ambiguous warns that the number means something else elsewhere.
func (o output) ambiguous(f finding) string {
	var texts []string
	for _, x := range f.others(o.lang) {
		if x.reason == "" {
			texts = append(texts, fmt.Sprintf(o.lang.Pick(
				"by the number alone it may be another error: from the platform's frontend %d means: %s",
				"仅凭编号无法确定:来自平台前端时,%d 表示:%s"), f.code.Number(), x.meaning))
			continue
		}
		texts = append(texts, fmt.Sprintf(o.lang.Pick(
			"by the number alone it may be another error: in %s it is %s: %s",
			"仅凭编号无法确定:在 %s 中为 %s:%s"), x.domain, x.reason, x.meaning))
	}
	return strings.Join(texts, "; ")
}

func (o output) facts(facts []fact) {
	width := 0
	for _, f := range facts {
		width = max(width, cli.Width(o.lang.Pick(f.en, f.zh)))
	}
	for _, f := range facts {
		if f.text != "" {
			label := cli.Pad(o.lang.Pick(f.en, f.zh), width)
			fmt.Fprintf(o.out, "  %s  %s\n", o.paint.In(cli.Faint, label), printable(f.text))
		}
	}
}

// printable replaces what a terminal would obey by spaces: the text comes from a peer.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, text)
}

func grpcName(c codes.Code) string { return code.Code(c).String() }

// joined returns metadata in one line, in the order of keys.
func joined(metadata map[string]string) string {
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(metadata)) {
		pairs = append(pairs, k+"="+metadata[k])
	}
	return strings.Join(pairs, " ")
}

func typeName(d *anypb.Any) string {
	return d.GetTypeUrl()[strings.LastIndexByte(d.GetTypeUrl(), '/')+1:]
}

// detailText returns a detail in one line: JSON if its type is linked in.
func detailText(d *anypb.Any) string {
	if text, ok := detailJSON(d); ok {
		return string(text)
	}
	return fmt.Sprintf("(%d bytes)", len(d.GetValue()))
}

// detailJSON returns a detail as compact JSON, which protojson does not promise to
// write itself.
func detailJSON(d *anypb.Any) (json.RawMessage, bool) {
	m, err := d.UnmarshalNew()
	if err != nil {
		return nil, false
	}
	text, err := protojson.Marshal(m)
	if err != nil {
		return nil, false
	}
	var compact bytes.Buffer
	if json.Compact(&compact, text) != nil {
		return nil, false
	}
	return compact.Bytes(), true
}

// list prints codes as a table for each catalogue.
func (o output) list(all []finding) {
	for first := 0; first < len(all); {
		last := first
		for last < len(all) && all[last].code.Domain() == all[first].code.Domain() {
			last++
		}
		if first > 0 {
			fmt.Fprintln(o.out)
		}
		o.table(all[first:last])
		first = last
	}
}

func (o output) table(all []finding) {
	fmt.Fprintln(o.out, o.paint.In(cli.Bold, all[0].code.Domain()))
	var rows [][]string
	for _, f := range all {
		c := f.code
		rows = append(rows, []string{
			strconv.Itoa(int(c.Number())), c.Reason(), grpcName(c.GRPCCode()), c.Retry().String(), c.Description(string(o.lang)),
		})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], cli.Width(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row[:len(row)-1] {
			line.WriteString(cli.Pad(cell, widths[i]) + "  ")
		}
		fmt.Fprintln(o.out, line.String()+row[len(row)-1])
	}
}
