package maptest_test

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/maptest"
)

// In the examples t is a stand-in that keeps what a test would report; in your tests it
// is the *testing.T.

// A test that fails.
func ExampleCheck() {
	t := new(fakeTB)
	err := error(sdk.InstanceNotFound.Errorf("no instance %q", "b2").With("instance", "b2"))

	maptest.Check(t, err, sdk.InstanceNotFound,
		maptest.MessageContains("no instance"),
		maptest.Metadata("instance", "a1"),
		maptest.NoMetadata("node"),
		maptest.Retry(mapping.HigherLevel, 100*time.Millisecond))
	fmt.Println(t.text)

	// Output:
	// the error is not what is wanted (-want +got):
	//     code                   sdk.yuanrong 1003 INSTANCE_NOT_FOUND
	//     message                "no instance \"b2\""
	//   - metadata["instance"]   "a1"
	//   + metadata["instance"]   "b2"
	//     metadata               none
	//     retry                  HIGHER_LEVEL after 100ms
	// the error was: INSTANCE_NOT_FOUND (1003): no instance "b2"
}

// A client that got a plain status, from which a code was inferred.
func ExampleCheckGRPC() {
	t := new(fakeTB)
	err := status.Error(codes.Unavailable, "connection refused")

	fmt.Println(maptest.CheckGRPC(t, err, codes.Unavailable,
		maptest.Message("connection refused"),
		maptest.Inferred(sdk.InnerCommunication),
		maptest.Origin(mapping.OriginTransport)))
	// Output:
	// true
}

// All that can be asked for.
func ExampleWant() {
	t := new(fakeTB)
	cause := errors.New("dial tcp: refused")
	help := &errdetails.Help{Links: []*errdetails.Help_Link{{Url: "https://example.com"}}}
	err := sdk.EtcdOperationError.Wrapf(cause, "etcd is down").WithRequestID("r1").WithDetails(help)

	fmt.Println(maptest.Check(t, err, sdk.EtcdOperationError,
		maptest.GRPC(codes.Unavailable),
		maptest.Message("etcd is down"),
		maptest.RetryClass(mapping.Idempotent),
		maptest.RequestID("r1"),
		maptest.Origin(mapping.OriginLocal),
		maptest.Attempts(0),
		maptest.Trimmed(false),
		maptest.Cause(cause),
		maptest.Detail(help)))
	// Output:
	// true
}
