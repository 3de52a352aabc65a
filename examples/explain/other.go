package main

import (
	"github.com/openyuanrong/statusmap/examples/internal/cli"
	"github.com/openyuanrong/statusmap/gen/rest"
)

// frontends are the numbers for which package httperr knows that the platform's frontend,
// and what runs functions behind it, means another error than package sdk. Here is only
// what they mean; which they are httperr says.
var frontends = map[int32]struct{ en, zh string }{
	3008: {"the connection between runtime and frontend failed, or the reply was empty", "运行时与前端之间的连接失败,或响应为空"},
	3009: {"no instance could be acquired in time", "未能在时限内获取实例"},
	4001: {"the entry of the user's function was not found", "找不到用户函数入口"},
	4002: {"the user's function has thrown", "用户函数执行时抛出异常"},
	4003: {"the state of the function is too large", "函数状态内容过大"},
	4004: {"the reply of the user's function is larger than the platform allows", "用户函数的返回值超过平台上限"},
	4005: {"the state of the function is undefined", "函数状态未定义"},
	4006: {"the heartbeat function of the user is not valid, or the state does not match", "用户的心跳函数无效,或状态不匹配"},
	4007: {"the result of the user's function is not valid", "用户函数的返回结果无效"},
	4008: {"an argument is not valid", "参数无效"},
	4009: {"the user's function could not be initialised", "用户函数初始化出错"},
	4201: {"the initialisation of the user's function failed", "用户函数初始化失败"},
}

// An other is what a number means elsewhere.
type other struct{ domain, reason, meaning string }

// others returns what the number means elsewhere, if nobody has said whose it is.
func (f finding) others(lang cli.Lang) []other {
	if !f.bare {
		return nil
	}
	n := f.code.Number()
	var all []other
	for _, c := range platform().number(n) {
		if c != f.code {
			all = append(all, other{c.Domain(), c.Reason(), c.Description(string(lang))})
		}
	}
	if c := platform().member("code", digits(n), ""); f.code.Listed() && !c.Listed() {
		all = append(all, other{c.Domain(), "", frontendsMeaning(lang, n)})
	}
	return all
}

// frontendsMeaning returns what the platform's frontend means by a number.
func frontendsMeaning(lang cli.Lang, n int32) string {
	m := frontends[n]
	return lang.Pick(m.en, m.zh)
}

// isFrontends reports whether it is an error of the platform's frontend, to which package
// httperr gives the domain of the REST API.
func (f finding) isFrontends() bool {
	_, ok := frontends[f.code.Number()]
	return ok && f.bare && f.code.Domain() == rest.Domain
}
