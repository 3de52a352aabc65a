package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// explain runs the program.
func explain(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(args, strings.NewReader(stdin), &out, &errs)
	return status, out.String(), errs.String()
}

// wire returns the bytes in which an error crosses.
func wire(t *testing.T, err error) []byte {
	t.Helper()
	b, marshalErr := proto.Marshal(status.Convert(err).Proto())
	if marshalErr != nil {
		t.Fatal(marshalErr)
	}
	return b
}

func details(t *testing.T, err error) string {
	return base64.RawStdEncoding.EncodeToString(wire(t, err))
}

// Every code is found by its number and by its name, and explained in both languages.
func TestEveryCode(t *testing.T) {
	t.Parallel()
	for catalog := range mapping.Catalogs() {
		for c := range catalog.All() {
			for _, arg := range []string{
				strconv.Itoa(int(c.Number())), c.Reason(), "ERR_" + c.Reason(), strings.ToLower(strings.ReplaceAll(c.Reason(), "_", "")),
			} {
				for _, lang := range []string{"en", "zh"} {
					status, stdout, stderr := explain(t, "", "-lang", lang, arg)
					if status != cli.OK || stderr != "" {
						t.Fatalf("%s: exit status %d, %s", arg, status, stderr)
					}
					if !strings.HasPrefix(stdout, c.String()+" "+c.Domain()+"\n") {
						t.Errorf("%s is explained as\n%s", arg, stdout)
					}
					for _, want := range []string{c.Description(lang), c.Remedy(lang), "(" + c.Retry().Class.String() + ")", c.DocumentedMessage()} {
						if !strings.Contains(stdout, want) {
							t.Errorf("%s -lang %s lacks %q:\n%s", arg, lang, want, stdout)
						}
					}
				}
			}
		}
	}
}

func TestExplainPerson(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"1003"}, []string{"the calling program, which has to start over", "after 100ms (HIGHER_LEVEL)", "NOT_FOUND, HTTP 404"}},
		{[]string{"1002"}, []string{"nothing was executed, after 1s (SAFE)", "sets quotas and limits", "HTTP 429"}},
		{[]string{"2002"}, []string{"whoever wrote the code that failed\n", "no: it fails again"}},
		{[]string{"1014"}, []string{"whoever grants access", "HTTP 403"}},
		{[]string{"3003"}, []string{"whoever runs the platform", "only if the call is idempotent"}},
		{[]string{"FunctionNotFound"}, []string{"FUNCTION_NOT_FOUND (4115)", "the call, or what it refers to, has to change"}},
		{[]string{"sdk.InstanceNotFound"}, []string{"INSTANCE_NOT_FOUND (1003)"}},
		{[]string{"sdk.yuanrong:1003"}, []string{"INSTANCE_NOT_FOUND (1003)"}},
		{[]string{"session config invalid"}, []string{"SESSION_CONFIG_INVALID (4037)"}},
		{[]string{"-lang", "zh", "1005"}, []string{"由谁处理", "重试成功则无需处理", "至少间隔 1s (SAFE)", "间隔一定时间后重试。"}},
		{[]string{"create failed, code: 1003, message: x"}, []string{"INSTANCE_NOT_FOUND (1003)"}},
		{[]string{"No such instance."}, []string{"INSTANCE_NOT_FOUND (1003)"}},
		{[]string{"找不到实例。"}, []string{"INSTANCE_NOT_FOUND (1003)"}},
		{[]string{"'1003'"}, []string{"INSTANCE_NOT_FOUND (1003)"}},
		{[]string{"-lang", "zh_CN", "1003"}, []string{"找不到实例。"}},
		{[]string{"-lang", "ZH", "1003"}, []string{"找不到实例。"}},
		{[]string{"code:1003,message:x"}, []string{"INSTANCE_NOT_FOUND (1003)"}},
		{[]string{"io.grpc.StatusRuntimeException: NOT_FOUND: No such instance."}, []string{"INSTANCE_NOT_FOUND (1003)"}},
		{[]string{"Error: 5 NOT_FOUND: No such instance."}, []string{"INSTANCE_NOT_FOUND (1003)"}},
		{[]string{"<_InactiveRpcError of RPC that terminated with:\n\tstatus = StatusCode.NOT_FOUND\n\tdetails = \"No such instance.\"\n>"}, []string{"INSTANCE_NOT_FOUND (1003)"}},
		{[]string{`UNKNOWN:Error received from peer ipv4:10.0.0.7:4115 {grpc_message:"No such instance.", grpc_status:5}`}, []string{"INSTANCE_NOT_FOUND (1003)"}},
		{[]string{`Error received from peer {created_time:"2025", grpc_status:5, grpc_message:"No such instance."}`}, []string{"INSTANCE_NOT_FOUND (1003)"}},
	} {
		status, stdout, stderr := explain(t, "", tt.args...)
		if status != cli.OK || stderr != "" {
			t.Errorf("%q: exit status %d, %s", tt.args, status, stderr)
		}
		for _, want := range tt.want {
			if !strings.Contains(stdout, want) {
				t.Errorf("%q lacks %q:\n%s", tt.args, want, stdout)
			}
		}
	}
}

