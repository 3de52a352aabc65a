package mapping_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

func ExampleCodeOf() {
	for _, err := range []error{
		status.Convert(sdk.InstanceNotFound.Errorf("no instance")).Err(), // as gRPC returns it
		fmt.Errorf("invoke: %w", sdk.InstanceNotFound),
		errors.New("no error of gRPC"),
		nil,
	} {
		switch c := mapping.CodeOf(err); c {
		case sdk.InstanceNotFound:
			fmt.Println("start an instance")
		default:
			fmt.Println("another error, or none:", c.IsZero())
		}
	}
	// Output:
	// start an instance
	// start an instance
	// another error, or none: true
	// another error, or none: true
}

// An error as it comes out of a call, wrapped by the caller's own code.
func ExampleFromError() {
	sent := sdk.InstanceNotFound.Errorf("no instance %q", "a1").With("instance", "a1").GRPCStatus()
	err := fmt.Errorf("invoke: %w", sent.Err())

	e, ok := mapping.FromError(err)
	if !ok {
		return
	}
	switch e.Code() {
	case sdk.InstanceNotFound, sdk.InstanceExited:
		fmt.Println("fetch another instance:", e.Message())
	}
	fmt.Println(e.Metadata()["instance"], e.GRPCCode(), e.Retry())
	fmt.Println(e.Code().Describe("zh-CN"))
	// Output:
	// fetch another instance: no instance "a1"
	// a1 NotFound HIGHER_LEVEL after 100ms
	// 找不到实例。 检查用例是否被正常申请扩容。
}

// A status that says nothing of the platform gets the code that it most likely
// stands for, marked as inferred.
func ExampleFromStatus() {
	e, _ := mapping.FromStatus(status.New(codes.Unavailable, "connection refused"))
	fmt.Println(e.Code(), e.Inferred())

	e, _ = mapping.FromStatus(status.New(codes.NotFound, "no such file"))
	fmt.Println(e.Code(), e.Inferred())
	// Output:
	// INNER_COMMUNICATION (3002): A communication error occurred. true
	// no code false
}

// A client that knows a team's catalogue too; generated code has such a catalogue.
func ExampleNewDecoder() {
	sent := rpcerr.CodeOf(&rpcerr.Row{Domain: "billing.acme", Number: 1003, Reason: "NO_CREDIT", GRPC: codes.FailedPrecondition})
	err := sent.Errorf("2 credits are missing").GRPCStatus().Err()

	page := [256]uint16{1003 & 255: 1}
	billing := rpcerr.CatalogOf("billing.acme", []*rpcerr.Row{{
		Domain: "billing.acme", Number: 1003, Reason: "NO_CREDIT", GRPC: codes.FailedPrecondition,
		EN: rpcerr.Text{Description: "The account has no money left.", Remedy: "Pay, then call again."},
	}}, []uint16{3: 1}, [][256]uint16{{}, page})

	e, _ := mapping.FromError(err)
	fmt.Printf("%v %q\n", e, e.Code().Describe("en"))
	e, _ = mapping.NewDecoder(&billing).FromError(err)
	fmt.Printf("%v %q\n", e, e.Code().Describe("en"))
	// Output:
	// NO_CREDIT (1003): 2 credits are missing ""
	// NO_CREDIT (1003): 2 credits are missing "The account has no money left. Pay, then call again."
}

// Rules are functions: a driver that has error numbers needs one of its own.
func ExampleWhenAs() {
	isPathError := mapping.WhenAs[*fs.PathError](sdk.OperateDiskFailed)
	isNoRows := mapping.WhenIs(sql.ErrNoRows, rest.KVNotFound)
	isDuplicate := func(err error) (mapping.Code, bool) {
		e, ok := err.(interface{ Number() uint16 })
		return rest.FunctionNameExist, ok && e.Number() == 1062
	}
	m := mapping.Mapper{Rules: []mapping.Rule{isPathError, isNoRows, isDuplicate}}

	fmt.Println(m.Map(context.Background(), fmt.Errorf("insert: %w", duplicate{})).Code().Reason())
	// Output:
	// FUNCTION_NAME_EXIST
}

