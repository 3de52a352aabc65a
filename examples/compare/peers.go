package main

import (
	"context"
	"errors"
	"strconv"
	"strings"

	cockroacherrors "github.com/cockroachdb/errors"
	"github.com/cockroachdb/errors/errorspb"
	"github.com/cockroachdb/errors/extgrpc"
	"github.com/cockroachdb/errors/grpc/middleware"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/containerd/typeurl/v2"
	kratoserrors "github.com/go-kratos/kratos/v2/errors"
	gogoproto "github.com/gogo/protobuf/proto"
	"github.com/googleapis/gax-go/v2/apierror"
	"github.com/moby/buildkit/util/grpcerrors"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Interceptors for those who have none, as their documentation says to convert.
func converting(toGRPC func(error) error) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		resp, err := handler(ctx, req)
		if err != nil {
			err = toGRPC(err)
		}
		return resp, err
	}
}

func convertingBack(fromGRPC func(error) error) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := invoker(ctx, method, req, reply, cc, opts...)
		if err != nil {
			err = fromGRPC(err)
		}
		return err
	}
}

// temporal has a Go type for each error, with fixed fields. The one with two strings
// that comes nearest stands for ours; that it is this type is the code.
func temporal() *contender {
	return &contender{
		name: "temporal serviceerror", module: "go.temporal.io/api", carries: carriesCode + carriesMessage + carriesMetadata,
		note: "a Go type for each error, two fixed strings",
		raise: func(i int) error {
			return &serviceerror.NamespaceNotActive{Message: message, Namespace: instance(i), CurrentCluster: node}
		},
		server: converting(func(err error) error { return serviceerror.ToStatus(err).Err() }),
		client: convertingBack(func(err error) error { return serviceerror.FromStatus(status.Convert(err)) }),
		is: func(err error) bool {
			var e *serviceerror.NamespaceNotActive
			return errors.As(err, &e)
		},
		read: func(err error) facts {
			var e *serviceerror.NamespaceNotActive
			if !errors.As(err, &e) {
				return facts{}
			}
			return facts{code: reason, message: e.Message, instance: e.Namespace, node: e.CurrentCluster}
		},
	}
}

// kratos has no server interceptor: grpc-go asks the error for its status.
func kratos() *contender {
	target := kratoserrors.New(500, reason, "")
	return &contender{
		name: "kratos errors", module: "github.com/go-kratos/kratos/v2", carries: carriesCode + carriesMessage + carriesMetadata,
		note: "HTTP code, reason",
		raise: func(i int) error {
			return kratoserrors.New(500, reason, message).
				WithMetadata(map[string]string{"instance_id": instance(i), "node": node})
		},
		client: convertingBack(func(err error) error { return kratoserrors.FromError(err) }),
		is:     func(err error) bool { return errors.Is(err, target) },
		read: func(err error) facts {
			e := kratoserrors.FromError(err)
			return facts{code: e.Reason, message: e.Message, instance: e.Metadata["instance_id"], node: e.Metadata["node"]}
		},
	}
}

// gax is for clients only, so status.WithDetails is its server.
func gax() *contender {
	return &contender{
		name: "gax apierror", module: "github.com/googleapis/gax-go/v2", carries: carriesCode + carriesMessage + carriesMetadata + carriesRetry,
		note:  "client only; the server is status.WithDetails",
		raise: withDetails().raise,
		client: convertingBack(func(err error) error {
			if e, ok := apierror.FromError(err); ok {
				return e
			}
			return err
		}),
		is: func(err error) bool {
			var e *apierror.APIError
			return errors.As(err, &e) && e.Reason() == reason && e.Domain() == domain
		},
		read: func(err error) facts {
			var e *apierror.APIError
			if !errors.As(err, &e) {
				return facts{}
			}
			m := e.Metadata()
			return facts{
				code: e.Reason(), message: e.GRPCStatus().Message(), instance: m["instance_id"], node: m["node"],
				delay: e.Details().RetryInfo.GetRetryDelay().AsDuration(),
			}
		},
	}
}

// A containerdDetail travels as JSON and wraps the error class at the other end.
type containerdDetail struct {
	Number         int32
	Instance, Node string
	err            error
}

func (d *containerdDetail) Error() string { return message }
func (d *containerdDetail) Unwrap() error { return d.err }

// WrapError is how errgrpc puts the decoded detail round the class of the error.
func (d *containerdDetail) WrapError(err error) error {
	return &containerdDetail{d.Number, d.Instance, d.Node, err}
}