func rich() *mapping.Error {
	return sdk.InvokeRateLimited.Errorf("slow down \x1b[31m").With("tenant", "t1").
		WithRequestID("req-7").RetryAfter(1500 * time.Millisecond).
		WithDetails(&errdetails.Help{Links: []*errdetails.Help_Link{{Url: "https://example.com/help"}}})
}

func TestExplainDetails(t *testing.T) {
	t.Parallel()
	raw := wire(t, rich())
	for name, arg := range map[string]string{
		"plain":             base64.RawStdEncoding.EncodeToString(raw),
		"padded":            base64.StdEncoding.EncodeToString(raw),
		"URL-safe":          base64.RawURLEncoding.EncodeToString(raw),
		"URL-safe, padded":  base64.URLEncoding.EncodeToString(raw),
		"with its header":   "grpc-status-details-bin: " + base64.RawStdEncoding.EncodeToString(raw),
		"among white space": " " + base64.RawStdEncoding.EncodeToString(raw) + "\n",
		"broken into lines": base64.StdEncoding.EncodeToString(raw)[:60] + "\r\n" + base64.StdEncoding.EncodeToString(raw)[60:],
		"in quotes":         `"` + base64.RawStdEncoding.EncodeToString(raw) + `"`,
		"hexadecimal":       hex.EncodeToString(raw),
	} {
		status, stdout, stderr := explain(t, "", arg)
		if status != cli.OK || stderr != "" {
			t.Errorf("%s: exit status %d, %s", name, status, stderr)
		}
		for _, want := range []string{
			"INVOKE_RATE_LIMITED (1005)", "slow down  [31m", "tenant=t1", "req-7", "after 1.5s (SAFE)",
			`yuanrong.errors.v1.ErrorInfo {"domain":"sdk.yuanrong","number":1005`,
			`google.rpc.ErrorInfo {"reason":"INVOKE_RATE_LIMITED"`, `google.rpc.RetryInfo {"retryDelay":"1.500s"}`,
			`google.rpc.Help {"links":[{"url":"https://example.com/help"}]}`,
		} {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s lacks %q:\n%s", name, want, stdout)
			}
		}
		if strings.Contains(stdout, "\x1b") {
			t.Errorf("%s: the peer's text reaches the terminal as it is", name)
		}
	}
}

