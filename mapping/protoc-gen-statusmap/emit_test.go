package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	catalogv1 "github.com/openyuanrong/statusmap/gen/yuanrong/catalog/v1"
	restv1 "github.com/openyuanrong/statusmap/gen/yuanrong/rest/v1"
	sdkv1 "github.com/openyuanrong/statusmap/gen/yuanrong/sdk/v1"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// generateOne runs the plugin over one file and returns the one file that it makes.
func generateOne(t testing.TB, parameter string, file *descriptorpb.FileDescriptorProto) (name, source string) {
	t.Helper()
	files := generate(t, request(parameter, file))
	if len(files) != 1 {
		t.Fatalf("generated %d files, want 1", len(files))
	}
	for name, source = range files {
	}
	return name, source
}

func TestGolden(t *testing.T) {
	t.Parallel()
	const golden = "testdata/billing.golden"
	_, got := generateOne(t, "", billing(t))
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(readFile(t, golden), got); diff != "" {
		t.Errorf("generated code differs from %s (-want +got); if it is right, run go test -update\n%s", golden, diff)
	}
}

func TestOutputIsFormatted(t *testing.T) {
	t.Parallel()
	for name, source := range allSources(t) {
		formatted, err := format.Source([]byte(source))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(string(formatted), source); diff != "" {
			t.Errorf("%s is not gofmt'ed (-want +got):\n%s", name, diff)
		}
	}
}

// The order in which an author writes the codes changes nothing, and neither does
// running it again.
func TestOutputIsDeterministic(t *testing.T) {
	t.Parallel()
	file := billing(t)
	file.SourceCodeInfo = nil // it refers to values by position
	_, want := generateOne(t, "", file)
	for range 5 {
		slices.Reverse(file.EnumType[0].Value[1:])
		if _, got := generateOne(t, "", file); got != want {
			t.Fatalf("the output changed (-before +after):\n%s", cmp.Diff(want, got))
		}
	}
}

func TestPlaceOfPackage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		parameter    string
		goPackage    string // of the catalogue option
		protoPackage string
		file         string
		pkg          string
	}{
		{"below the proto file's", "", "", "acme.billing.v1", "example.com/acme/gen/acme/billing/v1/billing/catalog.statusmap.go", "billing"},
		{"with module", "module=example.com/acme/gen", "", "acme.billing.v1", "acme/billing/v1/billing/catalog.statusmap.go", "billing"},
		{"source relative", "paths=source_relative", "", "acme.billing.v1", "acme/billing/v1/billing/catalog.statusmap.go", "billing"},
		{"M parameter", "Macme/billing/v1/code.proto=example.com/other/b", "", "acme.billing.v1", "example.com/other/b/billing/catalog.statusmap.go", "billing"},
		{"several versions", "", "", "acme.v2.billing.v1beta2", "example.com/acme/gen/acme/billing/v1/billing/catalog.statusmap.go", "billing"},
		{"no version", "", "", "billing", "example.com/acme/gen/acme/billing/v1/billing/catalog.statusmap.go", "billing"},
		{"looks like a version", "", "", "acme.v1x", "example.com/acme/gen/acme/billing/v1/v1x/catalog.statusmap.go", "v1x"},
		{"by option", "", "example.com/acme/codes", "acme.billing.v1", "example.com/acme/codes/catalog.statusmap.go", "codes"},
		{"by option, with a name", "", "example.com/acme/codes;billingcodes", "acme.billing.v1", "example.com/acme/codes/catalog.statusmap.go", "billingcodes"},
		{"by option, with module", "module=example.com/acme", "example.com/acme/gen/codes", "acme.billing.v1", "gen/codes/catalog.statusmap.go", "codes"},
		{"by option, with a hyphen", "", "example.com/acme/my-codes.x", "acme.billing.v1", "example.com/acme/my-codes.x/catalog.statusmap.go", "my_codes_x"},
		{"by option, where the proto package gives no name", "", "example.com/acme/codes", "v1", "example.com/acme/codes/catalog.statusmap.go", "codes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := billing(t)
			file.Package = proto.String(tt.protoPackage)
			catalogOptionsOf(file).GoPackage = tt.goPackage
			name, source := generateOne(t, tt.parameter, file)
			if name != tt.file {
				t.Errorf("file %s, want %s", name, tt.file)
			}
			if !strings.Contains(source, "\npackage "+tt.pkg+"\n") {
				t.Errorf("the package is not %s:\n%.600s", tt.pkg, source)
			}
		})
	}
}

// A package outside the module that module= names cannot be written.
func TestRefusesPackageOutsideModule(t *testing.T) {
	t.Parallel()
	file := billing(t)
	catalogOptionsOf(file).GoPackage = "example.com/elsewhere/codes"
	got := refusal(t, request("module=example.com/acme/gen", file))
	if len(got) != 1 || !strings.Contains(got[0], "example.com/elsewhere/codes") || !strings.Contains(got[0], `prefix "example.com/acme/gen"`) {
		t.Errorf("refused with %q, want package and module", got)
	}
}

