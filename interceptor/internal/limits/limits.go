// Package limits has errors that say far more than fits, and holds to account what of
// them a client gets. Its own tests send them to clients with small limits and, by
// `make limits`, through nginx.
package limits

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// Text has 1000 characters, which cost 13 bytes each on the wire.
var Text = strings.Repeat("请求的实例不存在。。", 100)

// entries is how many metadata entries a talkative error has.
const entries = 50

// entry is one of them.
func entry(i int) (key, value string) {
	return fmt.Sprintf("key%02d", i), strings.Repeat("v", 20+i)
}

// Talkative returns an error of that code with the Text and 50 metadata entries.
func Talkative(c mapping.Code) *mapping.Error {
	e := c.Errorf("%s", Text)
	for i := range entries {
		e = e.With(entry(i))
	}
	return e
}

// Check reports an error of the test unless err, as a client got it, is what can be kept
// of Talkative(c) within the budget.
func Check(t testing.TB, err error, c mapping.Code, budget int) {
	t.Helper()
	e, ok := mapping.FromError(err)
	if !ok {
		t.Errorf("%v: FromError(%v) found nothing", c, err)
		return
	}
	if e.Code() != c || e.GRPCCode() != c.GRPCCode() || e.Reason() != c.Reason() || e.Retry() != c.Retry() {
		t.Errorf("%v arrived as %v, grpc %v, reason %q, retry %v: %v", c, e.Code(), e.GRPCCode(), e.Reason(), e.Retry(), err)
		return
	}
	if size := rpcerr.Size(status.Convert(err).Proto()); size > budget {
		t.Errorf("%v takes %d bytes, more than %d", c, size, budget)
	}
	if !e.Trimmed() {
		t.Errorf("%v is not marked as trimmed", c)
	}
	if m := e.Message(); m == "" || !strings.HasPrefix(Text, m) || !utf8.ValidString(m) {
		t.Errorf("%v has message %q, want a part of what was said", c, m)
	}
	metadata := e.Metadata()
	for i := range entries {
		key, whole := entry(i)
		if value, ok := metadata[key]; ok != (len(metadata) > 0) || value != "" && value != whole {
			t.Errorf("%v has metadata %q: %q, want it whole or empty, and all keys or none", c, key, value)
		}
	}
	if n := len(metadata); n != 0 && n != entries {
		t.Errorf("%v has %d metadata keys, want all %d or none", c, n, entries)
	}
}
