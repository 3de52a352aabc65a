package rpcerr_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

func TestZeroCode(t *testing.T) {
	var c rpcerr.Code
	if !c.IsZero() || c.Listed() || c.Domain() != "" || c.Number() != 0 || c.Reason() != "" || c.DocumentedMessage() != "" || c.Describe("zh") != "" {
		t.Errorf("the zero Code says something: %v", c)
	}
	if c.GRPCCode() != codes.Unknown || c.Retry() != (rpcerr.Retry{Class: rpcerr.Never}) || c.GRPCStatus() != nil || c.AsError() != nil {
		t.Errorf("the zero Code has %v, %v, %v", c.GRPCCode(), c.Retry(), c.GRPCStatus())
	}
	if errors.Is(c, sdk.ParamInvalid) || sdk.ParamInvalid.Is(c) || c.Is(c) {
		t.Error("the zero Code matches")
	}
	for _, e := range []*rpcerr.Error{c.Errorf("m %d", 1), c.Wrap(errors.New("x")), c.With("key", "v")} {
		st := e.GRPCStatus()
		if st.Code() != codes.Unknown || len(st.Proto().Details) != 0 || e.Error() == "" {
			t.Errorf("an error of the zero Code travels as %v", st)
		}
	}
}

func TestCodeIdentity(t *testing.T) {
	other := rpcerr.CodeOf(&rpcerr.Row{Domain: "sdk.yuanrong", Number: 1003, Reason: "COPY", GRPC: codes.Aborted})
	foreign := rpcerr.CodeOf(&rpcerr.Row{Domain: "other", Number: 1003, Reason: "INSTANCE_NOT_FOUND", GRPC: codes.NotFound})
	if !errors.Is(other, sdk.InstanceNotFound) || !errors.Is(sdk.InstanceNotFound.Errorf("x"), other) {
		t.Error("the same domain and number in two tables are not the same code")
	}
	if errors.Is(foreign, sdk.InstanceNotFound) || errors.Is(sdk.InstanceNotFound.Errorf("x"), foreign) {
		t.Error("one number in two domains is one code")
	}
	switch e := error(sdk.InstanceNotFound.Errorf("x").With("key", "v")); e.(*rpcerr.Error).Code() {
	case sdk.InstanceNotFound:
	default:
		t.Error("the code of an error is no switch case")
	}
	if got, want := sdk.InstanceNotFound.String(), "INSTANCE_NOT_FOUND (1003)"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	for _, both := range []struct{ a, b error }{
		{sdk.InstanceNotFound, sdk.InstanceNotFound}, {fmt.Errorf("x: %w", sdk.InstanceNotFound), sdk.InstanceNotFound},
		{errors.Join(errors.New("x"), sdk.InstanceNotFound.Errorf("y")), sdk.InstanceNotFound},
	} {
		if !errors.Is(both.a, both.b) {
			t.Errorf("errors.Is(%v, %v) = false", both.a, both.b)
		}
	}
}

func TestDescribe(t *testing.T) {
	const en, zh = "No such instance. Check that the instance was created or scaled out.", "找不到实例。 检查用例是否被正常申请扩容。"
	for tag, want := range map[string]string{
		"zh": zh, "zh-CN": zh, "zh-Hant-TW": zh, "ZH": zh, "zh_CN.UTF-8": zh, "ZH_cn.UTF-8": zh, "zh.UTF-8": zh, "zh-TW": zh, "zh-HK": zh, "cmn": zh, "cmn-Hans": zh,
		"en": en, "fr": en, "": en, "zha": en, "z": en, "-": en, "C": en, "x-zh": en,
	} {
		if got := sdk.InstanceNotFound.Describe(tag); got != want {
			t.Errorf("Describe(%q) = %q, want %q", tag, got, want)
		}
	}
	onlyEnglish := rpcerr.CodeOf(&rpcerr.Row{Domain: "d", Number: 1, Reason: "R_R", EN: rpcerr.Text{Description: "text"}})
	if got := onlyEnglish.Describe("zh"); got != "text" {
		t.Errorf("without Chinese and without a remedy Describe = %q, want the English description alone", got)
	}
}

func TestStrings(t *testing.T) {
	for _, test := range []struct {
		value fmt.Stringer
		want  string
	}{
		{rpcerr.Never, "NEVER"}, {rpcerr.Safe, "SAFE"}, {rpcerr.Idempotent, "IDEMPOTENT"}, {rpcerr.HigherLevel, "HIGHER_LEVEL"}, {rpcerr.RetryClass(9), "RetryClass(9)"},
		{rpcerr.OriginLocal, "local"}, {rpcerr.OriginPeer, "peer"}, {rpcerr.OriginTransport, "transport"}, {rpcerr.OriginUnsent, "unsent"}, {rpcerr.Origin(9), "Origin(9)"},
		{rpcerr.Retry{Class: rpcerr.Never}, "NEVER"}, {rpcerr.Retry{Class: rpcerr.Safe, Delay: 1500 * time.Millisecond}, "SAFE after 1.5s"},
	} {
		if got := test.value.String(); got != test.want {
			t.Errorf("String() = %q, want %q", got, test.want)
		}
	}
}
