package interceptor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/limits"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// standardInfo returns the google.rpc.ErrorInfo of a status, which is all that a client
// without our proto reads. It is nil if there is none.
func standardInfo(t *testing.T, err error) *errdetails.ErrorInfo {
	t.Helper()
	var found *errdetails.ErrorInfo
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			if found != nil {
				t.Error("there are two")
			}
			found = info
		}
	}
	return found
}

// from returns a received error with the details that a peer sent.
func from(details ...proto.Message) error {
	return sentByPeer(statusWith(codes.NotFound, "m", details...))
}

func TestCodeInMetadata(t *testing.T) {
	t.Parallel()
	newer := &errorsv1.ErrorInfo{Domain: "sdk.yuanrong", Number: 9999}
	newerGoogle := &errdetails.ErrorInfo{Domain: "sdk.yuanrong", Reason: "NEWER"}
	numbered := &errdetails.ErrorInfo{Domain: "sdk.yuanrong", Reason: "INSTANCE_NOT_FOUND", Metadata: map[string]string{"code": "1003"}}
	type metadata = map[string]string
	for _, tt := range []struct {
		name string
		err  error
		want metadata
	}{
		{"a bare code", sdk.InstanceNotFound, metadata{"code": "1003"}},
		{"wrapped", fmt.Errorf("looking: %w", sdk.InstanceNotFound), metadata{"code": "1003"}},
		{"beside other metadata", sdk.InvokeRateLimited.With("bucket", "b", "tenant", "t1"), metadata{"bucket": "b", "code": "1005", "tenant": "t1"}},
		{"an entry of the handler's own", sdk.InstanceNotFound.With("code", "E17"), metadata{"code": "E17"}},
		{"an empty one", sdk.InstanceNotFound.With("code", ""), metadata{"code": ""}},
		{"any error", errSecret, metadata{"code": "3003"}},
		{"of another service", from(ourInfo, googleInfo, quota), metadata{"code": "1003", "instance": "a1"}},
		{"of another service in another language", from(googleInfo), metadata{"code": "1003", "instance": "a1"}},
		{"of another service, with the number", from(ourInfo, numbered), metadata{"code": "1003"}},
		{"of another service, without the standard detail", from(ourInfo), metadata{"code": "1003"}},
		{"of a newer service", from(newer, newerGoogle), metadata{"code": "9999"}},
		{"a plain status", status.Error(codes.NotFound, "gone"), nil},
		{"a plain status of another service", sentByPeer(statusWith(codes.Unavailable, "down")), metadata{"code": "3002", "grpc_code": "UNAVAILABLE"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			service := stubtest.Each(func(context.Context) error { return tt.err })
			client := stubtest.Dial(t, stubtest.Start(t, service, interceptor.ServerOptions(interceptor.WithCodeInMetadata())...))
			for _, shape := range stubtest.Shapes() {
				err := shape.Call(stubtest.Context(t), client)
				info := standardInfo(t, err)
				if diff := cmp.Diff(tt.want, info.GetMetadata()); diff != "" {
					t.Errorf("%s: other metadata (-want +got):\n%s", shape.Name, diff)
				}
				e := decoded(t, err)
				if diff := cmp.Diff(tt.want, e.Metadata()); diff != "" {
					t.Errorf("%s: our client reads other metadata (-want +got):\n%s", shape.Name, diff)
				}
				if raised, ok := mapping.FromError(tt.err); ok && !raised.Inferred() && !errors.Is(e, raised.Code()) && !raised.Code().IsZero() {
					t.Errorf("%s: it became %v", shape.Name, e)
				}
			}
		})
	}
}

// Without the option the metadata is what the handler gave.
func TestCodeInMetadataIsAnOption(t *testing.T) {
	t.Parallel()
	service := stubtest.Each(func(context.Context) error { return sdk.ParamInvalid.With("name", "n") })
	client := stubtest.Dial(t, stubtest.Start(t, service, interceptor.ServerOptions()...))
	err := stubtest.Shapes()[0].Call(stubtest.Context(t), client)
	if diff := cmp.Diff(map[string]string{"name": "n"}, standardInfo(t, err).GetMetadata()); diff != "" {
		t.Errorf("other metadata (-want +got):\n%s", diff)
	}
}

