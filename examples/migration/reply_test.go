package main

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	inbandv1 "github.com/openyuanrong/statusmap/examples/internal/pb/inband/v1"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/inband"
)

// A form is one in which generated Go code has a reply: fine ones, and failed ones with
// the code that is in them.
type form struct {
	name   string
	fine   []proto.Message
	failed map[mapping.Code]proto.Message
}

func opaque(code int32, message string) *inbandv1.OpaqueStatus {
	return inbandv1.OpaqueStatus_builder{Code: &code, Message: &message}.Build()
}

func forms() []form {
	const notFound = inbandv1.ErrorCode_ERROR_CODE_INSTANCE_NOT_FOUND
	return []form{
		{
			"an integer", []proto.Message{new(inbandv1.KillResponse), &inbandv1.KillResponse{Message: "ok"}, (*inbandv1.KillResponse)(nil)},
			map[mapping.Code]proto.Message{sdk.InstanceNotFound: &inbandv1.KillResponse{Code: 1003}},
		},
		{
			"an enum", []proto.Message{new(inbandv1.InvokeStreamResponse), &inbandv1.InvokeStreamResponse{Output: "x"}},
			map[mapping.Code]proto.Message{sdk.InstanceNotFound: &inbandv1.InvokeStreamResponse{Code: notFound}},
		},
		{
			"nested", []proto.Message{new(inbandv1.CreateResponse), &inbandv1.CreateResponse{Status: new(inbandv1.Status)}},
			map[mapping.Code]proto.Message{sdk.InstanceNotFound: &inbandv1.CreateResponse{Status: &inbandv1.Status{Code: notFound}}},
		},
		{
			"two places", []proto.Message{
				new(inbandv1.InvokeResponse),
				&inbandv1.InvokeResponse{Status: &inbandv1.Status{Message: "ok"}, CallResult: &inbandv1.CallResult{Output: "hello"}},
			},
			map[mapping.Code]proto.Message{
				sdk.InstanceNotFound:      &inbandv1.InvokeResponse{Status: &inbandv1.Status{Code: notFound}, CallResult: &inbandv1.CallResult{Code: 2002}},
				sdk.UserFunctionException: &inbandv1.InvokeResponse{Status: &inbandv1.Status{}, CallResult: &inbandv1.CallResult{Code: 2002}},
			},
		},
		{
			"presence", []proto.Message{new(inbandv1.PresenceReply), &inbandv1.PresenceReply{Code: proto.Int32(0), Message: proto.String("ok")}},
			map[mapping.Code]proto.Message{sdk.InstanceNotFound: &inbandv1.PresenceReply{Code: proto.Int32(1003)}},
		},
		{
			"a oneof", []proto.Message{
				new(inbandv1.OneofReply),
				&inbandv1.OneofReply{Result: &inbandv1.OneofReply_Output{Output: "x"}},
				&inbandv1.OneofReply{Result: &inbandv1.OneofReply_Status{}},
				&inbandv1.OneofReply{Result: &inbandv1.OneofReply_Status{Status: new(inbandv1.Status)}},
				&inbandv1.OneofReply{Result: &inbandv1.OneofReply_CallResult{CallResult: &inbandv1.CallResult{Output: "x"}}},
				&inbandv1.OneofReply{Result: (*inbandv1.OneofReply_Status)(nil)},
			},
			map[mapping.Code]proto.Message{
				sdk.InstanceNotFound:      &inbandv1.OneofReply{Result: &inbandv1.OneofReply_Status{Status: &inbandv1.Status{Code: notFound}}},
				sdk.UserFunctionException: &inbandv1.OneofReply{Result: &inbandv1.OneofReply_CallResult{CallResult: &inbandv1.CallResult{Code: 2002}}},
			},
		},
		{
			"a code in a oneof", []proto.Message{
				new(inbandv1.OneofCodeReply),
				&inbandv1.OneofCodeReply{Result: &inbandv1.OneofCodeReply_Output{Output: "x"}},
				&inbandv1.OneofCodeReply{Result: &inbandv1.OneofCodeReply_Code{}},
			},
			map[mapping.Code]proto.Message{sdk.InstanceNotFound: &inbandv1.OneofCodeReply{Result: &inbandv1.OneofCodeReply_Code{Code: notFound}}},
		},
		{
			"opaque", []proto.Message{
				new(inbandv1.OpaqueReply),
				inbandv1.OpaqueReply_builder{Status: opaque(0, "ok"), CallResult: new(inbandv1.OpaqueStatus)}.Build(),
			},
			map[mapping.Code]proto.Message{
				sdk.InstanceNotFound:      inbandv1.OpaqueReply_builder{Status: opaque(1003, "")}.Build(),
				sdk.UserFunctionException: inbandv1.OpaqueReply_builder{Status: opaque(0, "ok"), CallResult: opaque(2002, "")}.Build(),
			},
		},
		{
			"an opaque oneof", []proto.Message{
				new(inbandv1.OpaqueOneofReply),
				inbandv1.OpaqueOneofReply_builder{Output: proto.String("x")}.Build(),
				inbandv1.OpaqueOneofReply_builder{CallResult: opaque(0, "ok")}.Build(),
			},
			map[mapping.Code]proto.Message{
				sdk.InstanceNotFound:      inbandv1.OpaqueOneofReply_builder{Status: opaque(1003, "")}.Build(),
				sdk.UserFunctionException: inbandv1.OpaqueOneofReply_builder{CallResult: opaque(2002, "")}.Build(),
			},
		},
		{
			"lazy", []proto.Message{new(inbandv1.LazyReply), inbandv1.LazyReply_builder{Status: opaque(0, "ok")}.Build()},
			map[mapping.Code]proto.Message{sdk.InstanceNotFound: inbandv1.LazyReply_builder{Status: opaque(1003, "")}.Build()},
		},
	}
}

