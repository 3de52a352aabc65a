package registry

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	functionv1 "github.com/openyuanrong/statusmap/examples/internal/pb/function/v1"
	"github.com/openyuanrong/statusmap/gen/rest"
)

// A function with its versions and aliases.
type function struct {
	name      string
	current   version
	published int // the revision that the last version froze, 0 if there is none
	newest    int32
	versions  map[int32]version
	aliases   map[string]int32
	instances int32
	rate      bucket
}

// A version is the state of a function, frozen if it has a number.
type version struct {
	number    int32
	handler   string
	memoryMiB int32
	revision  int
}

func newFunction(name, handler string, memoryMiB int32, now time.Time) *function {
	return &function{
		name:      name,
		current:   version{handler: handler, memoryMiB: memoryMiB, revision: 1},
		versions:  map[int32]version{},
		aliases:   map[string]int32{},
		instances: 1,
		rate:      newBucket(now),
	}
}

func (v version) revisionID() string { return fmt.Sprintf("r%d", v.revision) }

func (f *function) describe(v version) *functionv1.Function {
	return &functionv1.Function{
		Name:       f.name,
		Handler:    v.handler,
		MemoryMib:  v.memoryMiB,
		RevisionId: v.revisionID(),
		Version:    v.number,
		Instances:  f.instances,
	}
}

// publish freezes the function.
func (f *function) publish() version {
	f.newest++
	v := f.current
	v.number = f.newest
	f.versions[v.number] = v
	f.published = v.revision
	return v
}

// split takes a qualified name apart. The qualifier is "" if there is none.
func split(qualified string) (name, qualifier string, err error) {
	name, qualifier, found := strings.Cut(qualified, ":")
	if found && qualifier == "" {
		return "", "", rest.VersionOrAliasEmpty.Errorf("%q ends where a version or an alias should stand", qualified)
	}
	return name, qualifier, nil
}

// resolve returns the version that a qualifier stands for.
func (f *function) resolve(qualifier string) (version, error) {
	if qualifier == "" {
		return f.current, nil
	}
	if isNumber(qualifier) {
		number, err := parseVersion(qualifier)
		if err != nil {
			return version{}, err
		}
		return f.versionOf(number)
	}
	number, ok := f.aliases[qualifier]
	if !ok {
		return version{}, rest.AliasNameNotFound.Errorf("%q has no alias %q", f.name, qualifier).With("alias", qualifier)
	}
	return f.versionOf(number)
}

func (f *function) versionOf(number int32) (version, error) {
	v, ok := f.versions[number]
	if !ok {
		return version{}, rest.FunctionVersionNotFound.Errorf("%q has no version %d", f.name, number).With("version", strconv.Itoa(int(number)))
	}
	return v, nil
}

// delete removes what a qualifier stands for, if nothing hangs on it. Without a
// qualifier nothing is left to do but to forget the function.
func (f *function) delete(qualifier string) error {
	switch {
	case qualifier == "":
		return f.unused(func(int32) bool { return true })
	case isNumber(qualifier):
		v, err := f.resolve(qualifier)
		if err != nil {
			return err
		}
		if err := f.unused(func(number int32) bool { return number == v.number }); err != nil {
			return err
		}
		delete(f.versions, v.number)
		return nil
	}
	if _, err := f.resolve(qualifier); err != nil {
		return err
	}
	delete(f.aliases, qualifier)
	return nil
}

// unused returns an error if a version that is to be deleted has an alias.
func (f *function) unused(deleted func(number int32) bool) error {
	var aliases []string
	for alias, number := range f.aliases {
		if deleted(number) {
			aliases = append(aliases, alias)
		}
	}
	if len(aliases) == 0 {
		return nil
	}
	slices.Sort(aliases)
	list := strings.Join(aliases, ", ")
	return rest.FunctionVersionDeletionForbidden.Errorf("delete its aliases first: %s", list).With("aliases", list)
}

func isNumber(qualifier string) bool { return qualifier[0] >= '0' && qualifier[0] <= '9' }

// parseVersion reads the number of a version. It returns the error of package strconv
// as it is: a rule of the server says which code that is.
func parseVersion(qualifier string) (int32, error) {
	number, err := strconv.ParseInt(qualifier, 10, 32)
	return int32(number), err
}
