package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	catalogv1 "github.com/openyuanrong/statusmap/gen/yuanrong/catalog/v1"
)

const (
	// The parts of a code that has no mistake.
	grpc  = `grpc_code: GRPC_CODE_NOT_FOUND `
	retry = `retry_class: RETRY_CLASS_SAFE `
	never = `retry_class: RETRY_CLASS_NEVER `
	en    = `en { description: "Nothing is there." remedy: "Look elsewhere." } `

	good    = grpc + retry + en
	zero    = `value { name: "CODE_UNSPECIFIED" number: 0 } `
	catalog = `domain: "test.acme"`
)

// annotated returns an enum value with the option.
func annotated(name string, number int, options string) string {
	return fmt.Sprintf("value { name: %q number: %d options { [yuanrong.catalog.v1.code] { %s } } } ", name, number, options)
}

// one returns an enum whose one code, CODE_FOO, has these options.
func one(options string) string { return zero + annotated("CODE_FOO", 7, options) }

// protoFile returns a file with one enum, Code, of these values.
func protoFile(t testing.TB, catalogOption, values string) *descriptorpb.FileDescriptorProto {
	t.Helper()
	if catalogOption != "none" {
		catalogOption = "options { [yuanrong.catalog.v1.catalog] { " + catalogOption + " } }"
	} else {
		catalogOption = ""
	}
	return parseFile(t, `name: "acme/test/v1/code.proto" package: "acme.test.v1" syntax: "proto3"
		dependency: "yuanrong/catalog/v1/options.proto"
		options { go_package: "example.com/gen/acme/test/v1;testv1" }
		enum_type { name: "Code" `+catalogOption+" "+values+"}")
}

func allowAlias(file *descriptorpb.FileDescriptorProto) {
	file.EnumType[0].Options.AllowAlias = proto.Bool(true)
}

// makeClosed makes a file of proto2, whose enums may have names that proto3 and its
// compilers refuse as too similar.
func makeClosed(file *descriptorpb.FileDescriptorProto) { file.Syntax = proto.String("proto2") }