func TestExplainOtherStatuses(t *testing.T) {
	t.Parallel()
	unknown, err := status.New(codes.Aborted, "busy").WithDetails(&errdetails.ErrorInfo{Reason: "LOCKED", Domain: "billing.acme"})
	if err != nil {
		t.Fatal(err)
	}
	patient, err := status.New(codes.Aborted, "busy").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(2 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	newer, err := status.New(codes.Aborted, "busy").WithDetails(&errorsv1.ErrorInfo{Domain: sdk.Domain, Number: 1999})
	if err != nil {
		t.Fatal(err)
	}
	credit, _ := team().Lookup(1003)
	foreign := status.FromProto(&spb.Status{Code: 5, Message: "gone", Details: []*anypb.Any{{TypeUrl: "type.example.com/acme.Odd", Value: []byte{1, 2, 3}}}})
	for _, tt := range []struct {
		name string
		st   *status.Status
		want []string
	}{
		{"without a platform code", unknown, []string{"ABORTED\n", "without a code of the platform; its sender calls it LOCKED billing.acme", "busy"}},
		{"inferred", status.New(codes.Unavailable, "connection refused"), []string{"INNER_COMMUNICATION (3002)", "inferred", "connection refused"}},
		{"a detail of an unknown type", foreign, []string{
			"NOT_FOUND\n", "acme.Odd (3 bytes)", "what was asked for does not exist; a plain gRPC status",
			"not known: its sender said nothing about repeating",
		}},
		{"one that asks to wait", patient, []string{"ABORTED\n", "asks to wait 2s"}},
		{"inferred, and nobody knows", status.New(codes.Internal, "boom"), []string{"INNER_SYSTEM_ERROR (3003)", "said nothing about repeating"}},
		{"of another domain", status.Convert(credit.Errorf("poor")), []string{
			"NO_CREDIT (1003) billing.acme", "a code of another domain", "no: it fails again until something is changed (NEVER)", "poor",
		}},
		{"of a newer catalogue", newer, []string{"sdk.yuanrong 1999\n", "that this version of the catalogues does not have", "said nothing about repeating"}},
	} {
		code, stdout, stderr := explain(t, "", details(t, tt.st.Err()))
		if code != cli.OK || stderr != "" {
			t.Errorf("%s: exit status %d, %s", tt.name, code, stderr)
		}
		for _, want := range tt.want {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s lacks %q:\n%s", tt.name, want, stdout)
			}
		}
	}
}

// teamRow is a code of another catalogue with a number that the SDK has as well.
var teamRow = rpcerr.Row{
	Domain: "billing.acme", Number: 1003, Reason: "NO_CREDIT", GRPC: codes.FailedPrecondition,
	Retry: rpcerr.Retry{Class: rpcerr.Never}, EN: rpcerr.Text{Description: "The account has no money left."},
}

func team() *mapping.Catalog {
	c := rpcerr.CatalogOf("billing.acme", []*rpcerr.Row{&teamRow}, []uint16{3: 1}, [][256]uint16{{}, {1003 & 255: 1}})
	return &c
}