func containerd() *contender {
	typeurl.Register(&containerdDetail{}, "statusmap", "compare", "containerd")
	return &contender{
		name: "containerd errgrpc", module: "github.com/containerd/errdefs/pkg", carries: carriesCode + carriesMessage + carriesMetadata,
		note:   "one of 16 classes, registered types as JSON",
		raise:  func(i int) error { return &containerdDetail{number, instance(i), node, errdefs.ErrInternal} },
		server: converting(errgrpc.ToGRPC),
		client: convertingBack(errgrpc.ToNative),
		is: func(err error) bool {
			var d *containerdDetail
			return errors.Is(err, errdefs.ErrInternal) && errors.As(err, &d) && d.Number == number
		},
		read: func(err error) facts {
			var d *containerdDetail
			if !errors.As(err, &d) {
				return facts{}
			}
			// The message stands in front of the class.
			text, _, _ := strings.Cut(d.err.Error(), ": "+errdefs.ErrInternal.Error())
			return facts{code: strconv.Itoa(int(d.Number)), message: text, instance: d.Instance, node: d.Node}
		},
	}
}

// A buildkitDetail is a buildkit TypedErrorProto: a message that wraps errors.
type buildkitDetail struct{ *errdetails.ErrorInfo }

// WrapError is how buildkit puts the decoded detail round the status.
func (d *buildkitDetail) WrapError(err error) error { return &buildkitError{err, d} }

type buildkitError struct {
	error
	detail *buildkitDetail
}

func (e *buildkitError) Unwrap() error                       { return e.error }
func (e *buildkitError) ToProto() grpcerrors.TypedErrorProto { return e.detail }

func buildkit() *contender {
	typeurl.Register(&buildkitDetail{}, "statusmap", "compare", "buildkit")
	return &contender{
		name: "buildkit grpcerrors", module: "github.com/moby/buildkit", carries: carriesCode + carriesMessage + carriesMetadata,
		note: "registered types as JSON; the client adds a stack trace",
		raise: func(i int) error {
			return &buildkitError{
				grpcerrors.WrapCode(errors.New(message), codes.Internal),
				&buildkitDetail{&errdetails.ErrorInfo{
					Reason: reason, Domain: domain, Metadata: map[string]string{"instance_id": instance(i), "node": node},
				}},
			}
		},
		server: grpcerrors.UnaryServerInterceptor,
		client: grpcerrors.UnaryClientInterceptor,
		is: func(err error) bool {
			var e *buildkitError
			return errors.As(err, &e) && e.detail.Reason == reason
		},
		read: func(err error) facts {
			var e *buildkitError
			if !errors.As(err, &e) {
				return facts{}
			}
			st, _ := grpcerrors.AsGRPCStatus(err)
			return facts{code: e.detail.Reason, message: st.Message(), instance: e.detail.Metadata["instance_id"], node: e.detail.Metadata["node"]}
		},
	}
}

// A cockroachError is a leaf with an encoder and a decoder, as cockroachdb/errors
// asks of types that are to arrive as themselves.
type cockroachError struct {
	number         int
	message        string
	instance, node string
}

func (e *cockroachError) Error() string { return e.message }

func cockroach() *contender {
	key := cockroacherrors.GetTypeKey(new(cockroachError))
	cockroacherrors.RegisterLeafEncoder(key, func(_ context.Context, err error) (string, []string, gogoproto.Message) {
		e := err.(*cockroachError)
		return e.message, nil, &errorspb.StringsPayload{Details: []string{strconv.Itoa(e.number), e.instance, e.node}}
	})
	cockroacherrors.RegisterLeafDecoder(key, func(_ context.Context, message string, _ []string, payload gogoproto.Message) error {
		p, ok := payload.(*errorspb.StringsPayload)
		if !ok || len(p.Details) != 3 {
			return nil
		}
		number, _ := strconv.Atoi(p.Details[0])
		return &cockroachError{number, message, p.Details[1], p.Details[2]}
	})
	return &contender{
		name: "cockroachdb/errors", module: "github.com/cockroachdb/errors", carries: carriesCode + carriesMessage + carriesMetadata,
		note: "the whole chain with its stack trace",
		raise: func(i int) error {
			return extgrpc.WrapWithGrpcCode(cockroacherrors.WithStack(&cockroachError{number, message, instance(i), node}), codes.Internal)
		},
		server: middleware.UnaryServerInterceptor,
		client: middleware.UnaryClientInterceptor,
		is: func(err error) bool {
			var e *cockroachError
			return errors.As(err, &e) && e.number == number
		},
		read: func(err error) facts {
			var e *cockroachError
			if !errors.As(err, &e) {
				return facts{}
			}
			return facts{code: strconv.Itoa(e.number), message: e.message, instance: e.instance, node: e.node}
		},
	}
}
