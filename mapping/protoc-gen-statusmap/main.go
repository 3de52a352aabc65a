// Command protoc-gen-statusmap turns an enum of error codes into a Go package of
// ready-to-use codes. It is a plugin of the Protocol Buffers compiler, which protoc and buf
// start.
//
// # Declaring a catalogue
//
// A team writes down its errors once, as an enum with the option
// yuanrong.catalog.v1.catalog whose values carry the option
// yuanrong.catalog.v1.code:
//
//	syntax = "proto3";
//	package acme.billing.v1;
//
//	import "yuanrong/catalog/v1/options.proto";
//
//	option go_package = "example.com/acme/gen/acme/billing/v1;billingv1";
//
//	// The errors of the billing service.
//	enum Code {
//	  option (yuanrong.catalog.v1.catalog) = { domain: "billing.acme" };
//
//	  CODE_UNSPECIFIED = 0;
//	  CODE_NO_CREDIT = 50001 [(yuanrong.catalog.v1.code) = {
//	    grpc_code: GRPC_CODE_FAILED_PRECONDITION
//	    retry_class: RETRY_CLASS_NEVER
//	    en: { description: "The account has no money left." remedy: "Pay, then call again." }
//	  }];
//	}
//
// The plugin becomes a tool of the team's Go module, whose go.mod pins the version. Until
// the first release this module is found in a checkout, here one that lies beside the
// team's:
//
//	go mod edit -replace github.com/openyuanrong/statusmap=../statusmap
//	go mod edit -require github.com/openyuanrong/statusmap@v0.0.0 \
//	  -tool=github.com/openyuanrong/statusmap/mapping/protoc-gen-statusmap
//	go mod tidy
//
// For a released version, `go get -tool` with the path of the plugin does all of this.
//
// buf and protoc need the protos of the options. Copy two folders out of this module's
// proto folder, here to third_party/statusmap (a download is read-only, hence the chmod):
//
//	dir=$(go list -m -f '{{.Dir}}' github.com/openyuanrong/statusmap)
//	mkdir -p third_party/statusmap/yuanrong
//	cp -r "${dir:?}/proto/yuanrong/catalog" "${dir:?}/proto/yuanrong/errors" third_party/statusmap/yuanrong
//	chmod -R u+w third_party/statusmap
//
// and name the copy in buf.yaml:
//
//	version: v2
//	modules:
//	  - path: proto
//	  - path: third_party/statusmap
//
// The plugin goes into buf.gen.yaml. The inputs line keeps other plugins, such as
// protoc-gen-go, from generating code for the copy too, because this module has that code
// already.
//
//	version: v2
//	inputs:
//	  - directory: proto
//	plugins:
//	  - local: ["go", "run", "github.com/openyuanrong/statusmap/mapping/protoc-gen-statusmap"]
//	    strategy: all
//	    out: gen
//	    opt: module=example.com/acme/gen
//
// Then `buf generate` writes gen/acme/billing/v1/billing/catalog.statusmap.go, and
// billing.NoCredit is an error that a handler can return.
//
// protoc looks for the plugin on the PATH, where `go install` puts it:
//
//	go install github.com/openyuanrong/statusmap/mapping/protoc-gen-statusmap
//	mkdir -p gen
//	protoc -I proto -I third_party/statusmap \
//	  --statusmap_out=gen --statusmap_opt=module=example.com/acme/gen acme/billing/v1/code.proto
//
// # What is declared
//
// The option of the enum declares, for the catalogue:
//
//   - domain, required: two or more labels joined by dots, each of lower-case letters,
//     digits and inner hyphens, at most 63 bytes in all. Domains that end in .yuanrong are
//     the platform's own.
//   - go_package: see below.
//
// The comment of the enum is the documentation of the package. There are at most 65535
// codes, each a value of the enum with the option. The value 0 is no code and has no
// option. The value and its option declare, for a code:
//
//   - the number of the value is that of the code, 1 to 9999999;
//   - the reason is the name of the value, without that of the enum in front: at most 63
//     characters, [A-Z][A-Z0-9_]+[A-Z0-9] (AIP-193). The Go name is made of the reason,
//     NoCredit of NO_CREDIT;
//   - grpc_code, required: any of gRPC's but OK;
//   - retry_class, required: RETRY_CLASS_NEVER, _SAFE, _IDEMPOTENT or _HIGHER_LEVEL. SAFE
//     promises that nothing was executed; if something may have been, use IDEMPOTENT;
//   - retry_delay_ms: 0 to 3600000, and 0 for NEVER. The default is 0;
//   - en, required, and zh: the texts for readers of English and of Chinese, each a
//     description, required, and a remedy. The English description is also the message of
//     an error without one of its own. Without zh, readers of Chinese get the English;
//   - documented_message: the short text by which other documentation knows the code,
//     word for word, for people who search for it. The default is none.
//
// Each text is one line of UTF-8, without control characters, and without white space
// around it. A deprecated value makes a deprecated Go identifier.
//
// # Where the package goes
//
// Without go_package in the option, the package is a folder below the Go package of the
// proto file, named like the last component of the proto package that is not a version. Its
// own folder keeps the descriptors of the options out of programs that use the codes. Only
// that package is free of them: what protoc-gen-go makes of the proto file links them, and
// so does every program that uses a message with the same go_package. To avoid that, give
// the enum a proto package of its own.
//
// With go_package ("import/path" or "import/path;name") it is that package. This needs file
// names that follow import paths, so it does not work with paths=source_relative.
//
// The plugin takes the parameters that all Go plugins take: module=, paths= and
// M<file>=<import path>.
//
// # A page for people
//
// With the parameter markdown=catalog.md the plugin also writes that file into the output
// folder: one page of all catalogues of the run, with the texts in English, and
// catalog.zh.md with those in Chinese if there are any. A code is found there by its number
// and its names, and linked to by its domain and number, as in
// catalog.md#billing.acme-50001. All catalogues must be in one run, so buf needs strategy:
// all.
//
// # What it refuses
//
// A catalogue with a mistake generates nothing. All mistakes of a run are
// reported together, each with file and line, enum and value.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/openyuanrong/statusmap/mapping/internal/str"
)

