package interceptor_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/openyuanrong/statusmap/mapping"
)

type client = testgrpc.TestServiceClient

// typed returns err as the typed error that our client interceptors return.
func typed(t *testing.T, err error) *mapping.Error {
	t.Helper()
	e, ok := err.(*mapping.Error)
	if !ok {
		t.Fatalf("the client got %T: %v; want *mapping.Error", err, err)
	}
	return e
}

// decoded returns what mapping.FromError reads out of err.
func decoded(t *testing.T, err error) *mapping.Error {
	t.Helper()
	e, ok := mapping.FromError(err)
	if !ok {
		t.Fatalf("FromError(%v) found nothing", err)
	}
	return e
}

// socket returns the path of a socket that nobody listens on, or ever will but the test
// itself. A TCP port is not like that: as soon as no listener holds it, another process may
// get it.
func socket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "") // shorter than t.TempDir, for paths of sockets are
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

var errSecret = errors.New("secret: password=hunter2")

// anyOf packs a detail.
func anyOf(m proto.Message) *anypb.Any {
	a := new(anypb.Any)
	if err := anypb.MarshalFrom(a, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		panic(err)
	}
	return a
}

var unaryInfo = &grpc.UnaryServerInfo{FullMethod: "/grpc.testing.TestService/UnaryCall"}