func catalogOptionsOf(file *descriptorpb.FileDescriptorProto) *catalogv1.CatalogOptions {
	return proto.GetExtension(file.EnumType[0].Options, catalogv1.E_Catalog).(*catalogv1.CatalogOptions)
}

// What an author writes is documentation, whatever it looks like to a tool.
func TestCommentObeysNobody(t *testing.T) {
	t.Parallel()
	file := billing(t)
	file.Name = proto.String("acme/billing/v1/co\nde.proto")
	file.SourceCodeInfo.Location[0].LeadingComments = proto.String(
		"go:build ignore\n+build ignore\n//go:generate false\n a */ b \u2028 c \uFEFF\r\n\xff")
	_, source := generateOne(t, "", file)
	parsed, err := parser.ParseFile(token.NewFileSet(), "", source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(source, "\n") {
		if strings.HasPrefix(line, "//go:") || strings.HasPrefix(line, "// +build") {
			t.Errorf("a tool would obey %q", line)
		}
	}
	if doc := parsed.Doc.Text(); !strings.Contains(doc, "go:build ignore\n") || !strings.Contains(doc, "a */ b  c") {
		t.Errorf("the package documentation lost text:\n%s", doc)
	}
}

func TestRealCatalogues(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pkg, domain string
		file        protoreflect.FileDescriptor
	}{
		{"sdk", "sdk.yuanrong", sdkv1.File_yuanrong_sdk_v1_code_proto},
		{"rest", "rest.yuanrong", restv1.File_yuanrong_rest_v1_code_proto},
	} {
		t.Run(tt.pkg, func(t *testing.T) {
			t.Parallel()
			name, source := generateOne(t, "module=github.com/openyuanrong/statusmap/gen", protodesc.ToFileDescriptorProto(tt.file))
			if want := tt.pkg + "/catalog.statusmap.go"; name != want {
				t.Errorf("file %s, want %s", name, want)
			}
			checkSource(t, source, tt.pkg, tt.domain, tt.file.Enums().ByName("Code"))

			// Linked descriptors carry no comments, so the package documentation differs.
			committed := readFile(t, "../../gen/"+name)
			if diff := cmp.Diff(afterPackageClause(committed), afterPackageClause(source)); diff != "" {
				t.Errorf("gen/%s is out of date, run make generate (-committed +generated):\n%s", name, diff)
			}
		})
	}
}

func afterPackageClause(source string) string {
	_, code, _ := strings.Cut(source, "\npackage ")
	return code
}

// checkSource reads generated code with Go's own parser and looks for the facts of
// an enum there.
func checkSource(t *testing.T, source, pkg, domain string, enum protoreflect.EnumDescriptor) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", source, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if !ast.IsGenerated(file) {
		t.Error("it is not marked as generated code")
	}
	if file.Name.Name != pkg || !strings.HasPrefix(file.Doc.Text(), "Package "+pkg+" ") {
		t.Errorf("package %s, documented as %q", file.Name.Name, file.Doc.Text())
	}
	if want := fmt.Sprintf("const Domain = %q\n", domain); !strings.Contains(source, want) {
		t.Errorf("it lacks %s", want)
	}

	docs := sentinelDocs(file)
	if got, want := len(docs), enum.Values().Len()-1; got != want {
		t.Errorf("%d sentinels, want %d", got, want)
	}
	all := strings.Join(slices.Collect(maps.Values(docs)), "\n")
	for i := range enum.Values().Len() {
		value := enum.Values().Get(i)
		if value.Number() == 0 {
			continue
		}
		o := proto.GetExtension(value.Options(), catalogv1.E_Code).(*catalogv1.CodeOptions)
		doc := ""
		for _, candidate := range docs {
			if strings.Contains(candidate, fmt.Sprintf(" (%d): %s\n", value.Number(), o.GetEn().GetDescription())) {
				doc = candidate
			}
		}
		if doc == "" {
			t.Errorf("no sentinel is documented as %d: %s in\n%s", value.Number(), o.GetEn().GetDescription(), all)
			continue
		}
		wants := []string{
			o.GetEn().GetRemedy(), o.GetZh().GetDescription(), o.GetZh().GetRemedy(), o.GetDocumentedMessage(),
			"gRPC " + strings.TrimPrefix(o.GetGrpcCode().String(), "GRPC_CODE_"),
			"retry: " + strings.TrimPrefix(o.GetRetryClass().String(), "RETRY_CLASS_"),
		}
		if ms := o.GetRetryDelayMs(); ms != 0 {
			wants = append(wants, "after "+(time.Duration(ms)*time.Millisecond).String())
		}
		for _, want := range wants {
			if !strings.Contains(doc, want) {
				t.Errorf("%s: the documentation lacks %q:\n%s", value.Name(), want, doc)
			}
		}
	}
}

// sentinelDocs returns the documentation of all exported variables by their names.
func sentinelDocs(file *ast.File) map[string]string {
	docs := map[string]string{}
	for _, decl := range file.Decls {
		vars, ok := decl.(*ast.GenDecl)
		if !ok || vars.Tok != token.VAR {
			continue
		}
		for _, spec := range vars.Specs {
			if v := spec.(*ast.ValueSpec); v.Names[0].IsExported() {
				docs[v.Names[0].Name] = vars.Doc.Text() // each has a declaration of its own
			}
		}
	}
	return docs
}