// duplicate is an error of a database driver.
type duplicate struct{}

func (duplicate) Error() string  { return "duplicate entry 'f' for key 'name'" }
func (duplicate) Number() uint16 { return 1062 }

func ExampleMapper() {
	m := mapping.Mapper{Rules: []mapping.Rule{
		mapping.WhenIs(sql.ErrNoRows, rest.KVNotFound),
		mapping.WhenAs[*fs.PathError](sdk.OperateDiskFailed),
	}}
	_, noFile := os.Open("/no/such/file")
	for _, err := range []error{
		fmt.Errorf("read the session: %w", sql.ErrNoRows),
		noFile,
		sdk.ParamInvalid.Errorf("cpu must be positive"),
		errors.New("dial tcp 10.0.0.7: password rejected"),
	} {
		fmt.Println(m.Map(context.Background(), err))
	}
	// Output:
	// KV_NOT_FOUND (122001): etcd does not hold the key.
	// OPERATE_DISK_FAILED (4203): An operation on a disk file failed.
	// PARAM_INVALID (1001): cpu must be positive
	// INNER_SYSTEM_ERROR (3003): An internal error occurred.
}

// A policy of one's own: errors of the storage service count as ours, those of all
// others are relayed as usual.
func ExampleMapper_relay() {
	m := mapping.Mapper{Relay: func(e *mapping.Error) *mapping.Error {
		if e.GRPCCode() == codes.ResourceExhausted {
			return sdk.ResourceNotEnough.Wrap(e)
		}
		return mapping.Relay(e)
	}}
	received, _ := mapping.FromStatus(status.New(codes.ResourceExhausted, "quota of bucket b7"))
	fmt.Println(m.Map(context.Background(), received))

	received, _ = mapping.FromStatus(status.New(codes.NotFound, "no table t7"))
	e := m.Map(context.Background(), received)
	fmt.Println(e, e.Metadata())
	// Output:
	// RESOURCE_NOT_ENOUGH (1002): There are not enough resources.
	// INNER_SYSTEM_ERROR (3003): An internal error occurred. map[grpc_code:NOT_FOUND]
}

// What another service sent goes on if it is about the platform, else as an error of the
// inside.
func ExampleRelay() {
	for _, sent := range []*status.Status{
		sdk.InstanceExited.Errorf("instance a1 was killed").GRPCStatus(),
		status.New(codes.NotFound, "no table t7"),
	} {
		received, _ := mapping.FromStatus(sent)
		e := mapping.Relay(received)
		fmt.Println(e, e.Metadata())
	}
	// Output:
	// INSTANCE_EXITED (1007): instance a1 was killed map[]
	// INNER_SYSTEM_ERROR (3003): An internal error occurred. map[grpc_code:NOT_FOUND]
}

// The address in front has a colon and a number too.
func ExampleParseText() {
	c, message, ok := mapping.ParseText("10.0.0.7:1003 failed, code: 2002, message: division by zero")
	fmt.Println(c.Reason(), message, ok)

	_, _, ok = mapping.ParseText("the process ended with exit code: 1003, message: killed")
	fmt.Println(ok)
	// Output:
	// USER_FUNCTION_EXCEPTION division by zero true
	// false
}

func ExampleLookup() {
	c, ok := mapping.Lookup("sdk.yuanrong", 1003)
	fmt.Println(c, ok)

	_, ok = mapping.Lookup("rest.yuanrong", 1003)
	fmt.Println(ok)
	// Output:
	// INSTANCE_NOT_FOUND (1003): No such instance. true
	// false
}

func ExampleCatalogs() {
	for catalog := range mapping.Catalogs() {
		c, ok := catalog.Lookup(1003)
		fmt.Println(catalog.Domain(), ok, c.Reason())
	}
	// Output:
	// sdk.yuanrong true INSTANCE_NOT_FOUND
	// rest.yuanrong false
}
