package rpcerr_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
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

// An error with a message for the peer.
func ExampleCode_Errorf() {
	err := sdk.InstanceNotFound.Errorf("no instance %q", "a1")
	fmt.Println(err)
	// Output:
	// INSTANCE_NOT_FOUND (1003): no instance "a1"
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

// A detail of google.rpc. On a bare code it takes AsError.
func ExampleError_WithDetails() {
	err := sdk.ParamInvalid.AsError().WithDetails(&errdetails.BadRequest{
		FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "cpu", Description: "must be positive"}},
	})
	for _, detail := range status.Convert(err).Details() { // as a client reads them
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			fmt.Println(bad.GetFieldViolations()[0].GetField(), bad.GetFieldViolations()[0].GetDescription())
		}
	}
	// Output:
	// cpu must be positive
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

// What a server adds to an error on its way out.
func ExampleError_Seal() {
	sent := sdk.InnerCommunication.AsError().Seal(rpcerr.Wire{RequestID: "r1", Idempotent: true})
	for _, detail := range sent.GRPCStatus().Proto().GetDetails() {
		fmt.Println(detail.MessageName())
	}
	fmt.Println(sent.RequestID())
	// Output:
	// yuanrong.errors.v1.ErrorInfo
	// google.rpc.ErrorInfo
	// google.rpc.RetryInfo
	// r1
}

// An error that is none of the platform.
func ExamplePlain() {
	e := rpcerr.Plain(codes.PermissionDenied, "not yours")
	fmt.Println(e, e.Code().IsZero())
	// Output:
	// PermissionDenied: not yours true
}

// A message crosses twice, percent-encoded and in base64: a letter costs 2⅓ bytes, a
// Chinese character 13.
func ExampleSize() {
	size := func(message string) int {
		return rpcerr.Size(sdk.InstanceNotFound.Errorf("%s", message).GRPCStatus().Proto())
	}
	fmt.Println(size("x"+strings.Repeat("y", 12)) - size("x"))
	fmt.Println(size("x"+strings.Repeat("例", 12)) - size("x"))
	// Output:
	// 28
	// 156
}

// The order in which an error and what it wraps are looked at.
func ExampleWalk() {
	err := fmt.Errorf("invoke: %w", errors.Join(sdk.InstanceExited, context.Canceled))
	rpcerr.Walk(err, func(err error) bool {
		fmt.Printf("%T\n", err)
		return true
	})
	// Output:
	// *fmt.wrapError
	// *errors.joinError
	// rpcerr.Code
	// *errors.errorString
}

// For a log, where an error of any quality has a text.
func ExampleTextOf() {
	var none *fs.PathError
	fmt.Println(rpcerr.TextOf(context.Canceled))
	fmt.Println(rpcerr.TextOf(none))
	var platform *rpcerr.Error
	fmt.Println(rpcerr.TextOf(platform))
	// Output:
	// context canceled
	// *fs.PathError, whose Error method panics
	// *rpcerr.Error, which is nil
}

// A catalogue finds its codes by number and by reason.
func ExampleCatalog() {
	c, ok := sdk.Catalog().Lookup(1003)
	fmt.Println(c == sdk.InstanceNotFound, ok)
	c, ok = sdk.Catalog().LookupReason("INSTANCE_NOT_FOUND")
	fmt.Println(c == sdk.InstanceNotFound, ok)
	c, ok = sdk.Catalog().Lookup(7)
	fmt.Println(c.IsZero(), ok)
	// Output:
	// true true
	// true true
	// true false
}
