package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// The facts that every contender is asked to carry: code 3011, a message of 54 bytes,
// two metadata entries, and a retry hint. The instance is another one at every call,
// as in life: an error that is repeated byte for byte compresses to nothing (HPACK).
const (
	domain  = "sdk.yuanrong"
	number  = 3011
	reason  = "LOCAL_SCHEDULER_OPERATION_ERROR"
	message = "local scheduler rejected the instance: no node matches"
	node    = "dggphis36581-node-0017"
	delay   = time.Second
)

func instance(i int) string { return "0b7f6c1e-9d42-4f0a-8c3e" + strconv.Itoa(100000+i%900000) }

// What a contender can carry, as the letters of its column in the table.
const (
	carriesCode     = "C" // the platform's code, by which errors are told apart
	carriesMessage  = "M"
	carriesMetadata = "X"
	carriesRetry    = "R"
)

// facts are what a client can read out of a received error.
type facts struct {
	code           string
	message        string
	instance, node string
	delay          time.Duration
}

// A contender is one way to get an error to the other side.
type contender struct {
	name    string
	module  string // whose version is in the table
	carries string
	note    string

	// raise returns the error that a handler returns.
	raise func(i int) error
	// server and client are the interceptors, nil for none.
	server grpc.UnaryServerInterceptor
	client grpc.UnaryClientInterceptor
	// dial is what a connection needs instead of the client interceptor alone.
	dial []grpc.DialOption
	// is reports whether a received error has the code. It is how callers tell errors
	// apart, and it is measured.
	is func(error) bool
	// read returns all that arrived; it is not measured.
	read func(error) facts
}

// sender returns a function that returns the error that grpc-go is handed when the
// handler returns err.
func (c *contender) sender(err error) func() error {
	if c.server == nil {
		return func() error { return err }
	}
	handler := func(context.Context, any) (any, error) { return nil, err }
	return func() error {
		_, err := c.server(context.Background(), nil, callInfo, handler)
		return err
	}
}

// receiver returns a function that returns what the caller gets for an error that
// grpc-go returned.
func (c *contender) receiver(err error) func() error {
	if c.client == nil {
		return func() error { return err }
	}
	invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return err }
	return func() error {
		return c.client(context.Background(), callInfo.FullMethod, nil, nil, nil, invoker)
	}
}

// deliver returns what the caller gets for an error that the handler returned, without
// a network, and how many bytes it took.
func (c *contender) deliver(err error) (size int, delivered error) {
	size, received := transport(c.sender(err)())
	return size, c.receiver(received)()
}

// transport turns the error handed to grpc-go on one side into the one that it
// returns on the other, without a network, and tells how many bytes of
// grpc-status-details-bin that takes.
func transport(sent error) (size int, received error) {
	st, _ := status.FromError(sent)
	p := st.Proto()
	bin, err := proto.Marshal(p)
	if err != nil {
		return 0, err
	}
	if len(p.Details) > 0 { // else grpc-message says it all
		size = len(bin)
	}
	p.Reset()
	if err := proto.Unmarshal(bin, p); err != nil {
		return 0, err
	}
	return size, status.ErrorProto(p)
}

// check returns an error unless exactly what the contender claims to carry arrives
// with an error that was raised as the ith.
func (c *contender) check(err error, i int) error {
	if err == nil {
		return fmt.Errorf("%s: no error arrived", c.name)
	}
	if !c.is(err) {
		return fmt.Errorf("%s: %v is not recognised", c.name, err)
	}
	if other := c.receiver(status.Error(codes.NotFound, "something else"))(); c.is(other) {
		return fmt.Errorf("%s: %v is taken for the error", c.name, other)
	}
	got := c.read(err)
	arrived := ""
	if got.code == reason || got.code == strconv.Itoa(number) || got.code == domain+" "+strconv.Itoa(number) {
		arrived += carriesCode
	}
	if got.message == message {
		arrived += carriesMessage
	}
	if got.instance == instance(i) && got.node == node {
		arrived += carriesMetadata
	}
	if got.delay == delay {
		arrived += carriesRetry
	}
	if arrived != c.carries {
		return fmt.Errorf("%s: claims to carry %s, but %q arrived: %+v", c.name, c.carries, arrived, got)
	}
	return nil
}

// contenders returns all of them; the first two are the yardsticks.
func contenders() []*contender {
	return []*contender{
		plain(), naive(), naiveStatusOnly(), statusmap(), statusOnly(), withDetails(),
		temporal(), kratos(), gax(), containerd(), buildkit(), cockroach(),
	}
}
