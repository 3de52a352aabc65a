package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	"github.com/openyuanrong/statusmap/examples/server/registry"
	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
)

// startServer serves an empty registry, as command server does, and returns its
// address.
func startServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := registry.NewServer(slog.New(slog.NewTextHandler(io.Discard, nil)))
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(listener) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	return listener.Addr().String()
}

// typed runs the program with what somebody types behind its name. Quotes make an
// argument empty.
func typed(t *testing.T, addr, line string) (status int, stdout, stderr string) {
	t.Helper()
	args := []string{"-addr", addr}
	for _, arg := range strings.Fields(line) {
		if arg == `""` {
			arg = ""
		}
		args = append(args, arg)
	}
	var out, errs bytes.Buffer
	status = run(t.Context(), args, &out, &errs)
	return status, out.String(), errs.String()
}

// A scene is what somebody types in order, and which error comes at the end.
type scene struct {
	typed []string
	code  mapping.Code
	want  []string // on stderr
}

func scenes() []scene {
	long := strings.Repeat("x", 1025)
	return []scene{
		{[]string{"create hello", "create hello"}, rest.FunctionNameExist, []string{`there is a function "hello" already`, "function=hello"}},
		{[]string{"create Hello!"}, rest.FunctionNameFormatErr, []string{`"Hello!"`}},
		{[]string{"create hello -memory 1"}, rest.InvalidUserParam, []string{"at least 64 MiB, not 1", "parameter=memory"}},
		{[]string{"create hello -memory 4096"}, sdk.ResourceConfigError, nil},
		{[]string{"create hello -memory 512", "scale hello 3"}, sdk.ResourceNotEnough, []string{"nothing was executed", "after 1s (SAFE)"}},
		{[]string{"create hello", "scale hello -- -1"}, rest.InvalidUserParam, []string{"parameter=instances"}},
		{[]string{"get nobody"}, rest.FunctionNotFound, []string{"client create <function>"}},
		{[]string{"create hello", "get hello:7"}, rest.FunctionVersionNotFound, []string{"version=7"}},
		{[]string{"create hello", "get hello:stable"}, rest.AliasNameNotFound, []string{"alias=stable"}},
		{[]string{"create hello", "get hello:7x"}, rest.InvalidQualifier, nil},
		{[]string{"create hello", "get hello:"}, rest.VersionOrAliasEmpty, nil},
		{[]string{"list -page 2"}, rest.PageInfoError, nil},
		{[]string{"list -size 0"}, rest.PageInfoError, nil},
		{[]string{"create hello", "publish hello", "publish hello"}, rest.RepeatedPublishmentError, nil},
		{[]string{
			"create hello", "publish hello", "update hello", "publish hello", "update hello", "publish hello",
			"update hello", "publish hello",
		}, rest.FunctionVersionOutOfLimit, nil},
		{[]string{"create hello", "update hello", "update hello -revision r1"}, rest.RevisionIDError, []string{"revision=r2", "(HIGHER_LEVEL)"}},
		{[]string{"create hello", "publish hello", "alias hello a 1", "alias hello a 1"}, rest.AliasNameAlreadyExists, nil},
		{[]string{"create hello", "publish hello", "alias hello a 1", "alias hello b 1", "alias hello c 1"}, rest.AliasOutOfLimit, nil},
		{[]string{"create hello", "alias hello 1st 1"}, rest.InvalidUserParam, []string{"parameter=alias"}},
		{[]string{"create hello", "alias hello a 1"}, rest.FunctionVersionNotFound, nil},
		{[]string{"create hello", "publish hello", "alias hello a 1", "delete hello:1"}, rest.FunctionVersionDeletionForbidden, []string{"aliases=a"}},
		{[]string{"create hello", "publish hello", "alias hello a 1", "delete hello"}, rest.FunctionVersionDeletionForbidden, nil},
		{[]string{"invoke nobody x"}, sdk.FunctionMetaNotFound, nil},
		{[]string{"create hello", "scale hello 0", "invoke hello x"}, sdk.InstanceNotFound, []string{"client scale <function> 1", "after 100ms (HIGHER_LEVEL)"}},
		{[]string{"create hello", "invoke hello x -times 100"}, sdk.InvokeRateLimited, []string{"(SAFE)"}},
		{[]string{`create hello`, `invoke hello ""`}, sdk.ParamInvalid, []string{"parameter=payload"}},
		{[]string{"create hello", "invoke hello " + long}, sdk.ParamInvalid, []string{"not 1025"}},
		{[]string{"create hello", "stream hello 101"}, sdk.ParamInvalid, []string{"parameter=count"}},
		{[]string{"create hello -handler nothing", "invoke hello x"}, sdk.UserCodeLoad, []string{"handler=nothing"}},
		{[]string{"create hello -handler throw", "invoke hello x"}, sdk.UserFunctionException, nil},
		{[]string{"create hello -handler panic", "invoke hello x"}, sdk.UserFunctionException, nil},
		{[]string{"create hello -handler tired", "stream hello 5"}, sdk.UserFunctionException, []string{"at turn 3"}},
		{[]string{"create hello -handler tired", "session hello a b c"}, sdk.UserFunctionException, []string{"at turn 3"}},
		{[]string{"create hello -handler exit", "invoke hello x"}, sdk.InstanceExited, nil},
		{[]string{"create hello -handler exit", "invoke hello x", "invoke hello x"}, sdk.InstanceNotFound, nil},
		{[]string{`session "" x`}, rest.SessionConfigInvalid, nil},
	}
}

