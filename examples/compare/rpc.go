package main

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

// callInfo names the method by which all contenders are called.
var callInfo = &grpc.UnaryServerInfo{FullMethod: "/statusmap.compare.Compare/Call"}

// A link is a server of one contender and a connection to it over TCP loopback.
type link struct {
	server *grpc.Server
	conn   *grpc.ClientConn
	calls  int
}

// connect serves the contender's error, or success, to whoever calls.
func connect(c *contender, fails bool) (*link, error) {
	l := new(link)
	var opts []grpc.ServerOption
	if c.server != nil {
		opts = append(opts, grpc.UnaryInterceptor(c.server))
	}
	l.server = grpc.NewServer(opts...)
	handler := func(context.Context, any) (any, error) {
		if fails {
			return nil, c.raise(l.calls)
		}
		return new(emptypb.Empty), nil
	}
	l.server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "statusmap.compare.Compare",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Call",
			Handler: func(_ any, ctx context.Context, decode func(any) error, in grpc.UnaryServerInterceptor) (any, error) {
				req := new(emptypb.Empty)
				if err := decode(req); err != nil {
					return nil, err
				}
				if in == nil {
					return handler(ctx, req)
				}
				return in(ctx, req, callInfo, handler)
			},
		}},
	}, nil)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() { _ = l.server.Serve(lis) }() // ends with Stop

	dial := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	switch {
	case c.dial != nil:
		dial = append(dial, c.dial...)
	case c.client != nil:
		dial = append(dial, grpc.WithUnaryInterceptor(c.client))
	}
	if l.conn, err = grpc.NewClient(lis.Addr().String(), dial...); err != nil {
		l.server.Stop()
		return nil, err
	}
	return l, nil
}

// call makes the next call, whose number is that of the error.
func (l *link) call() error {
	l.calls++
	return l.conn.Invoke(context.Background(), callInfo.FullMethod, new(emptypb.Empty), new(emptypb.Empty))
}

func (l *link) close() {
	_ = l.conn.Close()
	l.server.Stop()
}
