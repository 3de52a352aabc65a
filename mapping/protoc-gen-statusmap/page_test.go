package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rpccode "google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	catalogv1 "github.com/openyuanrong/statusmap/gen/yuanrong/catalog/v1"
	restv1 "github.com/openyuanrong/statusmap/gen/yuanrong/rest/v1"
	sdkv1 "github.com/openyuanrong/statusmap/gen/yuanrong/sdk/v1"
)

func TestPageGolden(t *testing.T) {
	t.Parallel()
	files := generate(t, request("markdown=docs/codes.md,module=example.com/acme/gen", billing(t)))
	if len(files) != 3 {
		t.Fatalf("%d files, want the package and two pages", len(files))
	}
	for name, golden := range map[string]string{"docs/codes.md": "testdata/billing.md.golden", "docs/codes.zh.md": "testdata/billing.zh.md.golden"} {
		got, ok := files[name]
		if !ok {
			t.Errorf("no file %s", name)
			continue
		}
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(readFile(t, golden), got); diff != "" {
			t.Errorf("%s differs from %s (-want +got); if it is right, run go test -update\n%s", name, golden, diff)
		}
	}
}

// Without the parameter there is no page, and without Chinese texts none in Chinese.
func TestPageOnlyWhereAsked(t *testing.T) {
	t.Parallel()
	if files := generate(t, request("", billing(t))); len(files) != 1 {
		t.Errorf("%d files, want the package alone", len(files))
	}
	english := billing(t)
	for _, v := range english.EnumType[0].Value {
		if proto.HasExtension(v.GetOptions(), catalogv1.E_Code) {
			codeOptionsOf(v).Zh = nil
		}
	}
	files := generate(t, request("markdown=codes.md,paths=source_relative", english))
	if page, ok := files["codes.md"]; !ok || strings.Contains(page, "codes.zh.md") || len(files) != 2 {
		t.Errorf("%d files, want the package and a page in English that links to no other:\n%s", len(files), page)
	}
}

func codeOptionsOf(v *descriptorpb.EnumValueDescriptorProto) *catalogv1.CodeOptions {
	return proto.GetExtension(v.Options, catalogv1.E_Code).(*catalogv1.CodeOptions)
}

func TestPageNameRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "codes", "codes.html", "/codes.md", "../codes.md", "a/../codes.md", "./codes.md", "codes.zh.md", "\xff.md"} {
		in, err := proto.Marshal(request("markdown="+name, billing(t)))
		if err != nil {
			t.Fatal(err)
		}
		var stdout, stderr strings.Builder
		if got := run(nil, strings.NewReader(string(in)), &stdout, &stderr); got != exitMisuse || !strings.Contains(stderr.String(), "markdown=") || stdout.Len() > 0 {
			t.Errorf("markdown=%s: exit code %d, stderr %q, want %d and the parameter", name, got, stderr.String(), exitMisuse)
		}
	}
}

// What an author writes is text, whatever it looks like in Markdown or HTML.
func TestPageObeysNobody(t *testing.T) {
	t.Parallel()
	file := billing(t)
	for _, v := range file.EnumType[0].Value {
		if v.GetNumber() == 1003 {
			codeOptionsOf(v).En.Description = "a | b <script>x</script> [l](http://e) `c` **d** &amp; \\| ~~e~~ <!-- $m$ @team"
			codeOptionsOf(v).DocumentedMessage = "`|`"
		}
	}
	page := generate(t, request("markdown=codes.md", file))["codes.md"]
	var row string
	for line := range strings.Lines(page) {
		if strings.Contains(line, `id="billing.acme-1003"`) {
			row = line
		}
	}
	for _, markup := range []string{"<script", "[l](", "<!--", "**d", " &amp; ", "$m$", "@team"} {
		if strings.Contains(row, markup) {
			t.Errorf("%q is markup in %s", markup, row)
		}
	}
	if got := len(regexp.MustCompile(`[^\\]\|`).FindAllString(row, -1)) + 1; got != 8 {
		t.Errorf("the row has %d borders, want 8: %s", got, row)
	}
}