// What somebody types leads to the documented error, described in both languages.
func TestRunErrors(t *testing.T) {
	t.Parallel()
	for _, sc := range scenes() {
		name := strings.Join(sc.typed, ", ")
		t.Run(name[:min(len(name), 60)], func(t *testing.T) {
			t.Parallel()
			addr := startServer(t)
			last := len(sc.typed) - 1
			for _, line := range sc.typed[:last] {
				// Only the error that a scene is about may come in its midst.
				if status, _, stderr := typed(t, addr, line); status != cli.OK && !strings.Contains(stderr, "INSTANCE_EXITED") {
					t.Fatalf("%s: exit status %d: %s", line, status, stderr)
				}
			}
			status, _, stderr := typed(t, addr, sc.typed[last])
			if status != cli.Failed {
				t.Errorf("exit status %d, want %d", status, cli.Failed)
			}
			want := append([]string{
				"error: " + sc.code.String() + "\n", sc.code.Domain(), sc.code.GRPCCode().String(),
				sc.code.Description("en"), sc.code.Remedy("en"), sc.code.Retry().Class.String(), "request id",
			}, sc.want...)
			for _, want := range want {
				if !strings.Contains(stderr, want) {
					t.Errorf("stderr lacks %q:\n%s", want, stderr)
				}
			}
		})
	}
}

func TestRunChinese(t *testing.T) {
	t.Parallel()
	addr := startServer(t)
	_, _, stderr := typed(t, addr, "-lang zh invoke nobody x")
	code := sdk.FunctionMetaNotFound
	for _, want := range []string{"错误: " + code.String(), code.Description("zh"), code.Remedy("zh"), "不要重试"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr lacks %q:\n%s", want, stderr)
		}
	}
	// The texts stand one below the other.
	column := -1
	for _, line := range strings.Split(strings.TrimSpace(stderr), "\n")[1:] {
		label, text, _ := strings.Cut(strings.TrimPrefix(line, "  "), "  ")
		at := cli.Width(label) + cli.Width(text) - cli.Width(strings.TrimLeft(text, " "))
		if column >= 0 && at != column {
			t.Errorf("the text of %q stands in column %d, others in %d", line, at, column)
		}
		column = at
	}
}

