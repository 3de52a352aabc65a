package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/constant"
	"go/format"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	catalogv1 "github.com/openyuanrong/statusmap/gen/yuanrong/catalog/v1"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
)

// The seeds of the fuzz targets that a compiler might send are added by the targets. What
// none would send lies in testdata/fuzz, a file for each case. go test runs them all.

// FuzzPlugin sends the plugin what no compiler would: it must answer with an error
// or with Go that compiles, and never panic.
func FuzzPlugin(f *testing.F) {
	// Serialized messages are merged by concatenation. So the imports need not be
	// in every input, where they would make up nearly all bytes.
	prefix := wire(f, &pluginpb.CodeGeneratorRequest{ProtoFile: fewImports()})
	for _, req := range hostileRequests(f) {
		req.ProtoFile = req.ProtoFile[min(len(imports), len(req.ProtoFile)):]
		f.Add(wire(f, req))
	}
	compile := compiler(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		checkAnswer(t, compile, in)
		if proto.Unmarshal(in, new(pluginpb.CodeGeneratorRequest)) == nil {
			checkAnswer(t, compile, slices.Concat(prefix, in))
		}
	})
}

// FuzzCatalogue has code generated for a catalogue that is written down with any texts
// and numbers.
func FuzzCatalogue(f *testing.F) {
	imports := fewImports()
	text := func(s string) *catalogv1.Text { return &catalogv1.Text{Description: s} }
	f.Add("", "acme/code.proto", "acme.v1", "Code", "billing.acme", "", "CODE_NO_CREDIT", int32(1003), int32(9), int32(1), int64(0), "No money.", "没钱。", "no credit", " The errors.")
	f.Add("module=example.com/acme,markdown=a/b.md", "code.proto", "", "E", "a.b", "example.com/acme/codes;c", "X_Y", int32(1), int32(14), int32(2), int64(1500), "A *b* | `c`", "", "%d \"x\"", "go:build x\n+build y")
	f.Add("paths=source_relative", "a.proto", "v1", "K8SCode", "a-b.c-d", "", "K8S_CODE_DOMAIN", int32(9_999_999), int32(16), int32(3), int64(3_600_000), "x", "\u202e", "", "")
	compile := compiler(f)
	f.Fuzz(func(t *testing.T, parameter, name, pkg, enum, domain, goPackage, value string, number, grpc, class int32, delay int64, en, zh, documented, comment string) {
		code := &catalogv1.CodeOptions{
			GrpcCode: catalogv1.GrpcCode(grpc).Enum(), RetryClass: errorsv1.RetryClass(class), RetryDelayMs: delay,
			DocumentedMessage: documented, En: text(en), Zh: text(zh),
		}
		values, enumOptions := new(descriptorpb.EnumValueOptions), new(descriptorpb.EnumOptions)
		proto.SetExtension(values, catalogv1.E_Code, code)
		proto.SetExtension(enumOptions, catalogv1.E_Catalog, &catalogv1.CatalogOptions{Domain: domain, GoPackage: goPackage})
		file := &descriptorpb.FileDescriptorProto{
			Name: &name, Package: &pkg, Syntax: proto.String("proto3"),
			Dependency: []string{catalogv1.File_yuanrong_catalog_v1_options_proto.Path()},
			Options:    &descriptorpb.FileOptions{GoPackage: proto.String("example.com/acme/gen;gen")},
			EnumType: []*descriptorpb.EnumDescriptorProto{{
				Name: &enum, Options: enumOptions,
				Value: []*descriptorpb.EnumValueDescriptorProto{
					{Name: proto.String("ZERO"), Number: proto.Int32(0)},
					{Name: &value, Number: &number, Options: values},
				},
			}},
			SourceCodeInfo: &descriptorpb.SourceCodeInfo{Location: []*descriptorpb.SourceCodeInfo_Location{
				{Path: []int32{5, 0}, Span: []int32{1, 0, 1}, LeadingComments: &comment},
			}},
		}
		in, err := proto.Marshal(&pluginpb.CodeGeneratorRequest{
			Parameter: &parameter, FileToGenerate: []string{name}, ProtoFile: append(imports[:len(imports):len(imports)], file),
		})
		if err != nil {
			return // no message can say it
		}
		checkAnswer(t, compile, in)
	})
}

