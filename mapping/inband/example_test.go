package inband_test

import (
	"errors"
	"fmt"

	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/inband"
)

// To kill an instance that is not there is a success; to invoke it is none.
func ExampleFormat() {
	const invoke, kill = "/core.InstanceService/Invoke", "/core.InstanceService/Kill"
	format := &inband.Format{Success: map[string][]mapping.Code{
		kill: {sdk.InstanceNotFound},
	}}
	reply := &testgrpc.EchoStatus{Code: 1003, Message: "no a1"} // of a call that ended OK

	_, failed := format.FromReply(kill, reply)
	fmt.Println(failed)

	e, failed := format.FromReply(invoke, reply)
	fmt.Println(failed, errors.Is(e, sdk.InstanceNotFound), e)

	var in *inband.Reply
	if errors.As(e, &in) {
		fmt.Println(in.Reply == reply) // with whatever stands beside the code
	}
	// Output:
	// false
	// true true INSTANCE_NOT_FOUND (1003): no a1
	// true
}
