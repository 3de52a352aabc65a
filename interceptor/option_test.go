package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

// Of an option given twice the last counts, unless it is one that adds up.
func TestOptionsTwice(t *testing.T) {
	t.Parallel()
	errFirst, errSecond := errors.New("first"), errors.New("second")
	id := func(id string) interceptor.ServerOption {
		return interceptor.WithRequestID(func(context.Context) string { return id })
	}
	var observed []string
	observer := func(name string) interceptor.Option {
		return interceptor.WithObserver(func(context.Context, interceptor.Event) { observed = append(observed, name) })
	}

	server := interceptor.UnaryServer(id("r1"), id("r2"), observer("first"), observer("second"),
		interceptor.WithRules(mapping.WhenIs(errFirst, sdk.ParamInvalid)), interceptor.WithRules(mapping.WhenIs(errSecond, rest.FunctionNotFound)))
	for err, want := range map[error]mapping.Code{errFirst: sdk.ParamInvalid, errSecond: rest.FunctionNotFound} {
		observed = nil
		_, got := server(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: unaryMethod},
			func(context.Context, any) (any, error) { return nil, err })
		if e := typed(t, got); e.Code() != want || e.RequestID() != "r2" {
			t.Errorf("%v: got %v, want %v of request r2", err, e, want)
		}
		if want := []string{"first", "second"}; !slices.Equal(observed, want) {
			t.Errorf("%v: observed by %q, want %q", err, observed, want)
		}
	}

	client := interceptor.UnaryClient(interceptor.WithTextCodes(sdk.Catalog()), interceptor.WithTextCodes(rest.Catalog()))
	for want, code := range map[mapping.Code]mapping.Code{rest.FunctionNotFound: rest.FunctionNotFound, {}: sdk.ParamInvalid} {
		text := fmt.Sprintf("code: %d, message: x", code.Number())
		got := client(context.Background(), unaryMethod, nil, nil, nil,
			func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
				return status.Error(codes.NotFound, text)
			})
		if e := typed(t, got); e.Code() != want {
			t.Errorf("%q: got %v, want %v", text, e.Code(), want)
		}
	}
}
