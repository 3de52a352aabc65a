package inband_test

import (
	stdcmp "cmp"
	"math"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/inband"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// The seeds of FuzzFromReply that are damaged, or that no sender of the platform would
// write, lie in testdata/fuzz, a file for each case. go test runs them all.

// fuzzedReplies are types of replies, each with the paths to where it carries a code. The
// number of a type in the corpus is its index.
var fuzzedReplies = []struct {
	name  protoreflect.FullName
	paths [][]protoreflect.Name
}{
	{"replies.Enum", [][]protoreflect.Name{{}}},
	{"replies.Int", [][]protoreflect.Name{{}}},
	{"replies.Uint64", [][]protoreflect.Name{{}}},
	{"replies.Int64", [][]protoreflect.Name{{}}},
	{"replies.Optional", [][]protoreflect.Name{{}}},
	{"replies.Invoke", [][]protoreflect.Name{{"status"}, {"callResult"}}},
	{"replies.Create", [][]protoreflect.Name{{"status"}, {"call_result"}}},
	{"replies.Either", [][]protoreflect.Name{{"status"}}},
	{"closed.Reply", [][]protoreflect.Name{{}}},
	{"replies.HealthReport", nil},
	{"replies.NoMessage", nil},
	{"replies.Many", nil},
	{"replies.WithGRPC", nil},
	{"grpc.testing.EchoStatus", [][]protoreflect.Name{{}}},
	{"grpc.testing.SimpleRequest", [][]protoreflect.Name{{"response_status"}}},
}

// FuzzFromReply reads replies of any bytes, those of generated types in both of the ways
// in which they are read, and puts what it read into a reply again.
func FuzzFromReply(f *testing.F) {
	for i, reply := range []proto.Message{
		replyOf(f, "replies.Enum", `code: ERR_INSTANCE_NOT_FOUND message: "no a1" data: "x"`),
		replyOf(f, "replies.Int", `code: 1003 message: "no a1"`),
		replyOf(f, "replies.Uint64", `code: 18446744073709551615`),
		replyOf(f, "replies.Int64", `code: -4294967295 message: "x"`),
		replyOf(f, "replies.Optional", `code: 1002 retryable: false`),
		replyOf(f, "replies.Invoke", `status { message: "ok" } callResult { code: 2002 message: "boom" }`),
		replyOf(f, "replies.Create", `status { code: 3001 retryable: true retry_reason: "post-dispatch-unknown" }`),
		replyOf(f, "replies.Either", `status { code: ERR_INNER_COMMUNICATION retryable: true retryReason: "pre-dispatch" }`),
		replyOf(f, "closed.Reply", `code: ERR_INSTANCE_NOT_FOUND`),
		replyOf(f, "replies.HealthReport", `code: SUB_HEALTH message: "slow"`),
	} {
		b, err := proto.Marshal(reply)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), b)
	}
	generated := map[protoreflect.FullName]protoreflect.MessageType{}
	for _, m := range []proto.Message{new(testgrpc.EchoStatus), new(testgrpc.SimpleRequest)} {
		generated[m.ProtoReflect().Descriptor().FullName()] = m.ProtoReflect().Type()
	}
	format := &inband.Format{Nested: []string{"status", "callResult", "response_status"}}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		of := fuzzedReplies[int(kind)%len(fuzzedReplies)]
		if type_, ok := generated[of.name]; ok {
			checkReply(t, format, dynamicpb.NewMessageType(type_.Descriptor()), of.paths, b)
			checkReply(t, format, type_, of.paths, b)
			return
		}
		checkReply(t, format, replyTypes()[string(of.name)], of.paths, b)
	})
}

// checkReply reads a reply and holds the result to what the fields of the message say.
func checkReply(t *testing.T, format *inband.Format, type_ protoreflect.MessageType, paths [][]protoreflect.Name, b []byte) {
	reply := type_.New().Interface()
	if proto.Unmarshal(b, reply) != nil {
		return // gRPC reports it
	}
	e, ok := format.FromReply(kill, reply)
	place, number := firstCode(reply.ProtoReflect(), paths)
	if ok != (number != 0) || ok != (e != nil) {
		t.Fatalf("FromReply(%v) = %v, %v; its code is %d", reply, e, ok, number)
	}
	if !ok {
		return
	}
	if e.GRPCCode() == codes.OK || e.GRPCCode() > codes.Unauthenticated || !utf8.ValidString(e.Message()) {
		t.Errorf("FromReply(%v) = %v with gRPC code %v, message %q", reply, e, e.GRPCCode(), e.Message())
	}
	if st := e.Seal(rpcerr.Wire{}).GRPCStatus().Proto(); rpcerr.Size(st) > rpcerr.DefaultBudget {
		t.Errorf("FromReply(%v) takes %d bytes on the wire", reply, rpcerr.Size(st))
	}
	if number < 0 || number > math.MaxInt32 {
		return // no code of a catalogue
	}
	if e.Origin() != mapping.OriginPeer {
		t.Errorf("FromReply(%v) has origin %v, want peer", reply, e.Origin())
	}
	c, listed := sdk.Catalog().Lookup(int32(number))
	if e.Code().Domain() != sdk.Domain || int64(e.Code().Number()) != number || e.Code().Listed() != listed {
		t.Errorf("FromReply(%v) = %v of %s, want %d", reply, e.Code(), e.Code().Domain(), number)
	}
	text := place.Get(place.Descriptor().Fields().ByName("message")).String()
	if want := stdcmp.Or(text, c.Description("en")); utf8.ValidString(text) && e.Message() != want {
		t.Errorf("FromReply(%v) has the message %q, want %q", reply, e.Message(), want)
	}
	checkHint(t, e)
	if again, ok := format.FromReply(kill, reply); !ok || again.Code() != e.Code() || again.Retry() != e.Retry() {
		t.Errorf("FromReply(%v) = %v, and then %v", reply, e, again)
	}
	if again, ok := format.NewReply(type_, e, true); ok {
		if got, _ := format.FromReply(kill, again); got.Code() != e.Code() {
			t.Errorf("%v was told as %v, which says %v", e, again, got.Code())
		}
	}
}

// firstCode returns the first code of a reply that is not 0, with the message that it
// stands in. A number that int64 cannot hold is the largest.
func firstCode(reply protoreflect.Message, paths [][]protoreflect.Name) (protoreflect.Message, int64) {
	for _, path := range paths {
		m := reply
		for _, name := range path {
			m = m.Get(m.Descriptor().Fields().ByName(name)).Message()
		}
		field := m.Descriptor().Fields().ByName("code")
		if !m.Has(field) {
			continue
		}
		switch v := m.Get(field).Interface().(type) {
		case protoreflect.EnumNumber:
			return m, int64(v)
		case int32:
			return m, int64(v)
		case int64:
			return m, v
		case uint64:
			return m, int64(min(v, math.MaxInt64))
		}
	}
	return nil, 0
}

// checkHint holds a hint to what the code allows: a reply may say less, and SAFE only of
// what may be repeated at all.
func checkHint(t *testing.T, e *mapping.Error) {
	class := e.Retry().Class
	switch of := e.Code().Retry().Class; of {
	case mapping.Safe, mapping.Idempotent:
		if class == mapping.HigherLevel {
			t.Errorf("%v has class %v", e.Code(), class)
		}
	default:
		if class != of {
			t.Errorf("%v has class %v, want %v", e.Code(), class, of)
		}
	}
	if class == mapping.Never && e.Retry().Delay != 0 {
		t.Errorf("%v waits %v for nothing", e.Code(), e.Retry().Delay)
	}
}