const usage = `protoc-gen-statusmap is a plugin of the Protocol Buffers compiler. It is not run by
hand: protoc or buf starts it and sends it a request on standard input. By hand it only
takes --version and --help.

In buf.gen.yaml:

  plugins:
    - local: ["go", "run", "github.com/openyuanrong/statusmap/mapping/protoc-gen-statusmap"]
      strategy: all
      out: gen
      opt: module=example.com/acme/gen

With protoc, where the program is on the PATH:

  protoc --statusmap_out=gen --statusmap_opt=module=example.com/acme/gen acme/v1/code.proto

Parameters: module=<prefix>, paths=import|source_relative, M<file>=<import path>,
markdown=<file>.md for a page of all codes.
`

// Exit codes. Mistakes in a catalogue are not among them: they travel in the
// response, which is how protoc and buf know them from a broken plugin.
const (
	exitOK     = 0
	exitBroken = 1 // the request could not be read or the response not written
	exitMisuse = 2 // wrong arguments or parameters
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 0:
	case args[0] == "--version":
		fmt.Fprintln(stdout, "protoc-gen-statusmap", version())
		return exitOK
	case args[0] == "-h" || args[0] == "--help":
		fmt.Fprint(stdout, usage)
		return exitOK
	default:
		fmt.Fprintf(stderr, "protoc-gen-statusmap: unknown argument %q\n\n%s", args[0], usage)
		return exitMisuse
	}
	if isTerminal(stdin) {
		fmt.Fprint(stderr, usage)
		return exitMisuse
	}
	err := serve(stdin, stdout)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "protoc-gen-statusmap: %s\n", textOf(err))
	if errors.As(err, new(parameterError)) {
		return exitMisuse
	}
	return exitBroken
}

// version returns the version of the module that the program was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// textOf returns what an error says, for people to read. The strings of a request need
// not be UTF-8, and errors quote them.
func textOf(err error) string { return str.Valid(err.Error()) }

// isTerminal reports whether nobody has redirected the input, so that reading it
// would wait for somebody to type protobuf. Other character devices, such as the
// null device, have no request to give either.
func isTerminal(stdin io.Reader) bool {
	file, ok := stdin.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// serve answers the one request that a plugin gets.
func serve(stdin io.Reader, stdout io.Writer) error {
	in, err := io.ReadAll(stdin)
	if err != nil {
		return fmt.Errorf("cannot read the request: %w", err)
	}
	req := new(pluginpb.CodeGeneratorRequest)
	if err := proto.Unmarshal(in, req); err != nil {
		return fmt.Errorf("cannot read the request: %w", err)
	}
	resp, err := respond(req)
	if err != nil {
		return err
	}
	out, err := proto.Marshal(resp)
	if err != nil {
		return fmt.Errorf("cannot write the response: %w", err)
	}
	_, err = stdout.Write(out)
	return err
}

// A parameterError is a mistake in what the plugin was told by opt: or _opt=.
type parameterError struct{ error }

// respond generates what the request asks for. Mistakes in catalogues are in the
// response, mistakes of whoever wrote the request in the error.
func respond(req *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	pageName := ""
	options := protogen.Options{ParamFunc: func(name, value string) error {
		if name == "markdown" {
			pageName = value
			return checkPageName(value)
		}
		return fmt.Errorf("unknown parameter %q: it takes module, paths, M<file> and markdown", name)
	}}
	// A request without files has nothing but its parameters to be wrong.
	if _, err := options.New(&pluginpb.CodeGeneratorRequest{Parameter: req.Parameter}); err != nil {
		return nil, parameterError{err}
	}
	plugin, err := options.New(req)
	if err != nil {
		return nil, err
	}
	// An enum is the same in all of these.
	plugin.SupportedFeatures = uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL |
		pluginpb.CodeGeneratorResponse_FEATURE_SUPPORTS_EDITIONS)
	plugin.SupportedEditionsMinimum = descriptorpb.Edition_EDITION_PROTO2
	plugin.SupportedEditionsMaximum = descriptorpb.Edition_EDITION_2023

	catalogues, err := readCatalogues(plugin)
	if err != nil {
		plugin.Error(errors.New(textOf(err)))
	}
	for _, c := range catalogues {
		emit(plugin.NewGeneratedFile(c.pkg.file, protogen.GoImportPath(c.pkg.path)), c)
	}
	emitPages(plugin, pageName, catalogues)
	return plugin.Response(), nil
}

// parameter returns the value of a parameter that protogen knows, but does not tell: "" if
// it was not given. As there, the last counts.
func parameter(req *pluginpb.CodeGeneratorRequest, name string) string {
	last := ""
	for _, param := range strings.Split(req.GetParameter(), ",") {
		if value, ok := strings.CutPrefix(param, name+"="); ok {
			last = value
		}
	}
	return last
}