// received returns a message as it comes out of a connection.
func received(t testing.TB, m proto.Message) proto.Message {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	r := m.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(b, r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCodesAreFoundInAnyGeneratedReply(t *testing.T) {
	for _, f := range forms() {
		inBand := new(inband.Format)
		for i, m := range f.fine {
			if e, failed := inBand.FromReply("", m); failed {
				t.Errorf("%s: fine reply %d is %v", f.name, i, e)
			}
			if e, failed := inBand.FromReply("", received(t, m)); failed {
				t.Errorf("%s: fine reply %d, received, is %v", f.name, i, e)
			}
		}
		for want, m := range f.failed {
			for _, m := range []proto.Message{m, received(t, m)} {
				if e, _ := inBand.FromReply("", m); e.Code() != want {
					t.Errorf("%s: %v is %v, want %v", f.name, m, e, want)
				}
			}
		}
	}
}

// A server writes what a client finds, in each form.
func TestRepliesOfAnyGeneratedTypeAreWritten(t *testing.T) {
	for _, f := range forms() {
		inBand := new(inband.Format)
		reply, ok := inBand.NewReply(f.fine[0].ProtoReflect().Type(), sdk.InstanceNotFound.Errorf("no a1"), false)
		if !ok {
			t.Errorf("%s: no reply is made", f.name)
			continue
		}
		e, _ := inBand.FromReply("", received(t, reply))
		var in *inband.Reply
		if e.Code() != sdk.InstanceNotFound || e.Message() != "no a1" || !errors.As(e, &in) {
			t.Errorf("%s: %v is %v, want 1003", f.name, reply, e)
		}
	}
}

func TestReadingASuccessAllocatesNothing(t *testing.T) {
	for _, f := range forms() {
		for i, m := range f.fine {
			inBand := new(inband.Format)
			if n := testing.AllocsPerRun(100, func() { _, _ = inBand.FromReply("", m) }); n != 0 {
				t.Errorf("%s: %v allocations for fine reply %d, want 0", f.name, n, i)
			}
		}
	}
}

// The goal is 50 ns, but for the reply that is decoded on demand.
func BenchmarkReadingASuccess(b *testing.B) {
	for _, f := range forms() {
		for i, m := range f.fine {
			inBand := new(inband.Format)
			b.Run(fmt.Sprintf("%s/%d", f.name, i), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if e, failed := inBand.FromReply("", m); failed {
						b.Fatal(e)
					}
				}
			})
		}
	}
}
