package mapping_test

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	catalogv1 "github.com/openyuanrong/statusmap/gen/yuanrong/catalog/v1"
	restv1 "github.com/openyuanrong/statusmap/gen/yuanrong/rest/v1"
	sdkv1 "github.com/openyuanrong/statusmap/gen/yuanrong/sdk/v1"
	"github.com/openyuanrong/statusmap/mapping"
)

// facts is everything that a catalogue says about one code.
type facts struct {
	Domain                string
	Number                int32
	Reason                string
	Documented            string
	GRPC                  codes.Code
	Class                 string
	Delay                 time.Duration
	ZH, ZHRemedy, EN, ENR string
}

// golden reads testdata/catalog.tsv, which has one line for each code that the platform
// has documented: what the documentation says, and what this project adds to it, such as
// gRPC code, retry class and the remedies of rest.yuanrong.
func golden(t *testing.T) []facts {
	t.Helper()
	b, err := os.ReadFile("testdata/catalog.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var rows []facts
	for i, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")[1:] {
		f := strings.Split(line, "\t")
		if len(f) != 11 {
			t.Fatalf("line %d has %d columns, want 11", i+2, len(f))
		}
		number, err := strconv.ParseInt(f[1], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		ms, err := strconv.Atoi(f[6])
		if err != nil {
			t.Fatal(err)
		}
		grpc, ok := code.Code_value[f[4]]
		if !ok {
			t.Fatalf("line %d: no gRPC code %q", i+2, f[4])
		}
		rows = append(rows, facts{
			Domain: f[0], Number: int32(number), Reason: f[2], Documented: f[3],
			GRPC: codes.Code(grpc), Class: f[5], Delay: time.Duration(ms) * time.Millisecond,
			ZH: f[7], ZHRemedy: f[8], EN: f[9], ENR: f[10],
		})
	}
	slices.SortFunc(rows, compareFacts)
	return rows
}

// compareFacts orders by domain and number.
func compareFacts(a, b facts) int {
	if c := strings.Compare(a.Domain, b.Domain); c != 0 {
		return c
	}
	return int(a.Number) - int(b.Number)
}

// What is said of the documented codes stays as it is. Later codes stand in the proto alone.
func TestCatalogsSayWhatIsDocumented(t *testing.T) {
	want := golden(t)
	if len(want) != 109 {
		t.Fatalf("testdata/catalog.tsv has %d codes, want 109", len(want))
	}
	var got []facts
	for catalog := range mapping.Catalogs() {
		n := 0
		for c := range catalog.All() {
			n++
			if _, documented := slices.BinarySearchFunc(want, factsOf(c), compareFacts); documented {
				got = append(got, factsOf(c))
			}
		}
		if catalog.Len() != n {
			t.Errorf("Len() of %s = %d, want %d", catalog.Domain(), catalog.Len(), n)
		}
	}
	slices.SortFunc(got, compareFacts)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("catalogues (-documented +generated):\n%s", diff)
	}
}

func factsOf(c mapping.Code) facts {
	return facts{
		Domain: c.Domain(), Number: c.Number(), Reason: c.Reason(), Documented: c.DocumentedMessage(),
		GRPC: c.GRPCCode(), Class: c.Retry().Class.String(), Delay: c.Retry().Delay,
		ZH: c.Description("zh"), ZHRemedy: c.Remedy("zh"), EN: c.Description("en"), ENR: c.Remedy("en"),
	}
}

// TestCatalogsAgreeWithDescriptors walks the enums that protoc-gen-go generated from
// the same protos, options and all.
func TestCatalogsAgreeWithDescriptors(t *testing.T) {
	enums := []protoreflect.EnumDescriptor{sdkv1.Code(0).Descriptor(), restv1.Code(0).Descriptor()}
	i := 0
	for catalog := range mapping.Catalogs() {
		enum := enums[i]
		i++
		options := proto.GetExtension(enum.Options(), catalogv1.E_Catalog).(*catalogv1.CatalogOptions)
		if catalog.Domain() != options.GetDomain() {
			t.Errorf("domain %q, want %q", catalog.Domain(), options.GetDomain())
		}
		var want []facts
		for j := range enum.Values().Len() {
			if v := enum.Values().Get(j); v.Number() != 0 {
				want = append(want, factsOfValue(options.GetDomain(), v))
			}
		}
		var got []facts
		for c := range catalog.All() {
			got = append(got, factsOf(c))
		}
		slices.SortFunc(want, compareFacts)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-descriptor +generated):\n%s", catalog.Domain(), diff)
		}
	}
	if i != len(enums) {
		t.Errorf("%d catalogues, want %d", i, len(enums))
	}
}