// allSources returns the generated packages of these tests by package name.
func allSources(t testing.TB) map[string]string {
	t.Helper()
	sources := map[string]string{}
	_, sources["billing"] = generateOne(t, "", billing(t))
	_, sources["sdk"] = generateOne(t, "", protodesc.ToFileDescriptorProto(sdkv1.File_yuanrong_sdk_v1_code_proto))
	_, sources["rest"] = generateOne(t, "", protodesc.ToFileDescriptorProto(restv1.File_yuanrong_rest_v1_code_proto))
	return sources
}

// program is compiled together with generated packages; see TestCompiled.
const program = `package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/mapping/rpcerr"
	"OVERLAY/billing"
	"OVERLAY/rest"
	"OVERLAY/sdk"
)

func main() {
	for _, catalog := range []*rpcerr.Catalog{billing.Catalog(), sdk.Catalog(), rest.Catalog()} {
		known := map[int32]bool{}
		for code := range catalog.All() {
			known[code.Number()] = true
			byNumber, ok := catalog.Lookup(code.Number())
			check(ok && byNumber == code, code, "by number")
			byReason, ok := catalog.LookupReason(code.Reason())
			check(ok && byReason == code, code, "by reason")
			check(code.Domain() == catalog.Domain(), code, "domain")
		}
		check(len(known) == catalog.Len() && len(known) > 3, catalog.Domain(), "length")
		for number := int32(-300); number < 400_000; number++ {
			_, ok := catalog.Lookup(number)
			check(ok == known[number], catalog.Domain(), number)
		}
		for _, number := range []int32{-1 << 31, 9_999_998, 10_000_000, 1<<31 - 1} {
			_, ok := catalog.Lookup(number)
			check(!ok, catalog.Domain(), number)
		}
	}

	c := billing.NoCredit
	check(c.Domain() == "billing.acme" && c.Number() == 1003 && c.Reason() == "NO_CREDIT", c)
	check(c.GRPCCode() == codes.FailedPrecondition && c.Retry() == rpcerr.Retry{Class: rpcerr.Never}, c)
	check(c.DocumentedMessage() == "no \"credit\"", c)
	check(c.Description("en") == "The account has no money left." && c.Remedy("en") == "Pay, then call again.", c)
	check(c.Description("zh-CN") == "余额不足。" && c.Remedy("zh-CN") == "请充值后重试。", c)
	check(billing.InvoiceIDUnknown.Retry() == rpcerr.Retry{Class: rpcerr.Idempotent, Delay: 1500 * time.Millisecond}, "delay")
	check(billing.InvoiceIDUnknown.GRPCCode() == codes.Canceled, "gRPC code")
	check(billing.LedgerBusy.Retry() == rpcerr.Retry{Class: rpcerr.HigherLevel, Delay: time.Hour}, "delay")
	check(billing.CardAPIDown.Retry() == rpcerr.Retry{Class: rpcerr.Safe}, "no delay")

	check(sdk.InstanceNotFound.Number() == c.Number(), "the numbers must collide for what follows")
	check(error(sdk.InstanceNotFound) != error(c) && !errors.Is(sdk.InstanceNotFound, c) && !errors.Is(c, sdk.InstanceNotFound), "domains")
	check(errors.Is(fmt.Errorf("wrapped: %w", c), billing.NoCredit), "wrapped")
}

func check(ok bool, what ...any) {
	if !ok {
		fmt.Println(what...)
		os.Exit(1)
	}
}
`

// TestCompiled compiles generated packages, uses them, and makes sure that they
// need no initialisation: the runtime, which can list what it initialises, does not
// name them.
func TestCompiled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it runs the compiler")
	}
	// The packages exist only for the compiler, in a folder that go list passes over.
	const folder = "testdata/overlay"
	files := map[string]string{"main/main.go": strings.ReplaceAll(program, "OVERLAY", "github.com/openyuanrong/statusmap/mapping/protoc-gen-statusmap/"+folder)}
	for name, source := range allSources(t) {
		files[name+"/"+fileName] = source
	}
	overlay := overlayFile(t, folder, files)

	binary := filepath.Join(t.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", binary, "./"+folder+"/main").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := exec.Command(binary)
	run.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "init ") {
		t.Errorf("no trace of initialisation:\n%s", out)
	}
	for _, line := range strings.Split(string(out), "\n") {
		if strings.Contains(line, folder) {
			t.Errorf("a generated package is initialised at the start of the program: %s", line)
		}
		if strings.Contains(line, "yuanrong/catalog") {
			t.Errorf("the program links the descriptors of the options: %s", line)
		}
	}
}

// overlayFile tells the go command to see files in a folder that does not exist.
func overlayFile(t *testing.T, folder string, files map[string]string) string {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	replace := map[string]string{}
	for name, source := range files {
		real := filepath.Join(temp, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(real, []byte(source), 0o666); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(here, filepath.FromSlash(path.Join(folder, name)))] = real
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(temp, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o666); err != nil {
		t.Fatal(err)
	}
	return overlay
}
