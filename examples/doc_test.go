package examples_test

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// libraries returns the documentation of the packages that users import, by folder.
func libraries(t *testing.T) map[string]*doc.Package {
	t.Helper()
	fset, files := token.NewFileSet(), map[string][]*ast.File{}
	for _, tree := range []string{"mapping", "interceptor"} {
		err := filepath.WalkDir(filepath.Join(root, tree), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "internal" || d.Name() == "testdata"):
				return fs.SkipDir
			case d.IsDir() || filepath.Ext(path) != ".go":
				return nil
			}
			file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
			files[filepath.Dir(path)] = append(files[filepath.Dir(path)], file)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	packages := map[string]*doc.Package{}
	for dir, files := range files {
		pkg, err := doc.NewFromFiles(fset, files, filepath.ToSlash(dir))
		if err != nil {
			t.Fatal(err)
		}
		if pkg.Name != "main" {
			packages[filepath.ToSlash(strings.TrimPrefix(dir, root+string(filepath.Separator)))] = pkg
		}
	}
	if len(packages) < 5 {
		t.Fatalf("only %d packages", len(packages))
	}
	return packages
}

// functions returns the functions of a package, those that go doc lists with a type too.
func functions(pkg *doc.Package) []*doc.Func {
	all := slices.Clone(pkg.Funcs)
	for _, typ := range pkg.Types {
		all = append(all, typ.Funcs...)
	}
	return all
}

// Every exported function is shown by an example with checked output: by one of its own, or
// in that of something that it belongs to.
func TestExamples(t *testing.T) {
	t.Parallel()
	packages := libraries(t)
	shown := map[string]bool{} // by package.Function
	for dir, pkg := range packages {
		examples := slices.Clone(pkg.Examples)
		for _, f := range functions(pkg) {
			examples = append(examples, f.Examples...)
		}
		for _, typ := range pkg.Types {
			examples = append(examples, typ.Examples...)
			for _, method := range typ.Methods {
				examples = append(examples, method.Examples...)
			}
		}
		for _, example := range examples {
			if example.Output == "" && !example.EmptyOutput {
				t.Errorf("%s: Example%s has no output that is checked", dir, example.Name)
				continue
			}
			ast.Inspect(example.Code, func(node ast.Node) bool {
				if selector, ok := node.(*ast.SelectorExpr); ok {
					if from, ok := selector.X.(*ast.Ident); ok {
						shown[from.Name+"."+selector.Sel.Name] = true
					}
				}
				return true
			})
		}
	}
	for dir, pkg := range packages {
		for _, f := range functions(pkg) {
			if !shown[pkg.Name+"."+f.Name] {
				t.Errorf("%s: no example shows %s", dir, f.Name)
			}
		}
	}
}

// The documentation of every package ends with what always holds, and everything that is
// exported has some.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	for dir, pkg := range libraries(t) {
		last := ""
		for _, part := range pkg.Parser().Parse(pkg.Doc).Content {
			if heading, ok := part.(*comment.Heading); ok {
				last = string(heading.Text[0].(comment.Plain))
			}
		}
		if last != "Invariants" {
			t.Errorf("%s: the last section of the package's documentation is %q, want the invariants", dir, last)
		}
		documented := func(text, name string) {
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s has no documentation", dir, name)
			}
		}
		values := slices.Concat(pkg.Consts, pkg.Vars)
		for _, f := range functions(pkg) {
			documented(f.Doc, f.Name)
		}
		for _, typ := range pkg.Types {
			documented(typ.Doc, typ.Name)
			for _, method := range typ.Methods {
				documented(method.Doc, typ.Name+"."+method.Name)
			}
			values = slices.Concat(values, typ.Consts, typ.Vars)
		}
		for _, value := range values {
			for _, spec := range value.Decl.Specs {
				spec := spec.(*ast.ValueSpec)
				documented(value.Doc+spec.Doc.Text(), spec.Names[0].Name)
			}
		}
	}
}