// A number of two catalogues is explained by both.
func TestAmbiguousNumber(t *testing.T) {
	t.Parallel()
	b := book{sdk.Catalog(), team()}
	found, err := b.find("1003")
	if err != nil || len(found) != 2 || found[0].code != sdk.InstanceNotFound || found[1].code.Reason() != "NO_CREDIT" {
		t.Errorf("find(1003) = %v, %v, want both codes", found, err)
	}
	if found, err := b.find("billing:1003"); err != nil || len(found) != 1 || found[0].code.Reason() != "NO_CREDIT" {
		t.Errorf("find(billing:1003) = %v, %v, want the team's", found, err)
	}
	if got := b.line(`{"code":1003,"message":"x"}`); len(got) != 1 || got[0].code != sdk.InstanceNotFound {
		t.Errorf("a body without a domain gives %v, want the first that lists it, as package httperr has it", got)
	}
	if got := b.line(`{"code":1003,"domain":"billing.acme"}`); len(got) != 1 || got[0].code.Domain() != "billing.acme" {
		t.Errorf("a line with a domain gives %v, want the team's", got)
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	truncated := details(t, rich())
	truncated = truncated[:len(truncated)-20]
	for _, tt := range []struct{ arg, want string }{
		{"1009", "no catalogue (sdk.yuanrong, rest.yuanrong) has the number 1009"},
		{"0", "success"},
		{"5", "-list -grpc NOT_FOUND"},
		{"UNAVAILABLE", "-list -grpc UNAVAILABLE"},
		{"rpc error: code = NotFound desc = no instance a1", "-list -grpc NOT_FOUND"},
		{"404", "HTTP status"},
		{"99999999999", "99999999999"},
		{"123456789012345678901234567890", "a number this long"},
		{"InstanceNotFund", "did you mean INSTANCE_NOT_FOUND?"},
		{"not_found", "-list -grpc NOT_FOUND"},
		{"error", "…?"},
		{"Zebra", "-list shows all"},
		{`{"code":0,"message":"ok"}`, "no error code in"},
		{`{"errorCode":6030,"errorMessage":""}`, "no error code in"},
		{"rest:4002", "from the platform's frontend it means: the user's function has thrown"},
		{"grpc-status-details-bin: " + truncated, "the details there cannot be read"},
		{"10.0.0.7", `no code is called "10.0.0.7"`},
		{"", "empty argument"},
		{"everything is fine", "no error code in"},
		{truncated, "google.rpc.Status"},
		{truncated[:len(truncated)/4*4-3], "a part of it is missing"},
		{base64.StdEncoding.EncodeToString([]byte("no protobuf, only a sentence")), "holds no whole google.rpc.Status"},
		{strings.Repeat("x", 5000), "x…"},
	} {
		status, stdout, stderr := explain(t, "", tt.arg)
		if status != cli.Failed || stdout != "" || !strings.HasPrefix(stderr, "explain: ") || !strings.Contains(stderr, tt.want) {
			t.Errorf("%.40s: exit status %d, stdout %q, stderr %q; want %d and %q", tt.arg, status, stdout, stderr, cli.Failed, tt.want)
		}
		if len(stderr) > 400 {
			t.Errorf("%.40s: a message of %d bytes", tt.arg, len(stderr))
		}
	}
	success, err := proto.Marshal(&spb.Status{Message: "all is well with this one"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, stderr := explain(t, "", base64.StdEncoding.EncodeToString(success)); !strings.Contains(stderr, "success") {
		t.Errorf("a status of success: %q", stderr)
	}
}

// What can be explained is, and the rest is named.
func TestSomeUnreadable(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := explain(t, "", "1003", "nonsense", "4115")
	if status != cli.Failed || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "nonsense") {
		t.Errorf("exit status %d, stderr %q", status, stderr)
	}
	if !strings.Contains(stdout, "INSTANCE_NOT_FOUND") || !strings.Contains(stdout, "FUNCTION_NOT_FOUND") {
		t.Errorf("stdout %q, want both codes", stdout)
	}
}

// A number counts only where something says that it is a code.
func TestLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line string
		want []mapping.Code
	}{
		{`invoke failed, code: 1003, message: x`, []mapping.Code{sdk.InstanceNotFound}},
		{`kill failed, code: ERR_INSTANCE_NOT_FOUND, message: x`, []mapping.Code{sdk.InstanceNotFound}},
		{`ErrCode: 1003, ModuleCode: 20, ErrMsg: x`, []mapping.Code{sdk.InstanceNotFound}},
		{`[code: 1003, status: x], detail: []`, []mapping.Code{sdk.InstanceNotFound}},
		{`level=WARN msg=failed error="INSTANCE_NOT_FOUND (1003): no instance"`, []mapping.Code{sdk.InstanceNotFound}},
		{`level=WARN error.domain=sdk.yuanrong error.number=1003`, []mapping.Code{sdk.InstanceNotFound}},
		{`{"error":{"domain":"sdk.yuanrong","number":1003}}`, []mapping.Code{sdk.InstanceNotFound}},
		{`{"msg":"{\"domain\":\"sdk.yuanrong\",\"number\":1003}"}`, []mapping.Code{sdk.InstanceNotFound}},
		{`{"code":4115,"message":"no function"}`, []mapping.Code{rest.FunctionNotFound}},
		{`{"errorCode":4115,"errorMessage":"no function"}`, []mapping.Code{rest.FunctionNotFound}},
		{`{"code":"4115","message":"no function"}`, []mapping.Code{rest.FunctionNotFound}},
		{`{"body":"{\"code\":4115,\"message\":\"\"}"}`, []mapping.Code{rest.FunctionNotFound}},
		{`< X-Inner-Code: 4115`, []mapping.Code{rest.FunctionNotFound}},
		{`X-Inner-Code:[4115] Content-Length:[17]`, []mapping.Code{rest.FunctionNotFound}},
		{`the reason is FUNCTION_NOT_FOUND`, []mapping.Code{rest.FunctionNotFound}},
		{`err="rpc error: code = NotFound desc = No such instance." took=3ms`, []mapping.Code{sdk.InstanceNotFound}},
		{`ERR_PARAM_INVALID then INSTANCE_EXITED`, []mapping.Code{sdk.ParamInvalid, sdk.InstanceExited}},
		{`code: 1003, message: code: 1007, message: x`, []mapping.Code{sdk.InstanceNotFound}},

		{`create to 10.0.0.7:1003 failed`, nil},
		{`dial tcp 10.1.100.3:4115: refused`, nil},
		{`requestID=1003 took 1003 ms at 10:03:1003`, nil},
		{`req 1003|trace 4115|pid 1007`, nil},
		{`exit code: 1003, signal`, nil},
		{`rpc error: code = NotFound desc = 1003`, nil},
		{`rpc error: code = Aborted desc = No such instance.`, nil},
		{`number=1003`, nil},
		{`domain=example.com number=1003`, nil},
		{`{"domain":"example.com","number":1003}`, nil},
		{`domain=sdk.yuanrong phone_number=1003`, nil},
		{`{"zipcode":1003,"x":1}`, nil},
		{`{"code":10.03,"x":1}`, nil},
		{`{"code":99999999999,"x":1}`, nil},
		{`X-Inner-Code: 4115.5`, nil},
		{`INSTANCE_NOT_FOUND_EVER`, nil},
		{`NOT_FOUND (1003)`, nil},
		{`id 0b5c7f2e-1003-4115-1007-330404330404 /usr/lib/x86_64-linux-gnu/libpthread.so.0/aaaaaaaaaaaaaaaa`, nil},
		{strings.Repeat("A", 100), nil},
		{``, nil},
	} {
		b, err := open("")
		if err != nil {
			t.Fatal(err)
		}
		var got []mapping.Code
		for _, f := range b.line(tt.line) {
			got = append(got, f.code)
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("line %q has %v, want %v", tt.line, got, tt.want)
		}
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	log := strings.Join([]string{
		"started on 10.0.0.7:1003",
		"invoke failed, code: 1005, message: slow down",
		"reply {\"code\":4115}",
		"grpc-status-details-bin: " + details(t, rich()) + " grpc-status: 8",
		strings.Repeat("y", maxLine+100) + " code: 1007, message: too far out",
		"code: 1005, message: again\r",
		"code: 1007, message: without a line break",
	}, "\n")
	status, stdout, stderr := explain(t, log, "-")
	if status != cli.Failed || stderr != "explain: only the first 256 KiB were read of line 5\n" {
		t.Fatalf("exit status %d, %s, want to be told about line 5", status, stderr)
	}
	for _, want := range []string{
		"INVOKE_RATE_LIMITED (1005) sdk.yuanrong  (line 2, on 3 in all; message and details from line 4)\n", "tenant=t1",
		"FUNCTION_NOT_FOUND (4115) rest.yuanrong  (line 3, on 1 in all)\n",
		"INSTANCE_EXITED (1007) sdk.yuanrong  (line 7, on 1 in all)\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("stdout lacks %q:\n%s", want, stdout)
		}
	}
	if n := strings.Count(stdout, "what it is"); n != 3 {
		t.Errorf("%d errors are explained, want 3", n)
	}
	if _, stdout, _ := explain(t, log, "-domain", "rest", "-"); strings.Contains(stdout, "sdk.yuanrong") || !strings.Contains(stdout, "4115") {
		t.Errorf("with -domain rest:\n%s", stdout)
	}
	for stdin, want := range map[string]string{
		"":                                  "standard input is empty",
		"fine\nfine\n":                      "no error code in 2 lines\n",
		strings.Repeat("z", maxLine*2):      "no error code in 1 line; only the first 256 KiB were read of line 1\n",
		"\x1f\x8b\x08\x00\x00\x00\x00\x00":  "looks like application/x-gzip",
		"\xff\xfec\x00o\x00d\x00e\x00:\x00": "looks like text/plain; charset=utf-16le",
		"\x00\x01\x02\x03\x04\n":            "looks like application/octet-stream",
	} {
		if status, _, stderr := explain(t, stdin, "-"); status != cli.Failed || !strings.Contains(stderr, want) {
			t.Errorf("a log of %.40q: exit status %d, %q, want %q", stdin, status, stderr, want)
		}
	}
}