func TestRefusesCodes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A", maxReason+1)

	for _, tt := range []struct {
		name   string
		values string
		value  string // whose mistake it is, "" for the enum
		want   string
		change func(*descriptorpb.FileDescriptorProto)
	}{
		{"no gRPC code", one(retry + en), "CODE_FOO", "grpc_code is missing", nil},
		{"gRPC code OK", one("grpc_code: GRPC_CODE_UNSPECIFIED " + retry + en), "CODE_FOO", "grpc_code is 0, which is OK: an error cannot mean success", nil},
		{"gRPC code too high", one("grpc_code: 17 " + retry + en), "CODE_FOO", "grpc_code 17 is no gRPC code", nil},
		{"gRPC code negative", one("grpc_code: -1 " + retry + en), "CODE_FOO", "grpc_code -1 is no gRPC code", nil},

		{"no retry class", one(grpc + en), "CODE_FOO", "retry_class is missing", nil},
		{"retry class unspecified", one(grpc + "retry_class: RETRY_CLASS_UNSPECIFIED " + en), "CODE_FOO", "retry_class is missing", nil},
		{"retry class unknown", one(grpc + "retry_class: 9 " + en), "CODE_FOO", "retry_class 9 is not known", nil},
		{"delay of a code that is never retried", one(grpc + never + "retry_delay_ms: 1 " + en), "CODE_FOO", "retry_delay_ms is set, but retry_class is RETRY_CLASS_NEVER", nil},
		{"delay negative", one(good + "retry_delay_ms: -1 "), "CODE_FOO", "retry_delay_ms -1 is negative", nil},
		{"delay over an hour", one(good + "retry_delay_ms: 3600001 "), "CODE_FOO", "retry_delay_ms 3600001 is more than 3600000 (1h0m0s)", nil},
		{"delay that overflows", one(good + "retry_delay_ms: 9223372036854775807 "), "CODE_FOO", "is more than 3600000", nil},

		{"reason of two characters", zero + annotated("CODE_AB", 1, good), "CODE_AB", `reason "AB": it must match [A-Z][A-Z0-9_]+[A-Z0-9]`, nil},
		{"reason with small letters", zero + annotated("CODE_Foo", 1, good), "CODE_Foo", `reason "Foo": it must match`, nil},
		{"reason that begins with a digit", zero + annotated("CODE_4XX", 1, good), "CODE_4XX", `reason "4XX": it must match`, nil},
		{"reason that ends in an underscore", zero + annotated("CODE_FOO_", 1, good), "CODE_FOO_", `reason "FOO_": it must match`, nil},
		{"reason that begins with an underscore", zero + annotated("CODE__FOO", 1, good), "CODE__FOO", `reason "_FOO": it must match`, nil},
		{"nothing but the prefix", zero + annotated("CODE_", 1, good), "CODE_", `reason "": it must match`, nil},
		{"reason too long", zero + annotated("CODE_"+long, 1, good), "CODE_" + long, "at most 63 characters", nil},

		{"number twice", zero + annotated("CODE_FOO", 1, good) + annotated("CODE_BAR", 1, good), "CODE_BAR", "number 1 is that of CODE_FOO already", allowAlias},
		{"number negative", zero + annotated("CODE_FOO", -1, good), "CODE_FOO", "number -1: it must be between 1 and 9999999", nil},
		{"number too high", zero + annotated("CODE_FOO", 10_000_000, good), "CODE_FOO", "number 10000000: it must be between 1 and 9999999", nil},
		{"reason twice", zero + annotated("CODE_FOO", 1, good) + annotated("FOO", 2, good), "FOO", "reason FOO is that of CODE_FOO already", makeClosed},
		{"Go name twice", zero + annotated("CODE_LIMIT_10", 1, good) + annotated("CODE_LIMIT_1_0", 2, good), "CODE_LIMIT_1_0", "its Go name would be Limit10, which is that of CODE_LIMIT_10 already", makeClosed},
		{"Go name Domain", zero + annotated("CODE_DOMAIN", 1, good), "CODE_DOMAIN", "its Go name would be Domain, which every generated package has for itself", nil},
		{"Go name Catalog", zero + annotated("CODE_CATALOG", 1, good), "CODE_CATALOG", "its Go name would be Catalog, which every generated package has for itself", nil},

		{"no English text", one(grpc + retry), "CODE_FOO", "the English description is missing", nil},
		{"English remedy alone", one(grpc + retry + `en { remedy: "Pay." }`), "CODE_FOO", "the English description is missing", nil},
		{"Chinese text alone", one(grpc + retry + `zh { description: "余额不足。" }`), "CODE_FOO", "the English description is missing", nil},
		{"Chinese remedy alone", one(good + `zh { remedy: "请充值。" }`), "CODE_FOO", "there is a Chinese remedy, but no Chinese description", nil},
		{"line break", one(grpc + retry + `en { description: "One.\nTwo." }`), "CODE_FOO", `en.description "One.\nTwo." has a line break or another control character`, nil},
		{"carriage return", one(grpc + retry + `en { description: "One." remedy: "A\rB" }`), "CODE_FOO", `en.remedy "A\rB" has a line break`, nil},
		{"NUL", one(good + `zh { description: "\0" }`), "CODE_FOO", `zh.description "\x00" has a line break or another control character`, nil},
		{"Unicode line separator", one(good + `zh { description: "好" remedy: "一\u2028二" }`), "CODE_FOO", `zh.remedy "一\u2028二" has a line break`, nil},
		{"byte order mark", one(good + `documented_message: "a\ufeffb"`), "CODE_FOO", `documented_message "a\ufeffb" has a line break or another control character`, nil},
		{"text that turns the writing around", one(good + `documented_message: "a\u202eb"`), "CODE_FOO", `documented_message "a\u202eb" has`, nil},
		{"text of white space", one(grpc + retry + `en { description: " " }`), "CODE_FOO", `en.description " " begins or ends with white space`, nil},

		{"no option", zero + `value { name: "CODE_FOO" number: 1 }`, "CODE_FOO", "the option (yuanrong.catalog.v1.code) is missing", nil},
		{"no option, number taken", zero + annotated("CODE_BAR", 1, good) + `value { name: "CODE_FOO" number: 1 }`, "CODE_FOO", "number 1 is that of CODE_BAR already", allowAlias},
		{"option of the zero value", annotated("CODE_UNSPECIFIED", 0, good) + annotated("CODE_FOO", 1, good), "CODE_UNSPECIFIED", "number 0 is no code", nil},
		{"no codes", zero, "", "it has no codes", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := protoFile(t, catalog, tt.values)
			if tt.change != nil {
				tt.change(file)
			}
			got := refusal(t, request("", file))
			where := "acme/test/v1/code.proto: enum acme.test.v1.Code: "
			if tt.value != "" {
				where += "value " + tt.value + ": "
			}
			if !slices.ContainsFunc(got, func(line string) bool {
				return strings.HasPrefix(line, where) && strings.Contains(line, tt.want)
			}) {
				t.Errorf("refused with\n\t%s\nwant one line with\n\t%s%s", strings.Join(got, "\n\t"), where, tt.want)
			}
		})
	}
}

