package rpcerr_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// TestErrorText is the promise about log lines: one line, 512 bytes, no cause.
func TestErrorText(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	fromPeer := func(domain, reason string, number int32, message string) error {
		e, _ := decoder.FromStatus(statusOf(codes.NotFound, message,
			&errorsv1.ErrorInfo{Domain: domain, Number: number}, &errdetails.ErrorInfo{Domain: domain, Reason: reason}))
		return e
	}
	long := strings.Repeat("重", 500)
	for _, test := range []struct {
		err  error
		want string
	}{
		{sdk.InstanceNotFound, "INSTANCE_NOT_FOUND (1003): No such instance."},
		{sdk.InstanceNotFound.Errorf("no %q", "a1"), `INSTANCE_NOT_FOUND (1003): no "a1"`},
		{sdk.InstanceNotFound.Errorf(""), "INSTANCE_NOT_FOUND (1003): No such instance."},
		{sdk.InstanceNotFound.Wrap(errors.New("secret")), "INSTANCE_NOT_FOUND (1003): No such instance."},
		{sdk.InstanceNotFound.Wrapf(errors.New("secret"), "m"), "INSTANCE_NOT_FOUND (1003): m"},
		{sdk.InstanceNotFound.Errorf("a\nb\rc\x00d\u2028e\u0085f"), "INSTANCE_NOT_FOUND (1003): a b c d e f"},
		{sdk.InstanceNotFound.Errorf("a\u202eb\u2066c\u200fd\u061ce\ufefff"), "INSTANCE_NOT_FOUND (1003): a b c d e f"},
		{sdk.InstanceNotFound.Errorf("\xff"), "INSTANCE_NOT_FOUND (1003): \uFFFD"},
		{rpcerr.Plain(codes.NotFound, "nf"), "NotFound: nf"},
		{rpcerr.Plain(codes.NotFound, ""), "NotFound"},
		{rpcerr.Plain(codes.OK, "x"), "Unknown: x"},
		{fromPeer("sdk.yuanrong", "NEW_ERROR", 9999, "text"), "NEW_ERROR (9999): text"},
		{fromPeer("new.domain", "", 9999, "text"), "new.domain 9999: text"},
		{fromPeer("a\nb", "C\nD", 9999, "e\nf"), "C D (9999): e f"},
		{fromPeer("a\nb", "", 9999, "e\nf"), "a b 9999: e f"},
		{sdk.InstanceNotFound.Errorf("%s", long), ""},
		{fromPeer(strings.Repeat("d", 63), "", 9999, long), ""},
		{rpcerr.Code{}, "no code"},
		{(*rpcerr.Error)(nil), "<nil>"},
	} {
		got := test.err.Error()
		if test.want != "" && got != test.want {
			t.Errorf("Error() = %q, want %q", got, test.want)
		}
		if len(got) > 512 || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("Error() = %q (%d bytes), want valid text of one line, at most 512 bytes", got, len(got))
		}
	}
	if got := sdk.InstanceNotFound.Errorf("%s", long).Error(); !strings.HasSuffix(got, "重…") || len(got) < 500 {
		t.Errorf("a long message ends in %q, want as much as fits and an ellipsis", got[len(got)-20:])
	}
	if got := fromPeer("a\nb", "", 9999, "").(*rpcerr.Error).Code(); strings.Contains(got.String(), "\n") || strings.Contains(got.Error(), "\n") {
		t.Errorf("the code of a peer breaks the line: %q, %q", got.String(), got.Error())
	}
}

// TestPercentIsNoVerb: Errorf formats once, and what was formatted stays as it is.
func TestPercentIsNoVerb(t *testing.T) {
	if got := sdk.ParamInvalid.Errorf("%s", "100%d").Message(); got != "100%d" {
		t.Errorf("Message() = %q, want %q", got, "100%d")
	}
	if got := sdk.ParamInvalid.Errorf("100%%").Message(); got != "100%" {
		t.Errorf("Message() = %q, want %q", got, "100%")
	}
}

// One bad byte would cost all details.
func TestErrorfMendsInvalidText(t *testing.T) {
	bad := "a\xff"
	for _, e := range []*rpcerr.Error{sdk.ParamInvalid.Errorf("a\xff"), sdk.ParamInvalid.Errorf("%s", bad), sdk.ParamInvalid.Wrapf(nil, "a\xff")} {
		if got := e.GRPCStatus().Message(); e.Message() != "a\uFFFD" || got != "a\uFFFD" {
			t.Errorf("the message is %q, and %q in the status", e.Message(), got)
		}
	}
}