// What another service sent stays, byte for byte, with nothing but the number added, and
// that once.
func TestCodeInMetadataOfARelayedStatus(t *testing.T) {
	t.Parallel()
	relay := func(st *spb.Status, opts ...interceptor.ServerOption) *spb.Status {
		server := interceptor.UnaryServer(append(opts, interceptor.WithRequestID(func(context.Context) string { return "r9" }))...)
		_, err := server(t.Context(), nil, unaryInfo, func(context.Context, any) (any, error) {
			return nil, sentByPeer(status.FromProto(st))
		})
		return status.Convert(err).Proto()
	}
	// Fields of later versions, and metadata in an order of its own.
	own, google := anyOf(&errorsv1.ErrorInfo{Domain: "sdk.yuanrong", Number: 1003}), anyOf(googleInfo)
	own.Value = append(own.Value, 0x7a, 1, 'x')
	google.Value = append(google.Value, 0x1a, 6, 0x0a, 1, 'z', 0x12, 1, '1', 0x1a, 6, 0x0a, 1, 'a', 0x12, 1, '2', 0x7a, 1, 'y')
	sent := &spb.Status{Code: int32(codes.NotFound), Message: "m"}
	sent.Details = append(sent.Details, own, google, anyOf(quota))

	want := proto.Clone(sent).(*spb.Status)
	want.Details[1].Value = append(want.Details[1].Value, "\x1a\x0c\x0a\x04code\x12\x041003"...)
	once := relay(sent, interceptor.WithCodeInMetadata())
	if diff := cmp.Diff(want, once, protocmp.Transform()); diff != "" {
		t.Errorf("passed on otherwise (-want +got):\n%s", diff)
	}
	for name, opts := range map[string][]interceptor.ServerOption{"with": {interceptor.WithCodeInMetadata()}, "without": nil} {
		if diff := cmp.Diff(once, relay(once, opts...), protocmp.Transform()); diff != "" {
			t.Errorf("%s the option it is passed on otherwise (-want +got):\n%s", name, diff)
		}
	}
}

// However much has to be left out, the number stays, here and on the way through others.
func TestCodeInMetadataIsNotTrimmed(t *testing.T) {
	t.Parallel()
	longest := rpcerr.CodeOf(&rpcerr.Row{
		Domain: strings.Repeat("d", 63), Number: 1<<31 - 1, Reason: strings.Repeat("R", 63),
		GRPC: codes.Unavailable, Retry: mapping.Retry{Class: mapping.Safe, Delay: time.Hour - time.Millisecond},
	})
	for _, tt := range []struct {
		raised error
		code   string
	}{{limits.Talkative(sdk.ResourceNotEnough), "1002"}, {limits.Talkative(longest), "2147483647"}, {limits.Talkative(sdk.ResourceNotEnough).With("code", strings.Repeat("c", 500)), ""}} {
		for _, budget := range []int{rpcerr.MinBudget, 2000, rpcerr.DefaultBudget, rpcerr.MaxBudget} {
			seal := func(err error, budget int, opts ...interceptor.ServerOption) error {
				server := interceptor.UnaryServer(append(opts, interceptor.WithBudget(budget),
					interceptor.WithRequestID(func(context.Context) string { return strings.Repeat("i", 128) }))...)
				_, err = server(t.Context(), nil, unaryInfo, func(context.Context, any) (any, error) { return nil, err })
				if size := rpcerr.Size(status.Convert(err).Proto()); size > budget {
					t.Errorf("a budget of %d: %d bytes", budget, size)
				}
				return err
			}
			sent := seal(tt.raised, budget, interceptor.WithCodeInMetadata())
			if got := standardInfo(t, sent).GetMetadata()["code"]; got != tt.code {
				t.Errorf("a budget of %d: code %q, want %q", budget, got, tt.code)
			}
			passedOn := seal(sentByPeer(status.Convert(sent)), rpcerr.MinBudget)
			if got := standardInfo(t, passedOn).GetMetadata()["code"]; got != tt.code {
				t.Errorf("a budget of %d, passed on within %d: code %q, want %q", budget, rpcerr.MinBudget, got, tt.code)
			}
		}
	}
}
