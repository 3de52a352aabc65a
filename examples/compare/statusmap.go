package main

import (
	"errors"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/mapping"
)

// statusmap is this repository.
func statusmap() *contender {
	return &contender{
		name: "statusmap", module: "github.com/openyuanrong/statusmap", carries: carriesCode + carriesMessage + carriesMetadata + carriesRetry,
		note: "domain, number, reason, retry class; the server sets grpc-retry-pushback-ms too, and the client announces itself",
		raise: func(i int) error {
			return sdk.LocalSchedulerOperationError.Errorf(message).
				With("instance_id", instance(i), "node", node)
		},
		server: interceptor.UnaryServer(interceptor.WithIdempotent(callInfo.FullMethod)),
		client: interceptor.UnaryClient(),
		dial:   interceptor.DialOptions(),
		is:     func(err error) bool { return errors.Is(err, sdk.LocalSchedulerOperationError) },
		read: func(err error) facts {
			e, ok := mapping.FromError(err)
			if !ok {
				return facts{}
			}
			m := e.Metadata()
			return facts{code: e.Reason(), message: e.Message(), instance: m["instance_id"], node: m["node"], delay: e.Retry().Delay}
		},
	}
}

// statusOnly is statusmap with nothing but the status: without the trailer and the request
// header that no other contender sends.
func statusOnly() *contender {
	c := statusmap()
	c.name, c.note = "statusmap, status only", "the same without that trailer and the announcement"
	c.server = interceptor.UnaryServer(interceptor.WithIdempotent(callInfo.FullMethod), interceptor.WithoutPushback())
	c.dial = interceptor.DialOptions(interceptor.WithoutAnnouncement())
	return c
}
