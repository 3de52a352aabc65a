package main

import (
	"fmt"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	"github.com/openyuanrong/statusmap/mapping"
)

// who says who has to act.
func (f finding) who(lang cli.Lang) string {
	switch {
	case f.silent && f.grpc() == codes.Unknown:
		return lang.Pick("not known here: ask whoever runs the service that sent it", "未知:请询问发送该错误的服务的维护者")
	case f.silent:
		return actor(lang, f.grpc())
	}
	return who(lang, f.grpc(), f.retry().Class)
}

// when says whether and when to retry, as far as anybody has said it.
func (f finding) when(lang cli.Lang) string {
	if !f.silent {
		return when(lang, f.retry())
	}
	if f.wire {
		if wait, ok := sendersWait(f.err); ok {
			return fmt.Sprintf(lang.Pick("its sender asks to wait %v before another try, and does not say what was executed",
				"发送方要求至少间隔 %v 再试,但未说明是否已执行"), wait)
		}
		return lang.Pick("not known: its sender said nothing about repeating", "未知:发送方未说明可否重试")
	}
	return lang.Pick("not known: nothing here says who may repeat it", "未知:没有可否重试的信息")
}

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

// generally says what a gRPC code means in general.
func generally(lang cli.Lang, c codes.Code) string {
	switch c {
	case codes.Canceled:
		return lang.Pick("the call was cancelled, most often by the caller", "调用被取消,通常由调用方取消")
	case codes.Unknown:
		return lang.Pick("an error of which nothing more is known", "原因不明的错误")
	case codes.InvalidArgument:
		return lang.Pick("an argument is wrong, whatever the state of the system", "参数错误,与系统状态无关")
	case codes.DeadlineExceeded:
		return lang.Pick("the time was over before the call was; it may have been executed", "调用完成前已超时;可能已执行")
	case codes.NotFound:
		return lang.Pick("what was asked for does not exist", "所请求的对象不存在")
	case codes.AlreadyExists:
		return lang.Pick("what was to be created exists already", "要创建的对象已存在")
	case codes.PermissionDenied:
		return lang.Pick("the caller is known, and may not do this", "调用方身份已知,但无权执行")
	case codes.ResourceExhausted:
		return lang.Pick("a quota, a limit or a resource is used up", "配额、限额或资源已用尽")
	case codes.FailedPrecondition:
		return lang.Pick("the system is not in the state that the call needs", "系统状态不满足调用的前提")
	case codes.Aborted:
		return lang.Pick("the call lost a conflict with another one", "与其他操作冲突,调用被中止")
	case codes.OutOfRange:
		return lang.Pick("it went past a valid range, such as the end of a file", "超出有效范围,例如越过文件末尾")
	case codes.Unimplemented:
		return lang.Pick("the server does not have this method", "服务端没有实现此方法")
	case codes.Internal:
		return lang.Pick("something inside the server is broken", "服务端内部出错")
	case codes.Unavailable:
		return lang.Pick("the service cannot be reached at present", "服务暂时不可用")
	case codes.DataLoss:
		return lang.Pick("data is lost or damaged for good", "数据丢失或损坏,无法恢复")
	case codes.Unauthenticated:
		return lang.Pick("nobody knows who the caller is", "调用方身份未经认证")
	}
	return lang.Pick("not one of gRPC's errors", "不是 gRPC 的错误码")
}
