package main

import (
	"fmt"
	"go/token"
	"go/types"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// fileName is the name of every generated file. There is one file in a package, so
// it need not tell files apart, and a fixed name cannot end in what go build takes
// for a test or for an operating system, as the name of a proto file can.
const fileName = "catalog.statusmap.go"

var (
	// versionRule is that of a version in the name of a proto package: v1, v2beta1.
	versionRule = regexp.MustCompile(`^v[0-9]+((alpha|beta)[0-9]*|p[0-9]+((alpha|beta)[0-9]*)?|test[A-Za-z0-9_]*)?$`)
	// nameRule leaves out underscores in front, because the go command passes over
	// folders that begin so.
	nameRule    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	elementRule = regexp.MustCompile(`^[A-Za-z0-9_+~.-]+$`)
)

// A goPackage is the place of a catalogue's Go package.
type goPackage struct {
	path string
	name string
	file string // path of the generated file, before the parameter module= is cut off
}

// A placer decides where the packages of a run go. No two catalogues may share
// one, and none may share one with the code that protoc-gen-go makes of a file.
type placer struct {
	relative bool // paths=source_relative
	messages map[string]*protogen.File
	taken    map[string]protoreflect.EnumDescriptor
}

func newPlacer(plugin *protogen.Plugin) *placer {
	p := &placer{
		relative: parameter(plugin.Request, "paths") == "source_relative",
		messages: map[string]*protogen.File{},
		taken:    map[string]protoreflect.EnumDescriptor{},
	}
	for _, file := range plugin.Files {
		if importPath := string(file.GoImportPath); p.messages[importPath] == nil {
			p.messages[importPath] = file
		}
	}
	return p
}

// place returns the package for the catalogue that enum declares in file; option is
// what the catalogue says about it, "" if nothing.
func (p *placer) place(file *protogen.File, enum protoreflect.EnumDescriptor, option string) (goPackage, error) {
	pkg := packageBelow(file)
	if option != "" {
		if p.relative {
			return goPackage{}, fmt.Errorf("go_package %q cannot be followed with paths=source_relative: "+
				"use module=, or remove it to have the package below that of the proto file", option)
		}
		pkg = packageOf(option)
	}
	if !validImportPath(pkg.path) {
		return goPackage{}, fmt.Errorf("%q is no import path of a Go package", pkg.path)
	}
	if !isPackageName(pkg.name) {
		return goPackage{}, fmt.Errorf("%q is no name for a Go package that is imported: "+
			"set go_package in the option (%s), as \"import/path;name\"", pkg.name, catalogOption)
	}
	if !fs.ValidPath(pkg.file) {
		return goPackage{}, fmt.Errorf("its file %q would not be in the output folder", pkg.file)
	}
	if other, ok := p.messages[pkg.path]; ok {
		return goPackage{}, fmt.Errorf("its Go package %s is that of the messages of %s: a catalogue needs one of its own, "+
			"so that programs which use the codes do not link descriptors", pkg.path, other.Desc.Path())
	}
	if other, ok := p.taken[pkg.path]; ok {
		return goPackage{}, fmt.Errorf("its Go package %s is that of enum %s in %s already: "+
			"set another go_package in the option (%s)", pkg.path, other.FullName(), placeOf(other), catalogOption)
	}
	p.taken[pkg.path] = enum
	return pkg, nil
}

// packageOf returns the package that "import/path" or "import/path;name" names.
func packageOf(option string) goPackage {
	importPath, name, named := strings.Cut(option, ";")
	if !named {
		name = strings.NewReplacer("-", "_", ".", "_").Replace(path.Base(importPath))
	}
	return goPackage{importPath, name, importPath + "/" + fileName}
}

// packageBelow returns a package below that of the proto file, as that of
// protoc-gen-connect-go is, so that it works with either kind of file names. It
// has no name if the proto package has none to give.
func packageBelow(file *protogen.File) goPackage {
	var name string
	for _, part := range strings.Split(string(file.Desc.Package()), ".") {
		if !versionRule.MatchString(part) {
			name = part
		}
	}
	return goPackage{
		path: path.Join(string(file.GoImportPath), name),
		name: name,
		file: path.Join(path.Dir(file.GeneratedFilenamePrefix), name, fileName),
	}
}

// isPackageName reports whether programs can import a package of that name without
// another one, and without hiding what is declared everywhere, such as error.
func isPackageName(name string) bool {
	return nameRule.MatchString(name) && !token.IsKeyword(name) && types.Universe.Lookup(name) == nil &&
		name != "main" && name != "init"
}

// validImportPath reports whether a path can be imported and stays below the
// output folder.
func validImportPath(importPath string) bool {
	if !strings.ContainsAny(importPath, "./") {
		return false // a package name given by mistake
	}
	for _, element := range strings.Split(importPath, "/") {
		if !elementRule.MatchString(element) || strings.Trim(element, ".") == "" {
			return false
		}
	}
	return true
}
