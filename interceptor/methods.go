package interceptor

import (
	"math"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// WithIdempotent declares methods idempotent: running one twice has the effect of running
// it once. It is for services whose descriptors do not say so by an idempotency_level.
// Methods are given in full, "/package.Service/Method"; the first slash may be missing.
// Names are not checked, because a connection does not know its methods: one that no method
// has matches nothing.
//
// Each side has to be told. On the server it decides about google.rpc.RetryInfo, about
// grpc-retry-pushback-ms, and about the retry flag in replies of [WithInBandReplies]; on
// the client, about what [WithRetry] repeats.
func WithIdempotent(methods ...string) Option {
	return option{
		func(s *server) { s.methods.declare(methods) },
		func(c *client) { c.methods.declare(methods) },
	}
}

// methods knows which methods are declared idempotent. What descriptors say is
// looked up once for each method.
type methods struct {
	declared map[string]bool // by option; full methods, "/package.Service/Method"
	known    memo[string, bool]
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

// fullMethod returns a method in the form in which gRPC names it.
func fullMethod(method string) string { return "/" + strings.TrimPrefix(method, "/") }

// These bound the methods without a descriptor that are remembered, and the length of
// their names: a server that handles unknown services sees whatever its clients care to
// invent.
const (
	maxUndescribed     = 1000
	maxUndescribedName = 256
)

// idempotent reports whether the method may run twice with the effect of once.
func (m *methods) idempotent(method string) bool {
	if idempotent, ok := m.known.get(method); ok {
		return idempotent
	}
	if m.declared[method] {
		m.known.put(method, true, math.MaxInt)
		return true
	}
	idempotent, found := idempotencyLevel(method)
	switch {
	case found:
		m.known.put(method, idempotent, math.MaxInt)
	case len(method) <= maxUndescribedName:
		m.known.put(method, false, maxUndescribed)
	}
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
