package interceptor_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
)

const module = "github.com/openyuanrong/statusmap/"

// TestNothingIsInitialised runs this very binary, without any test, and looks at what
// the runtime says it initialised. The catalogues are static data, so that a program
// pays nothing for codes that it does not use.
func TestNothingIsInitialised(t *testing.T) {
	if sdk.Catalog().Len() == 0 || rest.Catalog().Len() == 0 {
		t.Fatal("the catalogues are empty")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	trace, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, trace)
	}
	initialised := make(map[string]bool)
	for line := range bytes.Lines(trace) {
		if fields := strings.Fields(string(line)); len(fields) > 1 && fields[0] == "init" {
			initialised[fields[1]] = true
		}
	}
	if !initialised["runtime"] {
		t.Fatalf("no trace in %q", trace)
	}
	for _, p := range []string{"gen/sdk", "gen/rest", "mapping", "mapping/rpcerr"} {
		if initialised[module+p] {
			t.Errorf("%s is initialised at start-up, want static data", p)
		}
	}
}

// TestNoOptionsAreLinked: the options by which catalogues are declared, and the enums
// that have them, are for the generator.
func TestNoOptionsAreLinked(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", module+"interceptor").Output()
	if err != nil {
		t.Skipf("no go command: %v", err)
	}
	deps := strings.Fields(string(out))
	linked := make(map[string]bool, len(deps))
	for _, p := range deps {
		linked[p] = true
	}
	if !linked[module+"gen/sdk"] {
		t.Fatalf("%sgen/sdk is not among the %d dependencies", module, len(deps))
	}
	for _, p := range []string{"gen/yuanrong/catalog/v1", "gen/yuanrong/sdk/v1", "gen/yuanrong/rest/v1"} {
		if linked[module+p] {
			t.Errorf("%s is linked into programs", p)
		}
	}
}