func TestRefusesCatalogues(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 60) + ".acme"

	for _, tt := range []struct {
		name      string
		parameter string
		catalog   string
		want      string
	}{
		{"no domain", "", ``, "the domain is missing"},
		{"domain of one label", "", `domain: "acme"`, `domain "acme": it must be two or more labels`},
		{"domain with capitals", "", `domain: "Billing.acme"`, `domain "Billing.acme": it must be`},
		{"domain with an underscore", "", `domain: "a_b.acme"`, `domain "a_b.acme"`},
		{"domain with an empty label", "", `domain: "a..acme"`, `domain "a..acme"`},
		{"domain with a dot at the end", "", `domain: "a.acme."`, `domain "a.acme."`},
		{"domain with an outer hyphen", "", `domain: "-a.acme"`, `domain "-a.acme"`},
		{"domain with a port", "", `domain: "a.acme:80"`, `domain "a.acme:80"`},
		{"domain not ASCII", "", `domain: "é.acme"`, `domain "é.acme"`},
		{"domain with a line break", "", `domain: "a.acme\n"`, `domain "a.acme\n"`},
		{"the platform's domain", "", `domain: "sdk.yuanrong"`, `domain "sdk.yuanrong": what ends in .yuanrong is the platform's own`},
		{"domain too long", "", `domain: "` + long + `"`, "at most 63 bytes"},

		{"go_package with paths=source_relative", "paths=source_relative", catalog + ` go_package: "example.com/x"`, `go_package "example.com/x" cannot be followed with paths=source_relative`},
		{"go_package without a path", "", catalog + ` go_package: "billing"`, `"billing" is no import path`},
		{"go_package with no path but a name", "", catalog + ` go_package: ";billing"`, `"" is no import path`},
		{"go_package that leaves the folder", "", catalog + ` go_package: "example.com/../../x"`, `"example.com/../../x" is no import path`},
		{"go_package that is absolute", "", catalog + ` go_package: "/etc/x"`, `"/etc/x" is no import path`},
		{"go_package with a space", "", catalog + ` go_package: "example.com/a b"`, `"example.com/a b" is no import path`},
		{"go_package with a quote", "", catalog + ` go_package: "example.com/a\"b"`, `"example.com/a\"b" is no import path`},
		{"package name is a keyword", "", catalog + ` go_package: "example.com/type"`, `"type" is no name for a Go package`},
		{"package name is that of a type", "", catalog + ` go_package: "example.com/x/error"`, `"error" is no name for a Go package`},
		{"package name is that of a function", "", catalog + ` go_package: "example.com/x;len"`, `"len" is no name for a Go package`},
		{"package name is init", "", catalog + ` go_package: "example.com/init"`, `"init" is no name for a Go package`},
		{"package name is main", "", catalog + ` go_package: "example.com/x;main"`, `"main" is no name for a Go package`},
		{"package name is no identifier", "", catalog + ` go_package: "example.com/x;a b"`, `"a b" is no name for a Go package`},
		{"package name is empty", "", catalog + ` go_package: "example.com/x;"`, `"" is no name for a Go package`},
		{"package name begins with a digit", "", catalog + ` go_package: "example.com/4xx"`, `"4xx" is no name for a Go package`},
		{"package of messages", "", catalog + ` go_package: "example.com/gen/acme/test/v1;testv1"`, "Go package example.com/gen/acme/test/v1 is that of the messages of acme/test/v1/code.proto"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := refusal(t, request(tt.parameter, protoFile(t, tt.catalog, one(good))))
			if len(got) != 1 || !strings.HasPrefix(got[0], "acme/test/v1/code.proto: enum acme.test.v1.Code: ") || !strings.Contains(got[0], tt.want) {
				t.Errorf("refused with\n\t%s\nwant one line with\n\t%s", strings.Join(got, "\n\t"), tt.want)
			}
		})
	}
}