// The functions work as well.
func TestRunSuccess(t *testing.T) {
	t.Parallel()
	addr := startServer(t)
	for _, tt := range []struct{ line, want string }{
		{"list", "there are no functions\n"},
		{"create hello", "created hello  handler=echo memory=128MiB revision=r1 instances=1\n"},
		{"invoke hello world", "world\n"},
		{"invoke hello -- -world", "-world\n"},
		{"stream hello 3", "tick\ntick\ntick\n"},
		{"session hello one two", "one\ntwo\n"},
		{"session hello", ""},
		{"publish hello", "published hello:1  handler=echo memory=128MiB revision=r1 instances=1\n"},
		{"alias hello stable 1", "hello:stable is hello:1\n"},
		{"update hello -handler upper -revision r1", "updated hello  handler=upper memory=128MiB revision=r2 instances=1\n"},
		{"invoke hello:stable world", "world\n"},
		{"invoke hello world", "WORLD\n"},
		{"get hello:stable", "found hello:1  handler=echo memory=128MiB revision=r1 instances=1\n"},
		{"create -handler reverse mirror", "created mirror  handler=reverse memory=128MiB revision=r1 instances=1\n"},
		{"invoke mirror 你好", "好你\n"},
		{"scale mirror 2", "mirror has 2 instances\n"},
		{"list -size 1 -page 2", "found mirror  handler=reverse memory=128MiB revision=r1 instances=2\n"},
		{"delete hello:stable", "deleted hello:stable\n"},
		{"delete hello:1", "deleted hello:1\n"},
		{"delete hello", "deleted hello\n"},
	} {
		status, stdout, stderr := typed(t, addr, tt.line)
		if status != cli.OK || stdout != tt.want || stderr != "" {
			t.Errorf("%s: exit status %d, stdout %q, stderr %q, want %q", tt.line, status, stdout, stderr, tt.want)
		}
	}
}

// Outputs that came before the error are not lost.
func TestRunPartialStream(t *testing.T) {
	t.Parallel()
	addr := startServer(t)
	typed(t, addr, "create hello -handler tired")
	status, stdout, _ := typed(t, addr, "stream hello 5 go")
	if status != cli.Failed || stdout != "go\ngo\n" {
		t.Errorf("exit status %d, stdout %q, want %d and two outputs", status, stdout, cli.Failed)
	}
}

func TestRunUnreachable(t *testing.T) {
	t.Parallel()
	const addr = "127.0.0.1:1" // a port that no other test is given
	status, _, stderr := typed(t, addr, "list")
	if status != cli.Failed || !strings.HasPrefix(stderr, "no server at "+addr) || !strings.Contains(stderr, "go run ./examples/server") {
		t.Errorf("exit status %d, stderr %q, want %d and how to start a server", status, stderr, cli.Failed)
	}
}

func TestRunMisuse(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                      "a subcommand is missing",
		"destroy hello":         `unknown subcommand "destroy"`,
		"get":                   "get <function>",
		"get a b":               "get <function>",
		"get -handler echo a":   "-handler",
		"-colour get a":         "-colour",
		"-lang fr get a":        "en or zh",
		"get a -timeout soon":   "soon",
		"get a -timeout 0s":     "-timeout must be above zero",
		"invoke a b -times 0":   "-times must be above zero",
		"stream a many":         `"many"`,
		"scale a 99999999999":   `"99999999999"`,
		"list -page 2147483648": "-page",
	} {
		status, stdout, stderr := typed(t, "127.0.0.1:1", line)
		if status != cli.Misused || !strings.Contains(stderr, want) || !strings.Contains(stderr, "Usage:") || stdout != "" {
			t.Errorf("%s: exit status %d, stdout %q, stderr %q, want %d, %q and the usage", line, status, stdout, stderr, cli.Misused, want)
		}
	}
}

func TestRunHelp(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"help", "-h", "get -h"} {
		status, stdout, stderr := typed(t, "127.0.0.1:1", line)
		if status != cli.OK || stderr != "" {
			t.Errorf("%s: exit status %d, stderr %q, want %d and nothing", line, status, stderr, cli.OK)
		}
		for _, c := range commands() {
			if !strings.Contains(stdout, "  "+c.name+" ") {
				t.Errorf("%s: the help lacks %s", line, c.name)
			}
		}
	}
}
