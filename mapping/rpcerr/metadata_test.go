package rpcerr_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openyuanrong/statusmap/gen/sdk"
)

func TestMetadataKeys(t *testing.T) {
	long := strings.Repeat("k", 100)
	for _, test := range []struct{ key, want string }{
		{"instance", "instance"},
		{"instance-Id_2", "instance-Id_2"},
		{"Instance", "instance"},
		{"a", "a_"},
		{"", "x_"},
		{"1st", "x1st"},
		{"_x", "x_x"},
		{"a.b c", "a_b_c"},
		{"实例", "x__"},
		{"a\xffb", "a_b"},
		{"a\r\nb", "a__b"},
		{long, long[:64]},
		{long[:65], long[:64]},
		{"9" + long, "x9" + long[:62]},
	} {
		got := sdk.ParamInvalid.With(test.key, "v").Metadata()
		if diff := cmp.Diff(map[string]string{test.want: "v"}, got); diff != "" {
			t.Errorf("With(%q) (-want +got):\n%s", test.key, diff)
		}
	}
	if got, want := sdk.ParamInvalid.With("key", "a\xffb\x00").Metadata()["key"], "a\uFFFDb\x00"; got != want {
		t.Errorf("the value became %q, want %q", got, want)
	}
	if got := sdk.ParamInvalid.With("key", "1").With("Key", "2").Metadata(); got["key"] != "2" || len(got) != 1 {
		t.Errorf("one key set twice gives %v, want the second value", got)
	}
}
