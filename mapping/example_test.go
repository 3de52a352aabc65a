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
)

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

func ExampleMapper() {
	m := mapping.Mapper{Rules: []mapping.Rule{
		mapping.WhenIs(sql.ErrNoRows, rest.KVNotFound),
		mapping.WhenAs[*fs.PathError](rest.SaveFileError),
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
	// SAVE_FILE_ERROR (121016): A temporary file could not be saved while processing the package's archive.
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

func ExampleLookup() {
	c, ok := mapping.Lookup("sdk.yuanrong", 1003)
	fmt.Println(c, ok, c.Describe("en"))

	_, ok = mapping.Lookup("rest.yuanrong", 1003)
	fmt.Println(ok)
	// Output:
	// INSTANCE_NOT_FOUND (1003): No such instance. true No such instance. Check that the instance was created or scaled out.
	// false
}

func ExampleCatalogs() {
	for catalog := range mapping.Catalogs() {
		fmt.Println(catalog.Domain(), catalog.Len())
	}
	// Output:
	// sdk.yuanrong 49
	// rest.yuanrong 60
}