// A proto package that gives no name for a Go package.
func TestRefusesNamelessPackage(t *testing.T) {
	t.Parallel()
	for protoPackage, want := range map[string]string{
		"":              `"" is no name for a Go package`,
		"v1":            `"" is no name for a Go package`,
		"v1beta1.v2":    `"" is no name for a Go package`,
		"acme.type.v1":  `"type" is no name for a Go package`,
		"acme._x":       `"_x" is no name for a Go package`,
		"acme.error.v1": `"error" is no name for a Go package`,
		"acme.main":     `"main" is no name for a Go package`,
	} {
		file := protoFile(t, catalog, one(good))
		file.Package = proto.String(protoPackage)
		got := refusal(t, request("", file))
		if len(got) != 1 || !strings.Contains(got[0], want) || !strings.Contains(got[0], "set go_package") {
			t.Errorf("package %q: refused with %q, want %s", protoPackage, got, want)
		}
	}
}

// With paths=source_relative the names of proto files say where the packages go, and a
// request may name files as no compiler would.
func TestRefusesFilesOutsideTheOutputFolder(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"../code.proto", "a/../../code.proto", "/etc/code.proto", "a\xff/code.proto"} {
		file := protoFile(t, catalog, one(good))
		file.Name = proto.String(name)
		got := refusal(t, request("paths=source_relative", file))
		if len(got) != 1 || !strings.Contains(got[0], "would not be in the output folder") || !utf8.ValidString(got[0]) {
			t.Errorf("file %q: refused with %q", name, got)
		}
	}
}

func TestRefusesForgottenCatalog(t *testing.T) {
	t.Parallel()
	got := refusal(t, request("", protoFile(t, "none", one(good)+annotated("CODE_BAR", 8, good))))
	want := "acme/test/v1/code.proto: enum acme.test.v1.Code: value CODE_FOO: it has the option (yuanrong.catalog.v1.code), " +
		"but its enum lacks the option (yuanrong.catalog.v1.catalog)"
	if len(got) != 1 || got[0] != want {
		t.Errorf("refused with %q, want once, for the first value\n%s", got, want)
	}
}

// Codes in enums inside messages are found too.
func TestRefusesNestedEnum(t *testing.T) {
	t.Parallel()
	file := protoFile(t, catalog, one(grpc+en))
	inner := &descriptorpb.DescriptorProto{Name: proto.String("Inner"), EnumType: file.EnumType}
	file.MessageType = []*descriptorpb.DescriptorProto{{Name: proto.String("Outer"), NestedType: []*descriptorpb.DescriptorProto{inner}}}
	file.EnumType = nil
	got := refusal(t, request("", file))
	if want := "enum acme.test.v1.Outer.Inner.Code: value CODE_FOO: retry_class is missing"; !strings.Contains(got[0], want) {
		t.Errorf("refused with %q, want %s", got, want)
	}
}

