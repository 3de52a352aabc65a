package str_test

import (
	"testing"

	"github.com/openyuanrong/statusmap/mapping/internal/str"
)

func TestValid(t *testing.T) {
	for s, want := range map[string]string{
		"":                  "",
		"请求 \uFFFD":         "请求 \uFFFD",
		"a\xffb":            "a\uFFFDb",
		"a\xff\xfe\xc3":     "a\uFFFD",
		"\xe8\xafa\xed\xa0": "\uFFFDa\uFFFD",
	} {
		if got := str.Valid(s); got != want {
			t.Errorf("Valid(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestCutAndShorten(t *testing.T) {
	for _, test := range []struct {
		s              string
		limit          int
		cut, shortened string
	}{
		{"", 0, "", ""},
		{"abcde", 5, "abcde", "abcde"},
		{"abcde", 4, "abcd", "a…"},
		{"abcde", 0, "", "…"},
		{"请求请求", 12, "请求请求", "请求请求"},
		{"请求请求", 11, "请求请", "请求…"},
		{"请求请求", 9, "请求请", "请求…"},
		{"请求请求", 8, "请求", "请…"},
		{"请求请求", 2, "", "…"},
		{"\x80\x80\x80\x80", 3, "", "…"}, // nothing but inner bytes
	} {
		if got := str.Cut(test.s, test.limit); got != test.cut {
			t.Errorf("Cut(%q, %d) = %q, want %q", test.s, test.limit, got, test.cut)
		}
		if got := str.Shorten(test.s, test.limit); got != test.shortened {
			t.Errorf("Shorten(%q, %d) = %q, want %q", test.s, test.limit, got, test.shortened)
		}
	}
}
