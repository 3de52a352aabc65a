package rpcerr_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// A bare code is an error itself.
func ExampleCode() {
	find := func() error { return sdk.InstanceNotFound }
	err := find()
	fmt.Println(err)
	fmt.Println(errors.Is(err, sdk.InstanceNotFound), status.Code(err))
	// Output:
	// INSTANCE_NOT_FOUND (1003): No such instance.
	// true NotFound
}

// The message is for the peer. The cause stays in the process.
func ExampleCode_Wrapf() {
	err := sdk.InnerCommunication.Wrapf(context.DeadlineExceeded, "node %s does not answer", "n7")
	fmt.Println(err)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// INNER_COMMUNICATION (3002): node n7 does not answer
	// true
}

func ExampleCode_Describe() {
	fmt.Println(sdk.InstanceNotFound.Describe("zh-CN"))
	fmt.Println(sdk.InstanceNotFound.Describe("fr"))
	// Output:
	// 找不到实例。 检查用例是否被正常申请扩容。
	// No such instance. Check that the instance was created or scaled out.
}

// An Error is immutable: each method returns a changed copy.
func ExampleError_With() {
	base := sdk.InstanceNotFound.Errorf("no such instance").With("tenant", "t1")
	one := base.With("instance", "a1")
	fmt.Println(base.Metadata(), one.Metadata())
	// Output:
	// map[tenant:t1] map[instance:a1 tenant:t1]
}

// Whoever raises the error may know more about a retry than the catalogue.
func ExampleError_NotExecuted() {
	err := sdk.InnerCommunication.Errorf("the queue is full").NotExecuted().RetryAfter(2 * time.Second)
	fmt.Println(sdk.InnerCommunication.Retry().Class, "is now", err.Retry())
	// Output:
	// IDEMPOTENT is now SAFE after 2s
}

// A decoder that knows no catalogue still reads what the peer said.
func ExampleDecoder() {
	sent := sdk.InstanceNotFound.Errorf("gone").GRPCStatus()
	e, _ := new(rpcerr.Decoder).FromStatus(sent)
	fmt.Println(e.Code(), e.Reason(), e.Retry(), e.Message())
	fmt.Println(errors.Is(e, sdk.InstanceNotFound))
	// Output:
	// sdk.yuanrong 1003 INSTANCE_NOT_FOUND HIGHER_LEVEL after 100ms gone
	// true
}
