package rpcerr_test

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// A message that is too long fills the budget: the last character that fits arrives.
func TestLongMessageFillsTheBudget(t *testing.T) {
	for _, letter := range []string{"m", "错", "😀", "%", "\n"} {
		for _, budget := range []int{rpcerr.MinBudget, rpcerr.DefaultBudget, rpcerr.MaxBudget} {
			size := func(n int) (int, bool) {
				e := sdk.InstanceNotFound.Errorf("%s", strings.Repeat(letter, n)).Seal(rpcerr.Wire{Budget: budget})
				return rpcerr.Size(e.GRPCStatus().Proto()), e.Trimmed()
			}
			tooMany := sort.Search(budget, func(n int) bool { _, trimmed := size(n); return trimmed })
			for _, n := range []int{tooMany, tooMany + 1, 10 * tooMany, 100_000} {
				// A character takes at most 4 bytes of the message, and so 12 and 16/3 on the wire.
				if got, trimmed := size(n); !trimmed || got > budget || got <= budget-20 {
					t.Errorf("%d times %q: %d bytes of %d are used, trimmed %v", n, letter, got, budget, trimmed)
				}
			}
		}
	}
}

// Only the number itself is kept in the metadata, and not whatever looks like it.
func TestSealTrimsMetadataThatLooksLikeTheNumber(t *testing.T) {
	e := sdk.InstanceNotFound.Errorf("m")
	for i := range 200 {
		e = e.With(fmt.Sprintf("key%d", i), "1003")
	}
	sealed := e.Seal(rpcerr.Wire{Budget: rpcerr.MinBudget, CodeInMetadata: true})
	if size := rpcerr.Size(sealed.GRPCStatus().Proto()); size > rpcerr.MinBudget {
		t.Errorf("the status takes %d bytes, want at most %d", size, rpcerr.MinBudget)
	}
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	again, _ := decoder.FromStatus(sealed.GRPCStatus())
	if got := again.MetadataValue("code"); got != "1003" || len(e.Metadata()) != 200 {
		t.Errorf("the number arrives as %q, and %d entries are left", got, len(e.Metadata()))
	}
}

// However many small entries there are, the status fits.
func TestManySmallEntriesFitTheBudget(t *testing.T) {
	e := sdk.InstanceNotFound.Errorf("m")
	for i := range 400 {
		e = e.With(fmt.Sprintf("k%d", i), "")
		if size := rpcerr.Size(e.GRPCStatus().Proto()); size > rpcerr.DefaultBudget {
			t.Fatalf("%d entries: the status takes %d bytes", i+1, size)
		}
	}
	if !e.Trimmed() {
		t.Error("nothing was trimmed")
	}
}

// What is trimmed for the wire, its own process still has.
func TestTrimmingLeavesTheMetadata(t *testing.T) {
	for _, test := range []struct {
		name          string
		entries, size int
	}{
		{"too many keys", 400, 0},
		{"values that are too long", 40, 200},
	} {
		e, want := sdk.InstanceNotFound.Errorf("m"), map[string]string{}
		for i := range test.entries {
			key, value := fmt.Sprintf("key%03d", i), strings.Repeat("v", test.size)
			e, want[key] = e.With(key, value), value
		}
		sealed := e.Seal(rpcerr.Wire{Budget: rpcerr.MinBudget})
		e.GRPCStatus()
		for how, e := range map[string]*rpcerr.Error{"as it is": e, "sealed": sealed} {
			if diff := cmp.Diff(want, e.Metadata()); diff != "" || !e.Trimmed() {
				t.Errorf("%s, %s: trimmed %v (-want +got):\n%s", test.name, how, e.Trimmed(), diff)
			}
		}
	}
}

// Some on the way take blanks at the end of a header away.
func TestCutMessageEndsWithoutABlank(t *testing.T) {
	for n := range 8 {
		e := sdk.InstanceNotFound.Errorf("%s", strings.Repeat("x", n)+strings.Repeat("m   ", 5000)).Seal(rpcerr.Wire{})
		if got := e.GRPCStatus().Message(); !strings.HasSuffix(got, "m") {
			t.Errorf("the message ends in %q", got[len(got)-4:])
		}
	}
}
