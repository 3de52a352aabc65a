package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	faultv1 "github.com/openyuanrong/statusmap/examples/internal/pb/fault/v1"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
)

// wantLast is the last line where so many errors were not recognised.
func wantLast(missed int) string {
	n := 0
	for catalog := range mapping.Catalogs() {
		n += catalog.Len()
	}
	return fmt.Sprintf("%d codes × 4 RPC shapes: %d errors sent, %d recognised", n, 4*n, 4*n-missed)
}

func TestRun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		lang string
		head string // of the last column
	}{
		{nil, "en", "description"},
		{[]string{"-lang", "en"}, "en", "description"},
		{[]string{"-lang", "zh"}, "zh", "说明"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), tt.args, &stdout, &stderr); code != cli.OK {
				t.Fatalf("exit status %d: %s", code, &stderr)
			}
			if strings.Contains(stdout.String(), "\x1b") {
				t.Error("a buffer got colours")
			}
			lines := strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n")
			if last := lines[len(lines)-1]; last != wantLast(0) {
				t.Errorf("the last line is %q, want %q", last, wantLast(0))
			}
			checkTable(t, lines, tt.lang, tt.head)
		})
	}
}

// checkTable looks for every code in the part of its domain, with the description in
// the same column of the terminal as the head above it.
func checkTable(t *testing.T, lines []string, lang, head string) {
	t.Helper()
	for catalog := range mapping.Catalogs() {
		start := 0
		for start < len(lines) && !strings.HasPrefix(lines[start], catalog.Domain()+":") {
			start++
		}
		if len(lines) < start+2+catalog.Len() {
			t.Fatalf("no table of %s", catalog.Domain())
		}
		column := columnOf(lines[start+1], head)
		row := start + 2
		for code := range catalog.All() {
			line := lines[row]
			want := []string{strconv.Itoa(int(code.Number())), code.Reason(), code.GRPCCode().String(), code.Retry().String()}
			description := code.Description(lang)
			before, ok := strings.CutSuffix(line, description)
			if got := strings.Fields(before); !ok || strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("row %q, want %q and %q", line, want, description)
			}
			if got := cli.Width(before); got != column {
				t.Errorf("the description of %v stands in column %d, its head in %d", code, got, column)
			}
			row++
		}
	}
}

func columnOf(line, text string) int {
	before, _, _ := strings.Cut(line, text)
	return cli.Width(before)
}

func TestRunMisuse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"-lang", "fr"}, cli.Misused, "en or zh"},
		{[]string{"-lang"}, cli.Misused, "-lang"},
		{[]string{"-colour"}, cli.Misused, "-colour"},
		{[]string{"sdk"}, cli.Misused, "sdk"},
		{[]string{"sdk", "-lang", "zh"}, cli.Misused, "sdk"},
	} {
		var stdout, stderr bytes.Buffer
		if got := run(t.Context(), tt.args, &stdout, &stderr); got != tt.status {
			t.Errorf("run(%q) = %d, want %d", tt.args, got, tt.status)
		}
		if !strings.Contains(stderr.String(), tt.want) || !strings.Contains(stderr.String(), "Usage:") || stdout.Len() > 0 {
			t.Errorf("run(%q): stdout %q, stderr %q, want %q and the usage on stderr", tt.args, &stdout, &stderr, tt.want)
		}
	}
	var stdout, stderr bytes.Buffer
	if got := run(t.Context(), []string{"-h"}, &stdout, &stderr); got != cli.OK || !strings.Contains(stdout.String(), "Usage:") {
		t.Errorf("run(-h) = %d, stdout %q, want the usage", got, &stdout)
	}
}

func TestRunInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if got := run(ctx, nil, &stdout, &stderr); got != cli.Failed || !strings.Contains(stderr.String(), "canceled") {
		t.Errorf("run = %d, stderr %q, want %d and the reason", got, &stderr, cli.Failed)
	}
}

// A server that gets one code wrong is found out, in all shapes.
func TestPlayNamesMismatch(t *testing.T) {
	t.Parallel()
	service := &faults{raise: func(fault *faultv1.Fault) error {
		if fault.GetDomain() == sdk.Domain && fault.GetNumber() == sdk.InstanceNotFound.Number() {
			return sdk.InstanceExited
		}
		return raise(fault)
	}}
	var stdout, stderr bytes.Buffer
	err := play(t.Context(), service, printer{lang: "en", stdout: &stdout, stderr: &stderr})
	if got := cli.Exit(err, "quickstart", usage, &stdout, &stderr); got != cli.Failed {
		t.Errorf("exit status %d, want %d", got, cli.Failed)
	}
	if want := wantLast(4) + "\n"; !strings.HasSuffix(stdout.String(), want) {
		t.Errorf("stdout does not end in %q", want)
	}
	for _, shape := range []string{"unary", "server stream", "client stream", "bidirectional stream"} {
		if want := fmt.Sprintf("sdk.yuanrong 1003, %s: number is 1007, want 1003;", shape); !strings.Contains(stderr.String(), want) {
			t.Errorf("stderr lacks %q:\n%s", want, &stderr)
		}
	}
	if !strings.Contains(stderr.String(), "quickstart: 4 of ") {
		t.Errorf("stderr does not count 4 errors:\n%s", &stderr)
	}
}

// A handler that returns no error is found out too.
func TestPlayNamesSuccess(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	err := play(t.Context(), &faults{raise: func(fault *faultv1.Fault) error {
		if fault.GetNumber() == sdk.Finalized.Number() {
			return nil
		}
		return raise(fault)
	}}, printer{lang: "en", stdout: &stdout, stderr: &stderr})
	if err == nil || strings.Count(stderr.String(), "sdk.yuanrong 9000, ") != 4 {
		t.Errorf("play = %v, stderr\n%s\nwant 9000 named four times", err, &stderr)
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	code := sdk.InnerCommunication
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"equal", code, ""},
		{"no gRPC error", errors.New("boom"), `"boom"`},
		{"another number", sdk.InnerSystemError, "number is 3003, want 3002"},
		{"another class", code.AsError().NotExecuted(), "retry class is SAFE, want IDEMPOTENT"},
		{"another delay", code.AsError().RetryAfter(time.Minute), "retry delay is 1m0s, want 500ms"},
		{"another text", code.Errorf("busy"), "text is busy, want A communication error occurred."},
		{"a plain status", status.Error(codes.Unavailable, code.Description("en")), "inferred is true, want false"},
		{"another gRPC code", status.Error(codes.Internal, ""), "gRPC code is Internal, want Unavailable"},
	} {
		got := strings.Join(differences(code, tt.err), "; ")
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: differences = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRaiseUnknown(t *testing.T) {
	t.Parallel()
	for _, fault := range []*faultv1.Fault{nil, {Domain: "sdk.yuanrong", Number: 999}, {Domain: "sdk.acme", Number: 1003}} {
		if err := raise(fault); !errors.Is(err, sdk.ParamInvalid) {
			t.Errorf("raise(%v) = %v, want %v", fault, err, sdk.ParamInvalid)
		}
	}
}
