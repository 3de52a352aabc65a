// Package registry is a small function platform in memory, of the kind whose errors
// the catalogues rest and sdk describe. Its handlers show how errors are raised:
// return a code, or what its methods make of it.
package registry

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	functionv1 "github.com/openyuanrong/statusmap/examples/internal/pb/function/v1"
	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
)

// The limits are low, so that they can be met by hand.
const (
	maxVersions     = 3
	maxAliases      = 2
	maxPageSize     = 100
	minMemoryMiB    = 64
	clusterMiB      = 1024 // what all instances together may take
	maxPayloadBytes = 1024
	maxCount        = 100
	invokesPerSec   = 5
	invokesAtOnce   = 10
)

// nameRule holds for functions and aliases. The first character tells an alias from
// the number of a version.
var nameRule = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// A Registry serves functionv1.FunctionService. It is safe for concurrent use.
type Registry struct {
	functionv1.UnimplementedFunctionServiceServer
	now func() time.Time

	mu        sync.Mutex // guards functions and everything in them
	functions map[string]*function
}

// New returns a registry without functions.
func New() *Registry {
	return &Registry{now: time.Now, functions: map[string]*function{}}
}

// CreateFunction creates a function and starts an instance of it.
func (r *Registry) CreateFunction(_ context.Context, req *functionv1.CreateFunctionRequest) (*functionv1.CreateFunctionResponse, error) {
	name, memory := req.GetName(), req.GetMemoryMib()
	if !nameRule.MatchString(name) {
		return nil, rest.FunctionNameFormatErr.Errorf("%q is not of the form %v", name, nameRule).With("function", name)
	}
	if memory < minMemoryMiB {
		return nil, rest.InvalidUserParam.Errorf("an instance needs at least %d MiB, not %d", minMemoryMiB, memory).With("parameter", "memory")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.functions[name] != nil {
		return nil, rest.FunctionNameExist.Errorf("there is a function %q already", name).With("function", name)
	}
	if err := r.reserve(0, 1, memory); err != nil {
		return nil, err
	}
	f := newFunction(name, req.GetHandler(), memory, r.now())
	r.functions[name] = f
	return &functionv1.CreateFunctionResponse{Function: f.describe(f.current)}, nil
}

// GetFunction returns what a qualified name stands for.
func (r *Registry) GetFunction(_ context.Context, req *functionv1.GetFunctionRequest) (*functionv1.GetFunctionResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name, qualifier, err := split(req.GetName())
	if err != nil {
		return nil, err
	}
	f, err := r.find(name)
	if err != nil {
		return nil, err
	}
	v, err := f.resolve(qualifier)
	if err != nil {
		return nil, err
	}
	return &functionv1.GetFunctionResponse{Function: f.describe(v)}, nil
}

// ListFunctions returns one page of the functions. There is always a first page.
func (r *Registry) ListFunctions(_ context.Context, req *functionv1.ListFunctionsRequest) (*functionv1.ListFunctionsResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	page, size := int(req.GetPage()), int(req.GetPageSize())
	if size < 1 || size > maxPageSize {
		return nil, rest.PageInfoError.Errorf("a page has 1 to %d functions, not %d", maxPageSize, size)
	}
	pages := max(1, (len(r.functions)+size-1)/size)
	if page < 1 || page > pages {
		return nil, rest.PageInfoError.Errorf("there are %d pages, and page %d is none of them", pages, page)
	}
	names := slices.Sorted(maps.Keys(r.functions))
	resp := new(functionv1.ListFunctionsResponse)
	for _, name := range names[(page-1)*size : min(page*size, len(names))] {
		f := r.functions[name]
		resp.Functions = append(resp.Functions, f.describe(f.current))
	}
	return resp, nil
}

// UpdateFunction changes the handler of a function.
func (r *Registry) UpdateFunction(_ context.Context, req *functionv1.UpdateFunctionRequest) (*functionv1.UpdateFunctionResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, err := r.find(req.GetName())
	if err != nil {
		return nil, err
	}
	if sent, stored := req.GetRevisionId(), f.current.revisionID(); sent != "" && sent != stored {
		return nil, rest.RevisionIDError.Errorf("revision %q is not the newest, which is %q", sent, stored).With("revision", stored)
	}
	f.current.handler = req.GetHandler()
	f.current.revision++
	return &functionv1.UpdateFunctionResponse{Function: f.describe(f.current)}, nil
}

// PublishFunction makes the function as it is now its next version.
func (r *Registry) PublishFunction(_ context.Context, req *functionv1.PublishFunctionRequest) (*functionv1.PublishFunctionResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, err := r.find(req.GetName())
	if err != nil {
		return nil, err
	}
	if f.published == f.current.revision {
		return nil, rest.RepeatedPublishmentError.Errorf("nothing in %q has changed since it was published", f.name).With("function", f.name)
	}
	if len(f.versions) == maxVersions {
		return nil, rest.FunctionVersionOutOfLimit.Errorf("%q has %d versions, and no more are allowed", f.name, maxVersions).With("function", f.name)
	}
	return &functionv1.PublishFunctionResponse{Function: f.describe(f.publish())}, nil
}

// CreateAlias gives a version a name.
func (r *Registry) CreateAlias(_ context.Context, req *functionv1.CreateAliasRequest) (*functionv1.CreateAliasResponse, error) {
	alias := req.GetAlias()
	if !nameRule.MatchString(alias) {
		return nil, rest.InvalidUserParam.Errorf("%q is not of the form %v", alias, nameRule).With("parameter", "alias")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f, err := r.find(req.GetName())
	if err != nil {
		return nil, err
	}
	if _, taken := f.aliases[alias]; taken {
		return nil, rest.AliasNameAlreadyExists.Errorf("%q has an alias %q already", f.name, alias).With("alias", alias)
	}
	if len(f.aliases) == maxAliases {
		return nil, rest.AliasOutOfLimit.Errorf("%q has %d aliases, and no more are allowed", f.name, maxAliases).With("function", f.name)
	}
	if _, err := f.versionOf(req.GetVersion()); err != nil {
		return nil, err
	}
	f.aliases[alias] = req.GetVersion()
	return new(functionv1.CreateAliasResponse), nil
}

// ScaleFunction sets how many instances a function has.
func (r *Registry) ScaleFunction(_ context.Context, req *functionv1.ScaleFunctionRequest) (*functionv1.ScaleFunctionResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, err := r.find(req.GetName())
	if err != nil {
		return nil, err
	}
	wanted := req.GetInstances()
	if wanted < 0 {
		return nil, rest.InvalidUserParam.Errorf("there cannot be %d instances", wanted).With("parameter", "instances")
	}
	if err := r.reserve(f.instances, wanted, f.current.memoryMiB); err != nil {
		return nil, err
	}
	f.instances = wanted
	return new(functionv1.ScaleFunctionResponse), nil
}

// DeleteFunction deletes what a qualified name stands for. A version that has an alias
// stays, and so does a function with such a version.
func (r *Registry) DeleteFunction(_ context.Context, req *functionv1.DeleteFunctionRequest) (*functionv1.DeleteFunctionResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name, qualifier, err := split(req.GetName())
	if err != nil {
		return nil, err
	}
	f, err := r.find(name)
	if err != nil {
		return nil, err
	}
	if err := f.delete(qualifier); err != nil {
		return nil, err
	}
	if qualifier == "" {
		delete(r.functions, name)
	}
	return new(functionv1.DeleteFunctionResponse), nil
}

// find returns the function of a name.
func (r *Registry) find(name string) (*function, error) {
	f, ok := r.functions[name]
	if !ok {
		return nil, rest.FunctionNotFound.Errorf("no function %q", name).With("function", name)
	}
	return f, nil
}

// reserve checks that the instances of one function may become more.
func (r *Registry) reserve(from, to, memoryMiB int32) error {
	if memoryMiB > clusterMiB {
		return sdk.ResourceConfigError.Errorf("an instance with %d MiB fits nowhere: all nodes together have %d MiB", memoryMiB, clusterMiB)
	}
	used := int64(to-from) * int64(memoryMiB)
	for _, f := range r.functions {
		used += int64(f.instances) * int64(f.current.memoryMiB)
	}
	if to > from && used > clusterMiB {
		return sdk.ResourceNotEnough.Errorf("%d MiB would be in use, and there are %d MiB", used, clusterMiB)
	}
	return nil
}