func factsOfValue(domain string, v protoreflect.EnumValueDescriptor) facts {
	o := proto.GetExtension(v.Options().(*descriptorpb.EnumValueOptions), catalogv1.E_Code).(*catalogv1.CodeOptions)
	return facts{
		Domain: domain, Number: int32(v.Number()), Reason: strings.TrimPrefix(string(v.Name()), "CODE_"),
		Documented: o.GetDocumentedMessage(), GRPC: codes.Code(o.GetGrpcCode()),
		Class: strings.TrimPrefix(o.GetRetryClass().String(), "RETRY_CLASS_"),
		Delay: time.Duration(o.GetRetryDelayMs()) * time.Millisecond,
		ZH:    o.GetZh().GetDescription(), ZHRemedy: o.GetZh().GetRemedy(),
		EN: o.GetEn().GetDescription(), ENR: o.GetEn().GetRemedy(),
	}
}

func TestLookup(t *testing.T) {
	for _, f := range golden(t) {
		c, ok := mapping.Lookup(f.Domain, f.Number)
		if !ok || c.Domain() != f.Domain || c.Number() != f.Number {
			t.Errorf("Lookup(%q, %d) = %v, %v; want that code", f.Domain, f.Number, c, ok)
		}
		for catalog := range mapping.Catalogs() {
			got, ok := catalog.LookupReason(f.Reason)
			if found, want := ok && got == c, catalog.Domain() == f.Domain; found != want {
				t.Errorf("LookupReason(%q) in %s found the code of %s: %v, want %v", f.Reason, catalog.Domain(), f.Domain, found, want)
			}
		}
	}
	for _, none := range []struct {
		domain string
		number int32
	}{
		{"sdk.yuanrong", 0}, {"sdk.yuanrong", -1}, {"sdk.yuanrong", 1000}, {"sdk.yuanrong", 1 << 30},
		{"sdk.yuanrong", -1 << 31}, {"rest.yuanrong", 1<<31 - 1}, {"rest.yuanrong", 255}, {"", 1003}, {"SDK.yuanrong", 1003},
	} {
		if c, ok := mapping.Lookup(none.domain, none.number); ok || !c.IsZero() {
			t.Errorf("Lookup(%q, %d) = %v, %v; want none", none.domain, none.number, c, ok)
		}
	}
	// What a peer sends may be just behind the last.
	for catalog := range mapping.Catalogs() {
		found := 0
		for number := range int32(1 << 19) {
			if c, ok := catalog.Lookup(number); ok && c.Number() == number {
				found++
			} else if ok {
				t.Errorf("Lookup(%d) in %s = %v", number, catalog.Domain(), c)
			}
		}
		if found != catalog.Len() {
			t.Errorf("%d codes of %s are found, want %d", found, catalog.Domain(), catalog.Len())
		}
	}
}

// TestWhatIsLinked keeps the promises about a user's binary: package mapping comes
// without gRPC's transport, and nothing brings the descriptors of the catalogues.
func TestWhatIsLinked(t *testing.T) {
	const module = "github.com/openyuanrong/statusmap/"
	for _, test := range []struct {
		pkg       string
		forbidden []string
	}{
		{"mapping", []string{"google.golang.org/grpc", module + "gen/yuanrong/catalog/v1", module + "gen/yuanrong/sdk/v1", module + "gen/yuanrong/rest/v1"}},
		{"mapping/rpcerr", []string{"google.golang.org/grpc", module + "gen/yuanrong/catalog/v1", module + "gen/sdk", module + "gen/rest"}},
		{"gen/sdk", []string{"google.golang.org/grpc", module + "gen/yuanrong/catalog/v1", module + "gen/yuanrong/sdk/v1"}},
		{"gen/rest", []string{"google.golang.org/grpc", module + "gen/yuanrong/catalog/v1", module + "gen/yuanrong/rest/v1"}},
		{"interceptor", []string{module + "gen/yuanrong/catalog/v1", module + "gen/yuanrong/sdk/v1", module + "gen/yuanrong/rest/v1", "testing"}},
	} {
		out, err := exec.Command("go", "list", "-deps", module+test.pkg).CombinedOutput()
		if err != nil {
			t.Fatalf("go list: %v\n%s", err, out)
		}
		deps := strings.Fields(string(out))
		if !slices.Contains(deps, "google.golang.org/grpc/status") {
			t.Fatalf("go list -deps %s lists no grpc/status; the test does not see what it should", test.pkg)
		}
		for _, f := range test.forbidden {
			if slices.Contains(deps, f) {
				t.Errorf("package %s depends on %s", test.pkg, f)
			}
		}
	}
}