// A message is that of the line that is named, or the line that it is from is named as well.
func TestLogMessages(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	slog.New(slog.NewTextHandler(&text, nil)).Error("call failed", "call", rest.FunctionNotFound.Errorf(`no function "f1"`))
	const body = `{"code":4115,"message":"no f2"}` + "\n"
	const bare = `reply {"code":4115}` + "\n"
	for _, tt := range []struct {
		log         string
		head        string
		message     string
		messageLine int
	}{
		{text.String() + body, "(line 1, on 2 in all)", `no function "f1"`, 0},
		{body + text.String(), "(line 1, on 2 in all)", "no f2", 0},
		{bare + body + text.String(), "(line 1, on 3 in all; message and details from line 2)", "no f2", 2},
		{bare + bare, "(line 1, on 2 in all)", "", 0},
	} {
		_, stdout, _ := explain(t, tt.log, "-")
		head, facts, _ := strings.Cut(stdout, "\n")
		if head != "FUNCTION_NOT_FOUND (4115) rest.yuanrong  "+tt.head || !strings.Contains(facts, tt.message) || strings.Contains(facts, "  message ") != (tt.message != "") {
			t.Errorf("explain of\n%s\nprints\n%s\nwant %s and the message %q", tt.log, stdout, tt.head, tt.message)
		}
		_, stdout, _ = explain(t, tt.log, "-json", "-")
		var got []record
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || len(got) != 1 || got[0].Message != tt.message || got[0].MessageLine != tt.messageLine {
			t.Errorf("explain -json of\n%s\nprints\n%s\nwant the message %q, message_line %d", tt.log, stdout, tt.message, tt.messageLine)
		}
	}
}

