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

// Replies of another shape are read by a function.
func ExampleFormat_extract() {
	type result struct {
		Failed bool
		Errno  int64
	}
	format := inband.Format{Extract: func(reply any) inband.Outcome {
		if r, ok := reply.(*result); ok && r.Failed {
			return inband.Outcome{Number: r.Errno, Message: "the runtime says so"}
		}
		return inband.Outcome{}
	}}
	e, _ := format.FromReply("", &result{Failed: true, Errno: 1007})
	fmt.Println(e)
	// Output:
	// INSTANCE_EXITED (1007): the runtime says so
}

// A service whose number for success is 200, and not 0.
func ExampleFormat_success() {
	format := inband.Format{Extract: func(reply any) inband.Outcome {
		r, ok := reply.(interface {
			GetCode() int32
			GetMessage() string
		})
		if !ok || r.GetCode() == 200 {
			return inband.Outcome{}
		}
		return inband.Outcome{Number: int64(r.GetCode()), Message: r.GetMessage()}
	}}
	_, failed := format.FromReply("", &testgrpc.EchoStatus{Code: 200, Message: "OK"})
	fmt.Println(failed)
	e, _ := format.FromReply("", &testgrpc.EchoStatus{Code: 1003, Message: "no a1"})
	fmt.Println(e)

	e, _ = new(inband.Format).FromReply("", &testgrpc.EchoStatus{Code: 200, Message: "OK"}) // read by its shape
	fmt.Println(e)
	// Output:
	// false
	// INSTANCE_NOT_FOUND (1003): no a1
	// sdk.yuanrong 200: OK
}

// A reply for a caller that understands no statuses.
func ExampleFormat_NewReply() {
	var format inband.Format
	e := sdk.InstanceNotFound.Errorf("no instance a1")

	reply, ok := format.NewReply((*testgrpc.EchoStatus)(nil).ProtoReflect().Type(), e, false)
	fmt.Println(reply.(*testgrpc.EchoStatus).GetCode(), reply.(*testgrpc.EchoStatus).GetMessage(), ok)

	_, ok = format.NewReply((*testgrpc.Empty)(nil).ProtoReflect().Type(), e, false) // it has no place for a code
	fmt.Println(ok)
	// Output:
	// 1003 no instance a1 true
	// false
}