// Two catalogues share neither a package nor a domain: by domain and number a code is
// found.
func TestRefusesSharing(t *testing.T) {
	t.Parallel()
	twoEnums := protoFile(t, catalog, one(good))
	second := proto.CloneOf(twoEnums.EnumType[0])
	second.Name = proto.String("Other")
	for _, value := range second.Value {
		value.Name = proto.String("OTHER_" + value.GetName())
	}
	twoEnums.EnumType = append(twoEnums.EnumType, second)
	twoEnums.SourceCodeInfo = &descriptorpb.SourceCodeInfo{Location: []*descriptorpb.SourceCodeInfo_Location{
		{Path: []int32{5, 0}, Span: []int32{6, 0, 1}}, {Path: []int32{5, 1}, Span: []int32{20, 0, 1}},
	}}

	elsewhere := func(catalogOption string) *descriptorpb.FileDescriptorProto {
		file := protoFile(t, catalogOption, one(good))
		file.Name, file.Package = proto.String("acme/other/v1/code.proto"), proto.String("acme.other.v1")
		file.Options.GoPackage = proto.String("example.com/gen/acme/other/v1;otherv1")
		return file
	}
	const samePackage = ` go_package: "example.com/gen/acme/test/v1/test"`

	for _, tt := range []struct {
		name  string
		files []*descriptorpb.FileDescriptorProto
		want  []string
	}{
		{"two enums of a file", []*descriptorpb.FileDescriptorProto{twoEnums}, []string{
			`acme/test/v1/code.proto:21: enum acme.test.v1.Other: domain "test.acme" is that of enum acme.test.v1.Code in acme/test/v1/code.proto:7 already`,
			"acme/test/v1/code.proto:21: enum acme.test.v1.Other: its Go package example.com/gen/acme/test/v1/test is that of enum acme.test.v1.Code in acme/test/v1/code.proto:7 already",
		}},
		{"two files with a package", []*descriptorpb.FileDescriptorProto{protoFile(t, catalog, one(good)), elsewhere(`domain: "other.acme"` + samePackage)}, []string{
			"acme/other/v1/code.proto: enum acme.other.v1.Code: its Go package example.com/gen/acme/test/v1/test is that of enum acme.test.v1.Code in acme/test/v1/code.proto already",
		}},
		{"two files with a domain", []*descriptorpb.FileDescriptorProto{protoFile(t, catalog, one(good)), elsewhere(catalog)}, []string{
			`acme/other/v1/code.proto: enum acme.other.v1.Code: domain "test.acme" is that of enum acme.test.v1.Code in acme/test/v1/code.proto already`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := refusal(t, request("", tt.files...))
			if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
				t.Errorf("refused with\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(tt.want, "\n\t"))
			}
		})
	}
}

// Somebody who corrects a catalogue wants to do it once.
func TestRefusesAllAtOnce(t *testing.T) {
	t.Parallel()
	first := protoFile(t, `domain: "acme"`, zero+annotated("CODE_FOO", -1, "")+annotated("CODE_BAR", 2, good+"retry_delay_ms: -1"))
	second := protoFile(t, `domain: "other.acme"`, zero)
	second.Name, second.Package = proto.String("acme/other/v1/code.proto"), proto.String("acme.other.v1")
	second.Options.GoPackage = proto.String("example.com/gen/acme/other/v1;otherv1")
	flawless := protoFile(t, catalog, one(good))
	flawless.Name, flawless.Package = proto.String("acme/flawless/v1/code.proto"), proto.String("acme.flawless.v1")
	flawless.Options.GoPackage = proto.String("example.com/gen/acme/flawless/v1;flawlessv1")

	got := refusal(t, request("", first, second, flawless))
	want := []string{
		"enum acme.test.v1.Code: domain",
		"value CODE_FOO: number -1",
		"value CODE_FOO: grpc_code is missing",
		"value CODE_FOO: retry_class is missing",
		"value CODE_FOO: the English description is missing",
		"value CODE_BAR: retry_delay_ms -1",
		"enum acme.other.v1.Code: it has no codes",
	}
	if len(got) != len(want) {
		t.Fatalf("got %d complaints, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("complaint %d is\n\t%s\nwant\n\t%s", i, got[i], want[i])
		}
	}
}

// Where the compiler told the line, the complaint tells it too.
func TestRefusalNamesLine(t *testing.T) {
	t.Parallel()
	file := billing(t)
	proto.GetExtension(file.EnumType[0].Value[2].Options, catalogv1.E_Code).(*catalogv1.CodeOptions).RetryClass = 0
	got := refusal(t, request("", file))
	want := "acme/billing/v1/code.proto:21: enum acme.billing.v1.Code: value CODE_NO_CREDIT: retry_class is missing"
	if len(got) != 1 || !strings.HasPrefix(got[0], want) {
		t.Errorf("refused with %q, want %q", got, want)
	}
}