// What a line says of an occurrence counts more than what the catalogue says of its code.
func TestLogOccurrence(t *testing.T) {
	t.Parallel()
	guess, _ := mapping.FromStatus(status.New(codes.Unknown, "boom"))
	for _, tt := range []struct {
		e    *mapping.Error
		want []string
	}{
		{
			sdk.InnerCommunication.Errorf("refused").NotExecuted().RetryAfter(20 * time.Millisecond).WithRequestID("r-17"),
			[]string{"INNER_COMMUNICATION (3002)", "any call: nothing was executed, after 20ms (SAFE)", "r-17", "refused"},
		},
		{sdk.InnerCommunication.AsError().DoNotRetry(), []string{"INNER_COMMUNICATION (3002)", "no: it fails again"}},
		{guess, []string{"INNER_SYSTEM_ERROR (3003)", "inferred from the gRPC code", "not known: nothing here says", "boom"}},
	} {
		for name, handler := range map[string]func(io.Writer) slog.Handler{
			"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
			"JSON": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
		} {
			var log strings.Builder
			slog.New(handler(&log)).Error("call failed", "call", tt.e)
			_, stdout, _ := explain(t, log.String(), "-")
			for _, want := range tt.want {
				if !strings.Contains(stdout, want) {
					t.Errorf("explain of the %s\n%s\nprints\n%s\nwithout %q", name, log.String(), stdout, want)
				}
			}
		}
	}
}

