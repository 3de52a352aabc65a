package main

import (
	"fmt"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	"github.com/openyuanrong/statusmap/mapping"
)

// who says who has to act. It follows from the gRPC code, whose meaning is whose
// fault the error is; where the call may be repeated, that comes first.
func who(lang cli.Lang, grpc codes.Code, class mapping.RetryClass) string {
	actor := actor(lang, grpc)
	switch class {
	case mapping.Safe, mapping.Idempotent:
		return lang.Pick("nobody, if a retry succeeds; else ", "重试成功则无需处理;否则:") + actor
	case mapping.HigherLevel:
		return lang.Pick("the calling program, which has to start over; if it comes again, ", "先由调用方程序重新开始;若再次出现:") + actor
	}
	return actor
}

func actor(lang cli.Lang, grpc codes.Code) string {
	switch grpc {
	case codes.InvalidArgument, codes.OutOfRange, codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition, codes.Unimplemented:
		return lang.Pick("the caller's team: the call, or what it refers to, has to change", "调用方(需修改调用本身或其引用的对象)")
	case codes.PermissionDenied, codes.Unauthenticated:
		return lang.Pick("the caller's team, with whoever grants access", "调用方,以及管理权限的人员")
	case codes.ResourceExhausted:
		return lang.Pick("the caller's team, with whoever sets quotas and limits", "调用方,以及管理配额与限制的人员")
	case codes.Unknown:
		return lang.Pick("whoever wrote the code that failed", "出错代码的作者")
	case codes.Canceled, codes.Aborted:
		return lang.Pick("the caller's team", "调用方")
	}
	return lang.Pick("whoever runs the platform", "平台运维人员")
}

// when says whether and when to retry.
func when(lang cli.Lang, hint mapping.Retry) string {
	var text string
	switch hint.Class {
	case mapping.Safe:
		text = lang.Pick("yes, any call: nothing was executed", "可以,任何调用均可:未执行")
	case mapping.Idempotent:
		text = lang.Pick("only if the call is idempotent: it may have been executed", "仅当调用幂等时:可能已执行")
	case mapping.HigherLevel:
		text = lang.Pick("not this call: fetch a new instance, session or revision, then start again",
			"不要重试本次调用:重新获取实例、会话或版本后再开始")
	default:
		return lang.Pick("no: it fails again until something is changed", "不要:改正之前仍会失败") + " (" + hint.Class.String() + ")"
	}
	if hint.Delay > 0 {
		text += fmt.Sprintf(lang.Pick(", after %v", ",至少间隔 %v"), hint.Delay)
	}
	return text + " (" + hint.Class.String() + ")"
}
