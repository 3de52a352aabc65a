package interceptor

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// methods knows which methods are declared idempotent. What descriptors say is
// looked up once for each method and then read without a lock.
type methods struct {
	declared map[string]bool // by option; full methods, "/package.Service/Method"

	known atomic.Pointer[map[string]bool]
	mu    sync.Mutex // held to replace known
}

func newMethods() *methods {
	m := new(methods)
	m.known.Store(&map[string]bool{})
	return m
}

// declare is for options; afterwards nothing is declared any more.
func (m *methods) declare(names []string) { m.declared = withMethods(m.declared, names) }

// withMethods adds methods to a set, which may be nil. The first slash of their names may be
// missing.
func withMethods(set map[string]bool, names []string) map[string]bool {
	if set == nil {
		set = map[string]bool{}
	}
	for _, name := range names {
		set[fullMethod(name)] = true
	}
	return set
}

// These bound the methods without a descriptor that are remembered, and the length of
// their names: a server that handles unknown services sees whatever its clients care to
// invent.
const (
	maxUndescribed     = 1000
	maxUndescribedName = 256
)

// idempotent reports whether the method may run twice with the effect of once.
func (m *methods) idempotent(method string) bool {
	if idempotent, ok := (*m.known.Load())[method]; ok {
		return idempotent
	}
	idempotent, found := m.declared[method], true
	if !idempotent {
		idempotent, found = idempotencyLevel(method)
	}
	if !found && (len(method) > maxUndescribedName || len(*m.known.Load()) >= maxUndescribed) {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known := maps.Clone(*m.known.Load())
	known[method] = idempotent
	m.known.Store(&known)
	return idempotent
}

// idempotencyLevel returns what the linked-in descriptor of a method declares by
// its idempotency_level, and whether there is a descriptor.
func idempotencyLevel(method string) (idempotent, found bool) {
	md := methodDescriptor(method)
	return md != nil && isIdempotent(md), md != nil
}

// methodDescriptor returns the linked-in descriptor of a method, nil if there is none.
func methodDescriptor(method string) protoreflect.MethodDescriptor {
	name := strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil
	}
	md, _ := d.(protoreflect.MethodDescriptor)
	return md
}

// isIdempotent reports whether the descriptor of a method declares it idempotent.
func isIdempotent(md protoreflect.MethodDescriptor) bool {
	options, _ := md.Options().(*descriptorpb.MethodOptions)
	switch options.GetIdempotencyLevel() {
	case descriptorpb.MethodOptions_IDEMPOTENT, descriptorpb.MethodOptions_NO_SIDE_EFFECTS:
		return true
	}
	return false
}