// A line tells the id of the request whether a catalogue has the code or not.
func TestLogRequestID(t *testing.T) {
	t.Parallel()
	const known, unknown = `"domain":"sdk.yuanrong","number":1003,"reason":"INSTANCE_NOT_FOUND"`, `"domain":"team.example","number":77,"reason":"NEW_ONE"`
	for name, tt := range map[string]struct{ line, want string }{
		"of a catalogue": {`{"e":{` + known + `,"message":"m","request_id":"r-17"}}`, "r-17"},
		"of none":        {`{"e":{` + unknown + `,"message":"m","request_id":"r-17"}}`, "r-17"},
		"of none, text":  {`e.domain=team.example e.number=77 e.reason=NEW_ONE e.message=m e.request_id=r-17`, "r-17"},
		"in metadata":    {`{"e":{` + known + `,"message":"m","metadata":{"a":"}","request_id":"another's"}}}`, ""},
		"behind it":      {`{"e":{` + known + `,"message":"m","metadata":{"request_id":"another's"},"request_id":"r-17"}}`, "r-17"},
		"in it as text":  {`domain=sdk.yuanrong number=1003 message=m metadata="map[a:b request_id:another's]"`, ""},
	} {
		_, stdout, _ := explain(t, tt.line, "-json", "-")
		var got []struct {
			Message   string
			RequestID string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || len(got) != 1 {
			t.Errorf("%s: explained as\n%s", name, stdout)
			continue
		}
		if got[0].Message != "m" || got[0].RequestID != tt.want {
			t.Errorf("%s: message %q of request %q, want %q of %q", name, got[0].Message, got[0].RequestID, "m", tt.want)
		}
	}
}

// JSON of others has escapes that Go does not write.
func TestLogEscapes(t *testing.T) {
	t.Parallel()
	_, stdout, _ := explain(t, `{"domain":"sdk.yuanrong","number":1003,"message":"a\/b \ud83d\ude00"}`, "-")
	if !strings.Contains(stdout, " a/b 😀\n") {
		t.Errorf("the message is not a/b 😀:\n%s", stdout)
	}
}

// What stands in front of a read error is explained all the same.
func TestLogBroken(t *testing.T) {
	t.Parallel()
	in := io.MultiReader(strings.NewReader("code: 1003, message: x\n"), iotest.ErrReader(errors.New("unplugged")))
	var stdout, stderr bytes.Buffer
	if status := run([]string{"-"}, in, &stdout, &stderr); status != cli.Failed ||
		!strings.Contains(stderr.String(), "unplugged") || !strings.Contains(stdout.String(), "INSTANCE_NOT_FOUND") {
		t.Errorf("exit status %d, stdout %q, stderr %q", status, &stdout, &stderr)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	status, stdout, _ := explain(t, "", "-json", "1003", details(t, rich()))
	var got []record
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || status != cli.OK || len(got) != 2 {
		t.Fatalf("exit status %d, %v:\n%s", status, err, stdout)
	}
	if r := got[0]; r.Domain != "sdk.yuanrong" || r.Number != 1003 || r.Reason != "INSTANCE_NOT_FOUND" || r.GRPCCode != "NOT_FOUND" ||
		r.HTTPStatus != 404 || *r.Retry != (recordRetry{"HIGHER_LEVEL", 100}) || !r.Listed || r.Description == "" || r.Details != nil {
		t.Errorf("the first is %+v", r)
	}
	if r := got[1]; r.RequestID != "req-7" || r.Metadata["tenant"] != "t1" || *r.Retry != (recordRetry{"SAFE", 1500}) || len(r.Details) != 4 {
		t.Errorf("the second is %+v", r)
	}
	if status, stdout, _ := explain(t, "", "-json", "nonsense"); status != cli.Failed || stdout != "[]\n" {
		t.Errorf("nothing found: exit status %d, %q, want an empty array", status, stdout)
	}
	if _, stdout, _ := explain(t, "code: 1003, message: x\n", "-json", "-"); !strings.Contains(stdout, `"line": 1`) {
		t.Errorf("a log: %s", stdout)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	passes := func(args []string) func(mapping.Code) bool {
		return func(c mapping.Code) bool {
			for i := 0; i+1 < len(args); i += 2 {
				switch args[i] + " " + strings.ToUpper(args[i+1]) {
				case "-retry SAFE":
					if c.Retry().Class != mapping.Safe {
						return false
					}
				case "-retry HIGHER-LEVEL":
					if c.Retry().Class != mapping.HigherLevel {
						return false
					}
				case "-grpc UNAVAILABLE":
					if c.GRPCCode() != codes.Unavailable {
						return false
					}
				case "-grpc NOTFOUND":
					if c.GRPCCode() != codes.NotFound {
						return false
					}
				case "-domain REST":
					if c.Domain() != rest.Domain {
						return false
					}
				case "-domain SDK.YUANRONG":
					if c.Domain() != sdk.Domain {
						return false
					}
				}
			}
			return true
		}
	}
	for _, args := range [][]string{
		nil,
		{"-retry", "safe"},
		{"-retry", "higher-level"},
		{"-grpc", "UNAVAILABLE"},
		{"-grpc", "NotFound"},
		{"-domain", "rest"},
		{"-domain", "sdk.yuanrong", "-retry", "SAFE", "-grpc", "unavailable"},
	} {
		_, jsonOut, _ := explain(t, "", append([]string{"-list", "-json"}, args...)...)
		var records []record
		if err := json.Unmarshal([]byte(jsonOut), &records); err != nil {
			t.Fatal(err)
		}
		status, stdout, stderr := explain(t, "", append([]string{"-list"}, args...)...)
		if status != cli.OK || stderr != "" {
			t.Errorf("%q: exit status %d, %s", args, status, stderr)
		}
		want := 0
		for catalog := range mapping.Catalogs() {
			for c := range catalog.All() {
				pass := passes(args)(c)
				if pass {
					want++
				}
				if got := strings.Contains(stdout, "  "+c.Reason()+" "); got != pass {
					t.Errorf("%q lists %v: %t, want %t", args, c.Reason(), got, pass)
				}
			}
		}
		if want == 0 || len(records) != want {
			t.Errorf("%q: %d records, want %d", args, len(records), want)
		}
	}
	if status, stdout, stderr := explain(t, "", "-list", "-grpc", "DATA_LOSS"); status != cli.Failed || stdout != "" || !strings.Contains(stderr, "no code") {
		t.Errorf("an empty list: exit status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "what is to be explained?"},
		{[]string{"-lang", "fr", "1003"}, "en or zh"},
		{[]string{"-domain", "acme", "1003"}, "sdk.yuanrong, rest.yuanrong"},
		{[]string{"-retry", "safe", "1003"}, "go with -list"},
		{[]string{"-list", "-retry", "maybe"}, "higher_level"},
		{[]string{"-list", "-grpc", "OK"}, "UNAVAILABLE"},
		{[]string{"-list", "1003"}, "unexpected argument"},
		{[]string{"1003", "-"}, "- stands alone"},
		{[]string{"-colour", "1003"}, "-colour"},
	} {
		status, stdout, stderr := explain(t, "", tt.args...)
		if status != cli.Misused || stdout != "" || !strings.Contains(stderr, tt.want) ||
			!strings.HasSuffix(stderr, "\nexplain -h tells how to call it.\n") || strings.Count(stderr, "\n") != 2 {
			t.Errorf("%q: exit status %d, stdout %q, stderr %q; want %d, %q and where to find the usage", tt.args, status, stdout, stderr, cli.Misused, tt.want)
		}
	}
	if status, stdout, _ := explain(t, "", "-h"); status != cli.OK || !strings.Contains(stdout, "Usage:") {
		t.Errorf("-h: exit status %d, %q", status, stdout)
	}
}

// Whatever a log holds, reading it ends and what it finds can be shown.
func FuzzLine(f *testing.F) {
	f.Add("code: 1003, message: x")
	f.Add(`{"domain":"sdk.yuanrong","number":1003}`)
	f.Add(`call.domain=billing.acme call.number=7 call.reason=A_B call.grpc=Aborted call.message="x \"y\"" call.retry="SAFE after 1s"`)
	f.Add(`reply="{\"code\":4002,\"message\":\"x\",\"domain\":\"a.b\",\"grpc_code\":\"ABORTED\",\"retry\":{\"class\":\"SAFE\",\"delay_ms\":5}}"`)
	f.Add(`{"error":{"errorCode":1003,"errorMessage":"x"}}`)
	f.Add(`{grpc_message:"No such instance.", grpc_status:5} EtcdError`)
	f.Add("grpc-status-details-bin: " + base64.StdEncoding.EncodeToString([]byte("\x08\x05\x12\x01x\x1a\x05\x0a\x03a/b")))
	f.Fuzz(func(t *testing.T, line string) {
		b, err := open("")
		if err != nil {
			t.Fatal(err)
		}
		found := b.line(line)
		if arg, err := b.find(line); err == nil {
			found = append(found, arg...)
		}
		var out bytes.Buffer
		o := output{lang: "en", out: &out}
		o.findings(found)
		if err := o.json(found); err != nil {
			t.Errorf("line %q: %v", line, err)
		}
		if strings.ContainsAny(strings.ReplaceAll(out.String(), "\n", ""), "\x1b\r\x00") {
			t.Errorf("line %q: a control character came through", line)
		}
	})
}
