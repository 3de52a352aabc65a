package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/openyuanrong/statusmap/gen/sdk"
)

func TestRun(t *testing.T) {
	for accept, tag := range map[string]string{
		"zh":                             "zh",
		"zh-CN":                          "zh",
		"zh-Hans-SG":                     "zh",
		"zh-TW,zh;q=0.9,en;q=0.8":        "zh",
		"en;q=0.8,zh;q=0.9":              "zh",
		"fr, zh;q=0.5":                   "zh",
		"en-GB":                          "en",
		"en-US,en;q=0.9,zh-CN;q=0.8":     "en",
		"fr-CH, fr;q=0.9, *;q=0.5":       "en",
		"*":                              "en",
		"no language at all":             "en",
		strings.Repeat("zh-CN-x-y,", 90): "zh",
	} {
		var stdout, stderr bytes.Buffer
		if got := run(t.Context(), []string{accept}, &stdout, &stderr); got != 0 {
			t.Errorf("%.40s: exit status %d: %s", accept, got, &stderr)
		}
		want := accept + ": [" + tag + "] " + sdk.InvokeRateLimited.Describe(tag) + "\n"
		if stdout.String() != want {
			t.Errorf("got %.200q, want %.200q", &stdout, want)
		}
	}
	var stdout, stderr bytes.Buffer
	if got := run(t.Context(), nil, &stdout, &stderr); got != 0 || strings.Count(stdout.String(), "\n") != 2 {
		t.Errorf("without arguments: exit status %d, %q, want two lines", got, &stdout)
	}
	if got := run(t.Context(), []string{"-h"}, &stdout, &stderr); got != 2 || !strings.Contains(stderr.String(), "Usage:") {
		t.Errorf("-h: exit status %d, %q, want 2 and the usage", got, &stderr)
	}
}