// An option of a newer version must not get lost in silence.
func TestRefusesNewerOptions(t *testing.T) {
	t.Parallel()
	newer := []byte{0x98, 0x06, 0x01} // field 99 = 1
	for name, change := range map[string]func(*catalogv1.CatalogOptions, *catalogv1.CodeOptions){
		"yuanrong.catalog.v1.CatalogOptions has fields": func(c *catalogv1.CatalogOptions, _ *catalogv1.CodeOptions) { c.ProtoReflect().SetUnknown(newer) },
		"yuanrong.catalog.v1.CodeOptions has fields":    func(_ *catalogv1.CatalogOptions, c *catalogv1.CodeOptions) { c.ProtoReflect().SetUnknown(newer) },
		"CODE_FOO: yuanrong.catalog.v1.CodeOptions":     func(_ *catalogv1.CatalogOptions, c *catalogv1.CodeOptions) { c.En.ProtoReflect().SetUnknown(newer) },
	} {
		file := protoFile(t, catalog, one(good))
		enum := file.EnumType[0]
		change(proto.GetExtension(enum.Options, catalogv1.E_Catalog).(*catalogv1.CatalogOptions),
			proto.GetExtension(enum.Value[1].Options, catalogv1.E_Code).(*catalogv1.CodeOptions))
		got := refusal(t, request("", file))
		if len(got) != 1 || !strings.Contains(got[0], name) || !strings.Contains(got[0], "newer version") {
			t.Errorf("refused with %q, want %s", got, name)
		}
	}
}

// Bytes that are not UTF-8 cannot come through the wire format, but a program that
// calls the plugin's code with a request in memory can hold them.
func TestRefusesInvalidUTF8(t *testing.T) {
	t.Parallel()
	file := protoFile(t, catalog, one(good))
	proto.GetExtension(file.EnumType[0].Value[1].Options, catalogv1.E_Code).(*catalogv1.CodeOptions).En.Remedy = "\xff"
	resp, err := respond(request("", file))
	if err != nil {
		t.Fatal(err)
	}
	if want := `value CODE_FOO: en.remedy "\xff" is not valid UTF-8`; !strings.Contains(resp.GetError(), want) {
		t.Errorf("refused with %q, want %q", resp.GetError(), want)
	}
}

func TestRefusesTooManyCodes(t *testing.T) {
	t.Parallel()
	file := protoFile(t, catalog, one(good))
	enum := file.EnumType[0]
	pattern := enum.Value[1]
	enum.Value = enum.Value[:1]
	for i := range maxCodes + 1 {
		enum.Value = append(enum.Value, &descriptorpb.EnumValueDescriptorProto{
			Name: proto.String(fmt.Sprintf("CODE_N%d_X", i)), Number: proto.Int32(int32(i + 1)), Options: pattern.Options,
		})
	}
	got := refusal(t, request("", file))
	if len(got) != 1 || !strings.Contains(got[0], "it has 65536 codes, more than 65535") {
		t.Errorf("refused with %.200q, want the number of codes", got)
	}
}

// Nothing is asked of enums that have nothing to do with catalogues, nor of files
// that are only imported.
func TestAcceptsOthers(t *testing.T) {
	t.Parallel()
	ordinary := protoFile(t, "none", zero+`value { name: "CODE_FOO" number: -5 } value { name: "bar" number: 3 }`)
	importer := parseFile(t, `name: "acme/api.proto" package: "acme" syntax: "proto3"
		dependency: "acme/broken/v1/code.proto" options { go_package: "example.com/acme" }`)
	broken := protoFile(t, `domain: "x"`, zero)
	broken.Name, broken.Package = proto.String("acme/broken/v1/code.proto"), proto.String("acme.broken.v1")
	broken.Options.GoPackage = proto.String("example.com/gen/acme/broken/v1;brokenv1")

	req := request("", ordinary, broken, importer)
	req.FileToGenerate = []string{ordinary.GetName(), importer.GetName(), "yuanrong/catalog/v1/options.proto"}
	if files := generate(t, req); len(files) != 0 {
		t.Errorf("generated %d files, want none", len(files))
	}
}

// The plugin passes numbers of GrpcCode on as numbers of codes.Code, so the two
// have to agree.
func TestGRPCCodesAreThoseOfGRPC(t *testing.T) {
	t.Parallel()
	for number, name := range catalogv1.GrpcCode_name {
		if number == 0 {
			continue
		}
		want := strings.ReplaceAll(strings.TrimPrefix(name, "GRPC_CODE_"), "_", "")
		if got := grpcConstant(catalogv1.GrpcCode(number)); !strings.EqualFold(strings.Replace(got, "Canceled", "Cancelled", 1), want) {
			t.Errorf("%s is codes.%s", name, got)
		}
	}
	if got, want := len(catalogv1.GrpcCode_name), 17; got != want {
		t.Errorf("%d gRPC codes, want %d", got, want)
	}
}
