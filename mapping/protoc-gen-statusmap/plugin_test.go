package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	catalogv1 "github.com/openyuanrong/statusmap/gen/yuanrong/catalog/v1"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
)

// imports are the files that a file with a catalogue imports, in an order in which
// none comes before what it imports itself.
var imports = []protoreflect.FileDescriptor{
	descriptorpb.File_google_protobuf_descriptor_proto,
	errorsv1.File_yuanrong_errors_v1_retry_proto,
	catalogv1.File_yuanrong_catalog_v1_options_proto,
}

// request returns what protoc sends to have code generated for files.
func request(parameter string, files ...*descriptorpb.FileDescriptorProto) *pluginpb.CodeGeneratorRequest {
	req := &pluginpb.CodeGeneratorRequest{Parameter: proto.String(parameter)}
	for _, imported := range imports {
		req.ProtoFile = append(req.ProtoFile, protodesc.ToFileDescriptorProto(imported))
	}
	for _, file := range files {
		req.ProtoFile = append(req.ProtoFile, file)
		req.FileToGenerate = append(req.FileToGenerate, file.GetName())
	}
	return req
}

// parseFile reads a file descriptor written as text.
func parseFile(t testing.TB, text string) *descriptorpb.FileDescriptorProto {
	t.Helper()
	file := new(descriptorpb.FileDescriptorProto)
	if err := prototext.Unmarshal([]byte(text), file); err != nil {
		t.Fatalf("the test's own descriptor: %v\n%s", err, text)
	}
	return file
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// billing is the catalogue in testdata.
func billing(t testing.TB) *descriptorpb.FileDescriptorProto {
	t.Helper()
	return parseFile(t, readFile(t, "testdata/billing.textproto"))
}

// plugin runs the plugin as protoc does, through bytes.
func plugin(t testing.TB, req *pluginpb.CodeGeneratorRequest) *pluginpb.CodeGeneratorResponse {
	t.Helper()
	in, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := run(nil, bytes.NewReader(in), &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr has %q, want nothing", &stderr)
	}
	resp := new(pluginpb.CodeGeneratorResponse)
	if err := proto.Unmarshal(stdout.Bytes(), resp); err != nil {
		t.Fatal(err)
	}
	return resp
}

// generate runs the plugin and returns the files that it made.
func generate(t testing.TB, req *pluginpb.CodeGeneratorRequest) map[string]string {
	t.Helper()
	resp := plugin(t, req)
	if resp.Error != nil {
		t.Fatalf("refused:\n%s", resp.GetError())
	}
	files := map[string]string{}
	for _, file := range resp.File {
		files[file.GetName()] = file.GetContent()
	}
	return files
}

// refusal runs the plugin and returns its complaints, one in each line.
func refusal(t testing.TB, req *pluginpb.CodeGeneratorRequest) []string {
	t.Helper()
	resp := plugin(t, req)
	if resp.Error == nil {
		t.Error("not refused")
	}
	if len(resp.File) > 0 {
		t.Errorf("%d files were generated, want none", len(resp.File))
	}
	return strings.Split(resp.GetError(), "\n")
}

func TestRunMisuse(t *testing.T) {
	t.Parallel()
	null, err := os.Open(os.DevNull) // a character device with nothing behind it, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	marshal := func(req *pluginpb.CodeGeneratorRequest) *bytes.Reader {
		b, err := proto.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.NewReader(b)
	}
	valid, err := proto.Marshal(request("", billing(t)))
	if err != nil {
		t.Fatal(err)
	}
	notUTF8 := bytes.ReplaceAll(valid, []byte("No such invoice."), []byte("No such invoice\xff"))

	for _, tt := range []struct {
		name  string
		args  []string
		stdin io.Reader
		code  int
		want  []string
	}{
		{name: "a flag", args: []string{"--verbose"}, stdin: null, code: exitMisuse, want: []string{`"--verbose"`, "buf.gen.yaml", "protoc --statusmap_out"}},
		{name: "a file", args: []string{"code.proto"}, stdin: marshal(request("")), code: exitMisuse, want: []string{`"code.proto"`}},
		{name: "by hand", stdin: null, code: exitMisuse, want: []string{"not run by\nhand", "buf.gen.yaml"}},
		{name: "unknown parameter", stdin: marshal(request("colour=red", billing(t))), code: exitMisuse, want: []string{`unknown parameter "colour"`, "module"}},
		{name: "unknown value of a parameter", stdin: marshal(request("paths=sideways", billing(t))), code: exitMisuse, want: []string{`"sideways"`, "source_relative"}},
		{name: "parameters that contradict", stdin: marshal(request("module=x,paths=source_relative")), code: exitMisuse, want: []string{"module", "source_relative"}},
		{name: "no protobuf", stdin: bytes.NewReader([]byte("hello")), code: exitBroken, want: []string{"cannot read the request"}},
		{name: "text that is not UTF-8", stdin: bytes.NewReader(notUTF8), code: exitBroken, want: []string{"cannot read the request", "UTF-8"}},
		{name: "no such file", stdin: marshal(&pluginpb.CodeGeneratorRequest{FileToGenerate: []string{"a.proto"}}), code: exitBroken, want: []string{"a.proto"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(tt.args, tt.stdin, &stdout, &stderr); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if stdout.Len() > 0 {
				t.Errorf("stdout has %q, want nothing: protoc takes it for a response", &stdout)
			}
			for _, want := range tt.want {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("stderr lacks %q:\n%s", want, &stderr)
				}
			}
		})
	}
}

func TestRunByHand(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string][]string{
		"-h":        {"buf.gen.yaml", "protoc --statusmap_out"},
		"--help":    {"buf.gen.yaml", "protoc --statusmap_out"},
		"--version": {"protoc-gen-statusmap "},
	} {
		var stdout, stderr bytes.Buffer
		if code := run([]string{arg}, strings.NewReader(""), &stdout, &stderr); code != exitOK || stderr.Len() > 0 {
			t.Errorf("%s: exit code %d, stderr %q, want %d and nothing", arg, code, &stderr, exitOK)
		}
		for _, want := range want {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%s: stdout lacks %q:\n%s", arg, want, &stdout)
			}
		}
	}
}

func TestRunSupports(t *testing.T) {
	t.Parallel()
	resp := plugin(t, request(""))
	want := uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL | pluginpb.CodeGeneratorResponse_FEATURE_SUPPORTS_EDITIONS)
	if got := resp.GetSupportedFeatures(); got != want {
		t.Errorf("supported features = %b, want %b: protoc refuses files with others", got, want)
	}
}