// fewImports returns the imports of a catalogue without what it does not need: resolving
// all of descriptor.proto would take most of the time.
func fewImports() []*descriptorpb.FileDescriptorProto {
	files := request("").ProtoFile
	d := files[0]
	d.EnumType = nil
	d.MessageType = slices.DeleteFunc(d.MessageType, func(m *descriptorpb.DescriptorProto) bool {
		m.Field, m.NestedType, m.EnumType = nil, nil, nil
		return m.GetName() != "EnumOptions" && m.GetName() != "EnumValueOptions"
	})
	return files
}

func wire(t testing.TB, m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// checkAnswer runs the plugin and checks whatever it answers.
func checkAnswer(t *testing.T, compile func(source string) error, in []byte) {
	var stdout, stderr bytes.Buffer
	if code := run(nil, bytes.NewReader(in), &stdout, &stderr); code != exitOK {
		if stderr.Len() == 0 || !utf8.Valid(stderr.Bytes()) || stdout.Len() > 0 {
			t.Errorf("exit code %d with the words %q, and %q for protoc", code, &stderr, &stdout)
		}
		return
	}
	resp := new(pluginpb.CodeGeneratorResponse)
	if err := proto.Unmarshal(stdout.Bytes(), resp); err != nil {
		t.Fatal(err)
	}
	if resp.Error != nil {
		// protogen says unparsable of what it was given to write.
		if why := resp.GetError(); why == "" || !utf8.ValidString(why) || strings.Contains(why, "unparsable") || len(resp.File) > 0 {
			t.Errorf("refused with %q, and generated %d files", why, len(resp.File))
		}
		return
	}
	for _, file := range resp.File {
		checkFile(t, compile, file)
	}
	var again bytes.Buffer
	if run(nil, bytes.NewReader(in), &again, &stderr); !bytes.Equal(again.Bytes(), stdout.Bytes()) {
		t.Errorf("%q, and then %q", &stdout, &again)
	}
}

// checkFile holds a generated file to what its readers need.
func checkFile(t *testing.T, compile func(source string) error, file *pluginpb.CodeGeneratorResponse_File) {
	name, content := file.GetName(), file.GetContent()
	switch {
	case !fs.ValidPath(name) || !utf8.ValidString(content):
		t.Errorf("the file %q is not one:\n%q", name, content)
	case strings.HasSuffix(name, ".md"), strings.HasSuffix(name, ".go.meta"): // a page; what annotate_code asks for
	case strings.HasSuffix(name, ".go"):
		// gofmt may change its own output once more: '' becomes ”, which makes a line a
		// heading.
		if _, err := format.Source([]byte(content)); err != nil {
			t.Errorf("%s: gofmt refuses it, %v\n%s", name, err, content)
		}
		if err := compile(content); err != nil {
			t.Errorf("%s: %v\n%s", name, err, content)
		}
	default:
		t.Errorf("the file %q is of no known kind", name)
	}
}

// compiler returns a function that checks generated code as the Go compiler does.
func compiler(t testing.TB) func(source string) error {
	packages := imported{}
	packages.add(reflect.TypeFor[time.Duration](), map[string]int64{"Second": int64(time.Second), "Millisecond": int64(time.Millisecond)})
	grpc := map[string]int64{}
	for c := codes.OK; c <= codes.Unauthenticated; c++ {
		grpc[c.String()] = int64(c)
	}
	packages.add(reflect.TypeFor[codes.Code](), grpc)

	// Of package rpcerr the declarations count, and of what these import, only the above.
	fset := token.NewFileSet()
	var files []*ast.File
	names, err := filepath.Glob("../rpcerr/*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("no sources of package rpcerr: %v", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	lenient := types.Config{Importer: packages, IgnoreFuncBodies: true, Error: func(error) {}}
	const path = "github.com/openyuanrong/statusmap/mapping/rpcerr"
	packages[path], _ = lenient.Check(path, fset, files, nil)

	return func(source string) error {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, fileName, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		_, err = (&types.Config{Importer: packages}).Check("generated", fset, []*ast.File{file}, nil)
		return err
	}
}

// The compiler of the fuzz targets accepts what is right, and nothing else.
func TestCompilerOfTheFuzzTargets(t *testing.T) {
	compile := compiler(t)
	for name, source := range allSources(t) {
		if err := compile(source); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	golden := readFile(t, "testdata/billing.golden")
	for _, wrong := range []struct{ old, new string }{
		{"codes.Aborted", "codes.Abort"},
		{"3600 * time.Second", "true"},
		{"rpcerr.Text{Description", "rpcerr.Text{Descriptions"},
		{" * time.", " /* time */ * "}, // not used
		{"const Domain = ", "const Domain int = "},
		{"var NoCredit ", "var LedgerBusy "},
		{"CodeOf(&row", "CodeOf(row"},
	} {
		broken := strings.ReplaceAll(golden, wrong.old, wrong.new)
		if broken == golden || compile(broken) == nil {
			t.Errorf("with %q in place of %q it compiles", wrong.new, wrong.old)
		}
	}
}

// imported are the packages that generated code may import.
type imported map[string]*types.Package

func (i imported) Import(path string) (*types.Package, error) {
	if pkg := i[path]; pkg != nil {
		return pkg, nil
	}
	return nil, fmt.Errorf("package %s is not for generated code", path)
}

// add declares a package with an integer type and its constants.
func (i imported) add(of reflect.Type, constants map[string]int64) {
	pkg := types.NewPackage(of.PkgPath(), path.Base(of.PkgPath()))
	name := types.NewTypeName(token.NoPos, pkg, of.Name(), nil)
	basic := types.Typ[types.Int64]
	if of.Kind() == reflect.Uint32 {
		basic = types.Typ[types.Uint32]
	}
	named := types.NewNamed(name, basic, nil)
	pkg.Scope().Insert(name)
	for constantName, value := range constants {
		pkg.Scope().Insert(types.NewConst(token.NoPos, pkg, constantName, named, constant.MakeInt64(value)))
	}
	pkg.MarkComplete()
	i[of.PkgPath()] = pkg
}

// hostileRequests returns a valid request and what can be made of it.
func hostileRequests(f *testing.F) map[string]*pluginpb.CodeGeneratorRequest {
	f.Helper()
	change := func(edit func(*descriptorpb.FileDescriptorProto)) *pluginpb.CodeGeneratorRequest {
		file := billing(f)
		edit(file)
		return request("", file)
	}
	twice := request("", billing(f), billing(f))

	return map[string]*pluginpb.CodeGeneratorRequest{
		"valid":          request("", billing(f)),
		"empty":          {},
		"empty file":     request("", &descriptorpb.FileDescriptorProto{}),
		"file twice":     twice,
		"parameters":     request("module=,paths=import,M=,Mx,annotate_code,=", billing(f)),
		"no enum values": change(func(d *descriptorpb.FileDescriptorProto) { d.EnumType[0].Value = nil }),
		"no names":       change(func(d *descriptorpb.FileDescriptorProto) { d.EnumType[0].Name, d.Package = nil, nil }),
		"no Go package":  change(func(d *descriptorpb.FileDescriptorProto) { d.Options = nil }),
		"odd Go package": change(func(d *descriptorpb.FileDescriptorProto) { d.Options.GoPackage = proto.String("../;\n") }),
		"odd name":       change(func(d *descriptorpb.FileDescriptorProto) { d.Name = proto.String("../\n\x00\xff.proto") }),
		"odd spans":      change(func(d *descriptorpb.FileDescriptorProto) { d.SourceCodeInfo.Location[0].Span = []int32{-1, 1 << 30, 0} }),
		"odd paths":      change(func(d *descriptorpb.FileDescriptorProto) { d.SourceCodeInfo.Location[0].Path = []int32{5, 99, -2, 0} }),
		"edition": change(func(d *descriptorpb.FileDescriptorProto) {
			d.Syntax, d.Edition = proto.String("editions"), descriptorpb.Edition_EDITION_2023.Enum()
		}),
		"future edition": change(func(d *descriptorpb.FileDescriptorProto) {
			d.Syntax, d.Edition = proto.String("editions"), descriptorpb.Edition_EDITION_MAX.Enum()
		}),
		"no edition": change(func(d *descriptorpb.FileDescriptorProto) { d.Syntax = proto.String("editions") }),
		"comment": change(func(d *descriptorpb.FileDescriptorProto) {
			d.SourceCodeInfo.Location[0].LeadingComments = proto.String("\n+build x\n#\n - a\n\n\n\t*/\x00\ufeff\n")
		}),
		"options that are no messages": change(func(d *descriptorpb.FileDescriptorProto) {
			// Field 50610, wire type varint.
			d.EnumType[0].Options.ProtoReflect().SetUnknown([]byte{0x90, 0xdb, 0x18, 0x01})
			proto.ClearExtension(d.EnumType[0].Options, catalogv1.E_Catalog)
		}),
		"another extension of the same number": change(func(d *descriptorpb.FileDescriptorProto) {
			d.Dependency = append(d.Dependency, "google/protobuf/descriptor.proto")
			d.Extension = []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("mine"), Number: proto.Int32(50610), Extendee: proto.String(".google.protobuf.EnumOptions"),
				Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}}
		}),
	}
}
