package interceptor

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/openyuanrong/statusmap/mapping"
)

// answersInBand reports whether the caller gets errors in replies, where they can be
// told in one.
func (s *server) answersInBand(ctx context.Context) bool {
	return s.inBand != nil && !hasAnnounced(ctx)
}

// answer sends an error in a reply, if the caller and the method call for it, and
// reports whether it did. With a nil send it does nothing.
func (s *server) answer(ctx context.Context, method string, e *mapping.Error, idempotent bool, send func(proto.Message) error) bool {
	if send == nil || !s.answersInBand(ctx) {
		return false
	}
	reply, ok := s.inBand.NewReply(replyType(method), e, idempotent)
	return ok && send(reply) == nil
}

// replyType returns the type of a method's replies, nil if it is not linked in.
func replyType(method string) protoreflect.MessageType {
	md := methodDescriptor(method)
	if md == nil {
		return nil
	}
	t, err := protoregistry.GlobalTypes.FindMessageByName(md.Output().FullName())
	if err != nil {
		return nil
	}
	return t
}

// lastMessage returns the stream for the handler, and how to send a last message on it:
// nil where the method does not ask for one.
func (s *server) lastMessage(stream grpc.ServerStream, info *grpc.StreamServerInfo) (grpc.ServerStream, func(proto.Message) error) {
	if s.inBand == nil || !s.inBandStreams[info.FullMethod] {
		return stream, nil
	}
	once := &singleReply{ServerStream: stream, single: !info.IsServerStream}
	return once, once.send
}

// singleReply is a stream that knows whether its only reply was sent.
type singleReply struct {
	grpc.ServerStream
	single, sent bool
}

func (s *singleReply) SendMsg(m any) error {
	s.sent = true
	return s.ServerStream.SendMsg(m)
}

// errReplied says that there can be no further reply.
var errReplied = errors.New("the only reply was sent already")

func (s *singleReply) send(m proto.Message) error {
	if s.single && s.sent {
		return errReplied
	}
	return s.ServerStream.SendMsg(m)
}