// The committed pages are those of the catalogues, and have every code of them.
func TestRealPages(t *testing.T) {
	t.Parallel()
	files := generate(t, request("markdown=catalog.md,module=github.com/openyuanrong/statusmap/gen",
		protodesc.ToFileDescriptorProto(restv1.File_yuanrong_rest_v1_code_proto), protodesc.ToFileDescriptorProto(sdkv1.File_yuanrong_sdk_v1_code_proto)))
	for _, name := range []string{"catalog.md", "catalog.zh.md"} {
		committed := readFile(t, "../../gen/"+name)
		if diff := cmp.Diff(committed, files[name]); diff != "" {
			t.Errorf("gen/%s is out of date, run make generate (-committed +generated):\n%s", name, diff)
		}
		rows := strings.Split(committed, "\n")
		codes := 0
		for domain, enum := range map[string]*descriptorpb.EnumDescriptorProto{
			"rest.yuanrong": protodesc.ToEnumDescriptorProto(restv1.Code(0).Descriptor()),
			"sdk.yuanrong":  protodesc.ToEnumDescriptorProto(sdkv1.Code(0).Descriptor()),
		} {
			for _, v := range enum.Value {
				if v.GetNumber() == 0 {
					continue
				}
				codes++
				checkRow(t, rows, domain, v, strings.HasSuffix(name, ".zh.md"))
			}
		}
		if got := strings.Count(committed, `<a id="`); got != codes || codes < 109 {
			t.Errorf("gen/%s has %d rows for %d codes, want as many and 109 at least", name, got, codes)
		}
	}
}

// checkRow looks for the one row of a code, with the facts that the enum tells.
func checkRow(t *testing.T, rows []string, domain string, v *descriptorpb.EnumValueDescriptorProto, zh bool) {
	t.Helper()
	var row string
	for _, r := range rows {
		if strings.Contains(r, fmt.Sprintf(`<a id="%s-%d"></a>%d |`, domain, v.GetNumber(), v.GetNumber())) {
			row = r
		}
	}
	o := codeOptionsOf(v)
	text := o.GetEn()
	if zh {
		text = o.GetZh()
	}
	for _, want := range []string{
		"`" + strings.TrimPrefix(v.GetName(), "CODE_") + "`", "`" + strings.TrimPrefix(o.GetGrpcCode().String(), "GRPC_CODE_") + "`",
		fmt.Sprintf(" %d | %s", httpOf[rpccode.Code(o.GetGrpcCode())], strings.TrimPrefix(o.GetRetryClass().String(), "RETRY_CLASS_")),
		strings.ReplaceAll(text.GetDescription(), "_", `\_`), strings.ReplaceAll(text.GetRemedy(), "_", `\_`),
	} {
		if !strings.Contains(row, want) {
			t.Errorf("%s %d: no row with %q: %s", domain, v.GetNumber(), want, row)
		}
	}
}

// httpOf is the mapping that the comments of google.rpc.Code give.
var httpOf = map[rpccode.Code]int{
	rpccode.Code_CANCELLED: 499, rpccode.Code_UNKNOWN: 500, rpccode.Code_INVALID_ARGUMENT: 400, rpccode.Code_DEADLINE_EXCEEDED: 504,
	rpccode.Code_NOT_FOUND: 404, rpccode.Code_ALREADY_EXISTS: 409, rpccode.Code_PERMISSION_DENIED: 403, rpccode.Code_UNAUTHENTICATED: 401,
	rpccode.Code_RESOURCE_EXHAUSTED: 429, rpccode.Code_FAILED_PRECONDITION: 400, rpccode.Code_ABORTED: 409, rpccode.Code_OUT_OF_RANGE: 400,
	rpccode.Code_UNIMPLEMENTED: 501, rpccode.Code_INTERNAL: 500, rpccode.Code_UNAVAILABLE: 503, rpccode.Code_DATA_LOSS: 500,
}
