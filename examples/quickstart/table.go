package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	"github.com/openyuanrong/statusmap/mapping"
)

// A printer shows the errors that the client got.
type printer struct {
	lang           cli.Lang
	paint          cli.Paint
	stdout, stderr io.Writer
}

// columns of the table, the description last, because its length varies most.
const columns = 5

func (p printer) head() [columns]string {
	if p.lang == "zh" {
		return [...]string{"编号", "名称", "gRPC 码", "重试", "说明"}
	}
	return [...]string{"number", "name", "gRPC code", "retry", "description"}
}

// row describes an error as received, in the reader's language.
func (p printer) row(e *mapping.Error) [columns]string {
	return [...]string{
		strconv.Itoa(int(e.Code().Number())),
		e.Reason(),
		e.GRPCCode().String(),
		e.Retry().String(),
		e.Code().Description(string(p.lang)),
	}
}

// table prints the errors of one catalogue. Those that did not arrive are left out.
func (p printer) table(catalog *mapping.Catalog, received []*mapping.Error) {
	rows := [][columns]string{p.head()}
	colours := []cli.Colour{cli.Bold}
	for _, e := range received {
		if e != nil {
			rows = append(rows, p.row(e))
			colours = append(colours, classColour(e.Retry().Class))
		}
	}
	var widths [columns]int
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], cli.Width(cell))
		}
	}
	title := fmt.Sprintf(p.lang.Pick("%s: %d codes", "%s:%d 个错误码"), catalog.Domain(), catalog.Len())
	fmt.Fprintln(p.stdout, p.paint.In(cli.Bold, title))
	for i, row := range rows {
		fmt.Fprintln(p.stdout, p.line(row, widths, colours[i]))
	}
	fmt.Fprintln(p.stdout)
}

// line joins the cells of a row. What a client does next hangs on the retry class, so
// that is what the colour shows.
func (p printer) line(row [columns]string, widths [columns]int, colour cli.Colour) string {
	var b strings.Builder
	for i, cell := range row {
		switch {
		case i == 0: // numbers to the right
			cell = strings.Repeat(" ", max(0, widths[i]-cli.Width(cell))) + cell
		case i < columns-1:
			cell = cli.Pad(cell, widths[i])
		}
		if i == 3 || colour == cli.Bold {
			cell = p.paint.In(colour, cell)
		}
		b.WriteString("  " + cell)
	}
	return b.String()
}

func classColour(class mapping.RetryClass) cli.Colour {
	switch class {
	case mapping.Safe:
		return cli.Green
	case mapping.Idempotent:
		return cli.Yellow
	case mapping.HigherLevel:
		return cli.Cyan
	}
	return cli.Faint
}

// wrong names the calls that went wrong.
func (p printer) wrong(list []mismatch) {
	for _, m := range list {
		fmt.Fprintln(p.stderr, m)
	}
}

func (p printer) summary(t tally) {
	fmt.Fprintf(p.stdout, "%d codes × %d RPC shapes: %d errors sent, %d recognised\n", t.codes, shapeCount, t.sent, t.recognised)
}