func TestLogValue(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}, Infer: func(codes.Code) rpcerr.Code { return sdk.InnerCommunication }}
	inferred, _ := decoder.FromStatus(status.New(codes.Unavailable, "down"))
	unlisted, _ := decoder.FromStatus(statusOf(codes.Aborted, "new", &errorsv1.ErrorInfo{Domain: "sdk.yuanrong", Number: 9999, Trimmed: true}, &errdetails.ErrorInfo{Domain: "sdk.yuanrong", Reason: "NEW"}))
	fromGRPC, _ := new(rpcerr.Decoder).FromError(status.Error(codes.NotFound, "nf"))
	for _, test := range []struct {
		value slog.LogValuer
		want  string
	}{
		{sdk.InstanceNotFound, "e.domain=sdk.yuanrong e.number=1003 e.reason=INSTANCE_NOT_FOUND"},
		{sdk.InstanceNotFound.Wrapf(errors.New("why"), "m").With("key", "v").WithRequestID("r"),
			`e.domain=sdk.yuanrong e.number=1003 e.reason=INSTANCE_NOT_FOUND e.grpc=NotFound e.message=m e.retry="HIGHER_LEVEL after 100ms" e.request_id=r e.metadata=map[key:v] e.cause=why`},
		{inferred.WithOrigin(rpcerr.OriginUnsent).WithAttempts(3),
			`e.domain=sdk.yuanrong e.number=3002 e.reason=INNER_COMMUNICATION e.grpc=Unavailable e.message=down e.retry="` + sdk.InnerCommunication.Retry().String() + `" e.origin=unsent e.attempts=3 e.inferred=true`},
		{unlisted, `e.domain=sdk.yuanrong e.number=9999 e.reason=NEW e.grpc=Aborted e.message=new e.retry=NEVER e.origin=peer e.trimmed=true`},
		{fromGRPC, `e.grpc=NotFound e.message=nf e.retry=NEVER e.origin=peer`}, // whose cause says the same again
		{rpcerr.Plain(codes.Canceled, "context canceled"), `e.grpc=Canceled e.message="context canceled" e.retry=NEVER`},
		{sdk.ParamInvalid.Wrap((*nilWrapper)(nil)),
			`e.domain=sdk.yuanrong e.number=1001 e.reason=PARAM_INVALID e.grpc=InvalidArgument ` +
				`e.message="A parameter did not pass validation." e.retry=NEVER e.cause="*rpcerr_test.nilWrapper, whose Error method panics"`},
		{new(rpcerr.Error), `e.grpc=Unknown e.message="" e.retry=NEVER`},
		{(*rpcerr.Error)(nil), "e=<nil>"},
	} {
		var b bytes.Buffer
		log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
				return slog.Attr{}
			}
			return a
		}}))
		log.Info("", "e", test.value)
		if got := strings.TrimSuffix(b.String(), "\n"); got != test.want {
			t.Errorf("logged %s\nwant   %s", got, test.want)
		}
	}
}

// A line of the log is bounded, whatever a peer sends, and has in it what is sent within
// a budget.
func TestLogIsBounded(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	huge := strings.Repeat("错", 1<<20)
	few, many := map[string]string{"aa": "1", "bb": huge, "zz": "2"}, map[string]string{huge: "x"}
	for i := range 10_000 {
		many[fmt.Sprintf("key%05d", i)] = "v"
	}
	received := func(message string, metadata map[string]string) *rpcerr.Error {
		e, _ := decoder.FromStatus(statusOf(codes.NotFound, message, &errorsv1.ErrorInfo{Domain: sdk.Domain, Number: 1003},
			&errdetails.ErrorInfo{Domain: sdk.Domain, Reason: "INSTANCE_NOT_FOUND", Metadata: metadata}))
		return e
	}
	fits := strings.Repeat("m", 7000)
	for name, test := range map[string]struct {
		err  *rpcerr.Error
		want []string
	}{
		"message":      {received(huge, nil), []string{"错…"}},
		"metadata":     {received("m", few), []string{"aa:1", "错…", "zz:2"}},
		"many entries": {received("m", many), []string{"key00000:v", "more"}},
		"cause":        {sdk.InstanceNotFound.Wrap(errors.New("why " + huge)), []string{"cause=why 错", "错…"}},
		"what fits":    {rpcerr.Plain(codes.NotFound, fits).Seal(rpcerr.Wire{Budget: rpcerr.MaxBudget}), []string{"message=" + fits + " "}},
	} {
		got := test.err.LogValue().String()
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: logged as %.300q, want %.300q in it", name, got, want)
			}
		}
		if len(got) > 3*rpcerr.MaxBudget || !utf8.ValidString(got) {
			t.Errorf("%s: logged as %d bytes of %.300q", name, len(got), got)
		}
	}
}
