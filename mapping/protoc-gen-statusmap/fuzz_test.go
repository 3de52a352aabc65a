package main

import (
	"bytes"
	"go/format"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	catalogv1 "github.com/openyuanrong/statusmap/gen/yuanrong/catalog/v1"
)

// FuzzPlugin sends the plugin what no compiler would: it must answer with an error
// or with Go, and never panic.
func FuzzPlugin(f *testing.F) {
	// Serialized messages are merged by concatenation. So the imports need not be
	// in every input, where they would make up nearly all bytes.
	prefix, err := proto.Marshal(request(""))
	if err != nil {
		f.Fatal(err)
	}
	for _, req := range hostileRequests(f) {
		req.ProtoFile = req.ProtoFile[min(len(imports), len(req.ProtoFile)):]
		b, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\x00\xff"))

	f.Fuzz(func(t *testing.T, in []byte) {
		checkAnswer(t, in)
		checkAnswer(t, slices.Concat(prefix, in))
	})
}

// checkAnswer runs the plugin and checks whatever it answers.
func checkAnswer(t *testing.T, in []byte) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(nil, bytes.NewReader(in), &stdout, &stderr); code != exitOK {
		if stderr.Len() == 0 {
			t.Errorf("exit code %d without a word", code)
		}
		return
	}
	resp := new(pluginpb.CodeGeneratorResponse)
	if err := proto.Unmarshal(stdout.Bytes(), resp); err != nil {
		t.Fatal(err)
	}
	if resp.Error != nil && len(resp.File) > 0 {
		t.Errorf("refused and generated: %s", resp.GetError())
	}
	for _, file := range resp.File {
		if !strings.HasSuffix(file.GetName(), ".go") {
			continue
		}
		if _, err := format.Source([]byte(file.GetContent())); err != nil {
			t.Errorf("%s: %v\n%s", file.GetName(), err, file.GetContent())
		}
	}
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
