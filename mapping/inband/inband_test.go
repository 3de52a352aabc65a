package inband_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/inband"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// replyFile declares replies of the shapes that the platform has, and of some that only
// look like them.
const replyFile = `
name: "replies.proto" package: "replies" syntax: "proto3" dependency: "google/rpc/status.proto"
enum_type { name: "ErrorCode"
  value { name: "ERR_NONE" number: 0 } value { name: "ERR_INSTANCE_NOT_FOUND" number: 1003 } value { name: "ERR_INNER_COMMUNICATION" number: 3002 } }
enum_type { name: "Health" value { name: "HEALTHY" number: 0 } value { name: "FAILED" number: 1 } value { name: "SUB_HEALTH" number: 2 } }
message_type { name: "Enum"
  field { name: "code" number: 1 type: TYPE_ENUM type_name: ".replies.ErrorCode" label: LABEL_OPTIONAL }
  field { name: "message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "data" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "Int"
  field { name: "code" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
  field { name: "message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "Uint64"
  field { name: "code" number: 1 type: TYPE_UINT64 label: LABEL_OPTIONAL }
  field { name: "message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "Int64"
  field { name: "code" number: 1 type: TYPE_SINT64 label: LABEL_OPTIONAL }
  field { name: "message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "Optional"
  field { name: "code" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL proto3_optional: true oneof_index: 0 }
  field { name: "message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "retryable" number: 3 type: TYPE_BOOL label: LABEL_OPTIONAL proto3_optional: true oneof_index: 1 }
  oneof_decl { name: "_code" } oneof_decl { name: "_retryable" } }
message_type { name: "Status"
  field { name: "code" number: 1 type: TYPE_ENUM type_name: ".replies.ErrorCode" label: LABEL_OPTIONAL }
  field { name: "message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "retryable" number: 3 type: TYPE_BOOL label: LABEL_OPTIONAL }
  field { name: "retryReason" number: 4 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "SnakeStatus"
  field { name: "code" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
  field { name: "message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "retryable" number: 3 type: TYPE_BOOL label: LABEL_OPTIONAL }
  field { name: "retry_reason" number: 4 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "Invoke"
  field { name: "status" number: 1 type: TYPE_MESSAGE type_name: ".replies.Status" label: LABEL_OPTIONAL }
  field { name: "callResult" number: 2 type: TYPE_MESSAGE type_name: ".replies.Int" label: LABEL_OPTIONAL } }
message_type { name: "Create"
  field { name: "status" number: 1 type: TYPE_MESSAGE type_name: ".replies.SnakeStatus" label: LABEL_OPTIONAL }
  field { name: "call_result" number: 2 type: TYPE_MESSAGE type_name: ".replies.Int" label: LABEL_OPTIONAL }
  field { name: "create" number: 3 type: TYPE_MESSAGE type_name: ".replies.Enum" label: LABEL_OPTIONAL } }
message_type { name: "Either"
  field { name: "status" number: 1 type: TYPE_MESSAGE type_name: ".replies.Status" label: LABEL_OPTIONAL oneof_index: 0 }
  field { name: "data" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
  oneof_decl { name: "result" } }
message_type { name: "HealthReport"
  field { name: "code" number: 1 type: TYPE_ENUM type_name: ".replies.Health" label: LABEL_OPTIONAL }
  field { name: "message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "NoMessage" field { name: "code" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL } }
message_type { name: "Many"
  field { name: "code" number: 1 type: TYPE_INT32 label: LABEL_REPEATED }
  field { name: "message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "status" number: 3 type: TYPE_MESSAGE type_name: ".replies.Status" label: LABEL_REPEATED } }
message_type { name: "Texts"
  field { name: "code" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
  field { name: "message" number: 2 type: TYPE_STRING label: LABEL_REPEATED } }
message_type { name: "Flags"
  field { name: "code" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
  field { name: "message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "retryable" number: 3 type: TYPE_BOOL label: LABEL_REPEATED }
  field { name: "retry_reason" number: 4 type: TYPE_STRING label: LABEL_REPEATED } }
message_type { name: "WithGRPC" field { name: "status" number: 1 type: TYPE_MESSAGE type_name: ".google.rpc.Status" label: LABEL_OPTIONAL } }
`

// closedFile is proto2, where enums are closed and fields have defaults.
const closedFile = `
name: "closed.proto" package: "closed"
enum_type { name: "ErrorCode" value { name: "ERR_INSTANCE_NOT_FOUND" number: 1003 } value { name: "ERR_NONE" number: 0 } }
message_type { name: "Reply"
  field { name: "code" number: 1 type: TYPE_ENUM type_name: ".closed.ErrorCode" label: LABEL_OPTIONAL }
  field { name: "message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "Required"
  field { name: "code" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
  field { name: "message" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "data" number: 3 type: TYPE_STRING label: LABEL_REQUIRED } }
`

var replyTypes = sync.OnceValue(func() map[string]protoreflect.MessageType {
	_ = (*spb.Status)(nil) // linked, for the import
	types := map[string]protoreflect.MessageType{}
	for _, text := range []string{replyFile, closedFile} {
		fdp := new(descriptorpb.FileDescriptorProto)
		if err := prototext.Unmarshal([]byte(text), fdp); err != nil {
			panic(err)
		}
		fd, err := protodesc.NewFile(fdp, protoregistry.GlobalFiles)
		if err != nil {
			panic(err)
		}
		for i := range fd.Messages().Len() {
			d := fd.Messages().Get(i)
			types[string(d.FullName())] = dynamicpb.NewMessageType(d)
		}
	}
	return types
})

// replyOf makes a reply of a type in replyFile or closedFile.
func replyOf(t testing.TB, name, text string) proto.Message {
	t.Helper()
	m := replyTypes()[name].New().Interface()
	if err := prototext.Unmarshal([]byte(text), m); err != nil {
		t.Fatal(err)
	}
	return m
}

const kill = "/replies.Service/Kill"

func TestFromReplyReadsTheCode(t *testing.T) {
	for _, test := range []struct {
		name, reply, text string
		want              mapping.Code // zero: no error
		message           string
	}{
		{"enum", "replies.Enum", `code: ERR_INSTANCE_NOT_FOUND message: "no a1" data: "x"`, sdk.InstanceNotFound, "no a1"},
		{"enum, success", "replies.Enum", `message: "fine" data: "x"`, mapping.Code{}, ""},
		{"enum, a number that it lacks", "replies.Enum", `code: 1013 message: "evicted"`, sdk.InstanceEvicted, "evicted"},
		{"integer", "replies.Int", `code: 1003 message: "no a1"`, sdk.InstanceNotFound, "no a1"},
		{"integer, success", "replies.Int", ``, mapping.Code{}, ""},
		{"unsigned 64 bits", "replies.Uint64", `code: 1003 message: "no a1"`, sdk.InstanceNotFound, "no a1"},
		{"signed 64 bits", "replies.Int64", `code: 1003 message: "no a1"`, sdk.InstanceNotFound, "no a1"},
		{"optional", "replies.Optional", `code: 1003 message: "no a1"`, sdk.InstanceNotFound, "no a1"},
		{"optional, absent", "replies.Optional", `message: "fine"`, mapping.Code{}, ""},
		{"no message, so the catalogue's", "replies.Int", `code: 1003`, sdk.InstanceNotFound, sdk.InstanceNotFound.Description("en")},
		{"nested status", "replies.Invoke", `status { code: ERR_INSTANCE_NOT_FOUND message: "no a1" }`, sdk.InstanceNotFound, "no a1"},
		{"nested status, absent", "replies.Invoke", ``, mapping.Code{}, ""},
		{"status says none, the call result fails", "replies.Invoke", `status { code: ERR_NONE message: "ok" } callResult { code: 2002 message: "boom" }`, sdk.UserFunctionException, "boom"},
		{"the status counts before the call result", "replies.Invoke", `status { code: ERR_INNER_COMMUNICATION message: "lost" } callResult { code: 2002 message: "boom" }`, sdk.InnerCommunication, "lost"},
		{"both fine", "replies.Invoke", `status { message: "ok" } callResult { message: "ok" }`, mapping.Code{}, ""},
		{"snake case", "replies.Create", `call_result { code: 2001 message: "no module" }`, sdk.UserCodeLoad, "no module"},
		{"a field that is not named", "replies.Create", `create { code: ERR_INSTANCE_NOT_FOUND }`, mapping.Code{}, ""},
		{"member of a oneof", "replies.Either", `status { code: ERR_INSTANCE_NOT_FOUND message: "no a1" }`, sdk.InstanceNotFound, "no a1"},
		{"other member of a oneof", "replies.Either", `data: "x"`, mapping.Code{}, ""},
		{"proto2", "closed.Reply", `code: ERR_INSTANCE_NOT_FOUND message: "no a1"`, sdk.InstanceNotFound, "no a1"},
		{"proto2, absent though the default is an error", "closed.Reply", `message: "fine"`, mapping.Code{}, ""},
		{"a health report is no error", "replies.HealthReport", `code: SUB_HEALTH message: "slow"`, mapping.Code{}, ""},
		{"a code without a message is no error", "replies.NoMessage", `code: 1003`, mapping.Code{}, ""},
		{"lists are no error", "replies.Many", `code: 1003 message: "x" status { code: ERR_INSTANCE_NOT_FOUND }`, mapping.Code{}, ""},
		{"google.rpc.Status has other numbers", "replies.WithGRPC", `status { code: 5 message: "x" }`, mapping.Code{}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			reply := replyOf(t, test.reply, test.text)
			var format inband.Format
			for range 2 { // the first time the type is examined
				e, ok := format.FromReply(kill, reply)
				if ok != !test.want.IsZero() || e.Code() != test.want || e.Message() != test.message {
					t.Fatalf("FromReply = %v (%q), %v; want %v (%q)", e.Code(), e.Message(), ok, test.want, test.message)
				}
			}
		})
	}
}

func TestFromReplyGivesAWholeError(t *testing.T) {
	reply := replyOf(t, "replies.Enum", `code: ERR_INNER_COMMUNICATION message: "lost" data: "kept"`)
	e, ok := new(inband.Format).FromReply(kill, reply)
	if !ok {
		t.Fatal("FromReply found nothing")
	}
	var err error = e
	if !errors.Is(err, sdk.InnerCommunication) || status.Code(err) != codes.Unavailable || e.Origin() != mapping.OriginPeer {
		t.Errorf("error = %v, gRPC code %v, origin %v; want 3002, UNAVAILABLE, peer", err, status.Code(err), e.Origin())
	}
	if want := (mapping.Retry{Class: mapping.Idempotent, Delay: 500 * time.Millisecond}); e.Retry() != want {
		t.Errorf("Retry() = %v, want %v", e.Retry(), want)
	}
	var in *inband.Reply
	if !errors.As(err, &in) || in.Reply != reply {
		t.Errorf("errors.As found reply %v, want %v", in, reply)
	}
	if got, want := in.Error(), "code in a reply of type replies.Enum"; got != want {
		t.Errorf("Reply.Error() = %q, want %q", got, want)
	}
	// It travels on like any other error.
	relayed, _ := mapping.FromStatus(new(mapping.Mapper).Map(t.Context(), fmt.Errorf("calling b: %w", err)).GRPCStatus())
	if relayed.Code() != sdk.InnerCommunication || relayed.Message() != "lost" || relayed.Retry() != e.Retry() {
		t.Errorf("relayed: %v, %v; want 3002, %v", relayed, relayed.Retry(), e.Retry())
	}
}

func TestFromReplyOfUnlistedNumbers(t *testing.T) {
	for _, test := range []struct {
		reply, text string
		number      int32 // 0: no code can have it
		message     string
	}{
		{"replies.Int", `code: 9011 message: "x"`, 9011, "x"},
		{"replies.Int", `code: 1 message: "x"`, 1, "x"},
		{"replies.Int64", `code: 2147483647`, math.MaxInt32, ""},
		{"replies.Uint64", `code: 18446744073709551615 message: "x"`, 0, "code 9223372036854775807: x"}, // or more
		{"replies.Int64", `code: 4294968299 message: "x"`, 0, "code 4294968299: x"},                     // 1003 in the low half
		{"replies.Int64", `code: 2147483648`, 0, "code 2147483648"},
		{"replies.Int", `code: -1 message: "x"`, 0, "code -1: x"},
		{"replies.Enum", `code: -1003 message: "x"`, 0, "code -1003: x"},
		{"replies.Int64", `code: -9223372036854775808 message: "x"`, 0, "code -9223372036854775808: x"},
	} {
		e, ok := new(inband.Format).FromReply(kill, replyOf(t, test.reply, test.text))
		if !ok || e.Message() != test.message || e.GRPCCode() != codes.Unknown || e.Retry() != (mapping.Retry{Class: mapping.Never}) {
			t.Errorf("%s: FromReply = %v, %v; want %q, Unknown, NEVER", test.text, e, ok, test.message)
		}
		if e.Origin() != mapping.OriginPeer {
			t.Errorf("%s: FromReply = %v of origin %v, want %v", test.text, e, e.Origin(), mapping.OriginPeer)
		}
		// A number that no code can have is not that of another error, but no success either.
		if test.number == 0 {
			if e.Code() != sdk.InnerSystemError || !e.Inferred() {
				t.Errorf("%s: FromReply = %v, inferred %v; want 3003, inferred", test.text, e, e.Inferred())
			}
		} else if e.Code().Number() != test.number || e.Code().Domain() != sdk.Domain {
			t.Errorf("%s: FromReply = %v, want number %d of %q", test.text, e, test.number, sdk.Domain)
		}
	}
}

func TestFromReplyTrustsTheRetryFlagAsFarAsTheCodeAllows(t *testing.T) {
	const (
		safe       = 1002
		idempotent = 3001
		higher     = 1003
		never      = 1014
	)
	for _, test := range []struct {
		code      int
		retryable bool
		reason    string
		want      mapping.RetryClass
	}{
		{idempotent, true, "pre-dispatch", mapping.Safe},
		// The connection broke after the call was sent, and the sender sets the flag for
		// any code: the platform ran such calls up to five times.
		{idempotent, true, "call-response-error", mapping.Idempotent},
		{idempotent, true, "route-stale", mapping.Idempotent},
		{idempotent, true, "", mapping.Idempotent},
		{idempotent, true, "post-dispatch-unknown", mapping.Idempotent},
		{idempotent, false, "post-dispatch-unknown", mapping.Idempotent},
		{idempotent, false, "control-path-not-wired", mapping.Never},
		{idempotent, false, "", mapping.Never},
		{safe, true, "pre-dispatch", mapping.Safe},
		{safe, true, "call-response-error", mapping.Safe},
		{safe, true, "post-dispatch-unknown", mapping.Idempotent},
		{safe, false, "post-dispatch-unknown", mapping.Idempotent},
		{safe, false, "", mapping.Never},
		{never, true, "pre-dispatch", mapping.Never},
		{never, true, "call-response-error", mapping.Never}, // 1014 really comes so
		{never, false, "", mapping.Never},
		{higher, true, "pre-dispatch", mapping.HigherLevel},
		{higher, true, "call-response-error", mapping.HigherLevel},
		{higher, false, "", mapping.HigherLevel},
		{higher, false, "post-dispatch-unknown", mapping.HigherLevel},
	} {
		for _, form := range []struct{ reply, reason string }{{"replies.Invoke", "retryReason"}, {"replies.Create", "retry_reason"}} {
			text := fmt.Sprintf("status { code: %d retryable: %v %s: %q }", test.code, test.retryable, form.reason, test.reason)
			e, _ := new(inband.Format).FromReply(kill, replyOf(t, form.reply, text))
			if got := e.Retry().Class; got != test.want {
				t.Errorf("%s: class %v, want %v", text, got, test.want)
			}
			if e.Retry().Class == mapping.Never && e.Retry().Delay != 0 {
				t.Errorf("%s: NEVER after %v", text, e.Retry().Delay)
			}
			var in *inband.Reply
			if errors.As(e, &in); in.RetryReason != test.reason {
				t.Errorf("%s: RetryReason = %q", text, in.RetryReason)
			}
		}
	}
	// A flag that is not there says nothing.
	e, _ := new(inband.Format).FromReply(kill, replyOf(t, "replies.Optional", "code: 1002"))
	if got := e.Retry().Class; got != mapping.Safe {
		t.Errorf("without a flag: class %v, want SAFE", got)
	}
	e, _ = new(inband.Format).FromReply(kill, replyOf(t, "replies.Optional", "code: 1002 retryable: false"))
	if got := e.Retry().Class; got != mapping.Never {
		t.Errorf("with the flag false: class %v, want NEVER", got)
	}
}

// A reason without a flag allows nothing that the code does not.
func TestFromReplyOfAReasonAlone(t *testing.T) {
	for _, test := range []struct {
		number int64
		reason string
		want   mapping.RetryClass
	}{
		{1002, "", mapping.Safe},
		{1002, "pre-dispatch", mapping.Safe},
		{1002, "post-dispatch-unknown", mapping.Idempotent},
		{3001, "pre-dispatch", mapping.Idempotent},
		{3001, "post-dispatch-unknown", mapping.Idempotent},
		{1003, "post-dispatch-unknown", mapping.HigherLevel},
		{1014, "post-dispatch-unknown", mapping.Never},
	} {
		format := &inband.Format{Extract: func(any) inband.Outcome {
			return inband.Outcome{Number: test.number, RetryReason: test.reason}
		}}
		if e, _ := format.FromReply("", nil); e.Retry().Class != test.want {
			t.Errorf("%d with %q: class %v, want %v", test.number, test.reason, e.Retry().Class, test.want)
		}
	}
}

func TestFromReplyOfDeclaredSuccess(t *testing.T) {
	const create, start = "/replies.Service/Create", "/replies.Service/Start"
	format := &inband.Format{Success: map[string][]mapping.Code{
		kill:   {sdk.InstanceNotFound},
		create: {sdk.InstanceDuplicated, rest.FunctionNotFound},

		strings.TrimPrefix(start, "/"): {sdk.InstanceDuplicated},
	}}
	for _, test := range []struct {
		method string
		code   int
		want   bool // an error
	}{
		{kill, 1003, false},
		{kill, 1004, true},
		{create, 1004, false},
		{create, 1003, true},
		{create, 4115, true}, // the number in another domain
		{start, 1004, false},
		{start, 1003, true},
		{"", 1003, true},
	} {
		e, ok := format.FromReply(test.method, replyOf(t, "replies.Int", fmt.Sprintf("code: %d", test.code)))
		if ok != test.want || (e != nil) != test.want {
			t.Errorf("FromReply(%q, code %d) = %v, %v; want an error: %v", test.method, test.code, e, ok, test.want)
		}
	}
}

func TestFromReplyOfChosenDomains(t *testing.T) {
	reply := func(code int) proto.Message { return replyOf(t, "replies.Int", fmt.Sprintf("code: %d", code)) }
	both := &inband.Format{Catalogs: []*mapping.Catalog{nil, rest.Catalog(), sdk.Catalog()}}
	for code, want := range map[int]mapping.Code{4115: rest.FunctionNotFound, 1003: sdk.InstanceNotFound} {
		if e, _ := both.FromReply("", reply(code)); e.Code() != want {
			t.Errorf("FromReply(code %d) = %v, want %v", code, e.Code(), want)
		}
	}
	if e, _ := both.FromReply("", reply(77777)); e.Code().Domain() != rest.Domain || e.Code().Number() != 77777 {
		t.Errorf("FromReply(code 77777) = %v, want it in the first domain", e.Code())
	}
	one := &inband.Format{Catalogs: []*mapping.Catalog{rest.Catalog()}}
	if e, _ := one.FromReply("", reply(1003)); errors.Is(e, sdk.InstanceNotFound) || e.Code().Domain() != rest.Domain {
		t.Errorf("FromReply(code 1003) = %v, want it in %s", e.Code(), rest.Domain)
	}
	none := &inband.Format{Catalogs: []*mapping.Catalog{nil, new(mapping.Catalog)}}
	if e, _ := none.FromReply("", reply(1003)); e.Code() != sdk.InstanceNotFound {
		t.Errorf("FromReply(code 1003) = %v without a catalogue, want that of sdk", e.Code())
	}
}

// A row that has no gRPC code, as none should be, costs no error.
func TestFromReplyOfARowWithoutAGRPCCode(t *testing.T) {
	row := &rpcerr.Row{Domain: "billing.acme", Number: 7, Reason: "NO_CREDIT"}
	billing := rpcerr.CatalogOf("billing.acme", []*rpcerr.Row{row}, []uint16{0}, [][256]uint16{{7: 1}})
	format := &inband.Format{Catalogs: []*mapping.Catalog{&billing}}
	e, ok := format.FromReply("", replyOf(t, "replies.Int", "code: 7"))
	if !ok || e.Code() != rpcerr.CodeOf(row) || e.GRPCCode() != codes.Unknown {
		t.Errorf("FromReply(code 7) = %v, %v, want NO_CREDIT, UNKNOWN", e, ok)
	}
}

func TestFromReplyOfNamedFields(t *testing.T) {
	format := &inband.Format{Nested: []string{"create", "callResult"}}
	reply := replyOf(t, "replies.Create", `status { code: 3002 } call_result { code: 2001 } create { code: ERR_INSTANCE_NOT_FOUND }`)
	if e, _ := format.FromReply("", reply); e.Code() != sdk.InstanceNotFound {
		t.Errorf("FromReply = %v, want 1003 of the field named first", e.Code())
	}
}

func TestFromReplyByExtractor(t *testing.T) {
	type ack struct{ ok bool } // of a codec other than protobuf
	no := false
	format := &inband.Format{Extract: func(reply any) inband.Outcome {
		if a, is := reply.(*ack); is && !a.ok {
			return inband.Outcome{Number: 1002, Message: "full", Retryable: &no}
		}
		return inband.Outcome{}
	}}
	failed := &ack{}
	e, ok := format.FromReply("", failed)
	if !ok || e.Code() != sdk.ResourceNotEnough || e.Message() != "full" || e.Retry().Class != mapping.Never {
		t.Errorf("FromReply = %v, %v, %v; want 1002, full, NEVER", e, e.Retry(), ok)
	}
	var in *inband.Reply
	if !errors.As(e, &in) || in.Reply != failed {
		t.Errorf("the reply is %v, want %v", in, failed)
	}
	if e, ok := format.FromReply("", &ack{ok: true}); ok {
		t.Errorf("FromReply(success) = %v", e)
	}
	// It replaces the reading by shape.
	if e, ok := format.FromReply("", replyOf(t, "replies.Int", "code: 1003")); ok {
		t.Errorf("FromReply = %v, want what the extractor says", e)
	}
}

// The status of what was read can be sent whole, whatever bytes the reply has.
func TestFromReplyOfInvalidText(t *testing.T) {
	format := &inband.Format{Extract: func(any) inband.Outcome { return inband.Outcome{Number: 1003, Message: "no a\xff1"} }}
	e, _ := format.FromReply("", nil)
	sent, err := proto.Marshal(e.GRPCStatus().Proto())
	if err != nil {
		t.Fatal(err)
	}
	arrived := new(spb.Status)
	if err := proto.Unmarshal(sent, arrived); err != nil {
		t.Fatal(err)
	}
	if got, _ := mapping.FromStatus(status.FromProto(arrived)); got.Code() != sdk.InstanceNotFound || got.Message() != "no a\uFFFD1" {
		t.Errorf("arrived as %v", got)
	}
}

// A struct around a generated one is read as what it says to be.
type around struct {
	Own  int32 `protobuf:"varint,1,opt,name=code"`
	Echo *testgrpc.EchoStatus
}

func (a *around) ProtoReflect() protoreflect.Message { return a.Echo.ProtoReflect() }

func TestFromReplyOfAWrappedMessage(t *testing.T) {
	format := new(inband.Format)
	for range 2 {
		if e, _ := format.FromReply("", &around{Echo: &testgrpc.EchoStatus{Code: 1003}}); e.Code() != sdk.InstanceNotFound {
			t.Errorf("FromReply = %v, want 1003", e)
		}
		if e, failed := format.FromReply("", &around{Own: 1003, Echo: new(testgrpc.EchoStatus)}); failed {
			t.Errorf("FromReply = %v, want success", e)
		}
	}
}

func TestFromReplyOfWhatIsNoMessage(t *testing.T) {
	for _, reply := range []any{nil, "text", 7, (*testgrpc.EchoStatus)(nil), (*testgrpc.SimpleRequest)(nil), new(testgrpc.Empty), (*testgrpc.Empty)(nil)} {
		if e, ok := new(inband.Format).FromReply("", reply); ok || e != nil {
			t.Errorf("FromReply(%#v) = %v, want nothing", reply, e)
		}
	}
}

// Generated structs are read another way than messages that are known only at run time.
func TestFromReplyOfGeneratedTypes(t *testing.T) {
	format := &inband.Format{Nested: []string{"responseStatus"}}
	for _, test := range []struct {
		reply proto.Message
		want  mapping.Code
	}{
		{&testgrpc.EchoStatus{Code: 1003, Message: "x"}, sdk.InstanceNotFound},
		{&testgrpc.EchoStatus{Message: "x"}, mapping.Code{}},
		{&testgrpc.SimpleRequest{ResponseStatus: &testgrpc.EchoStatus{Code: 1003, Message: "x"}}, sdk.InstanceNotFound},
		{&testgrpc.SimpleRequest{ResponseStatus: &testgrpc.EchoStatus{Message: "x"}}, mapping.Code{}},
		{&testgrpc.SimpleRequest{}, mapping.Code{}},
	} {
		e, ok := format.FromReply("", test.reply)
		if e.Code() != test.want || ok != !test.want.IsZero() {
			t.Errorf("FromReply(%v) = %v, want %v", test.reply, e, test.want)
		}
	}
}

func TestNewReply(t *testing.T) {
	both := &inband.Format{Catalogs: []*mapping.Catalog{sdk.Catalog(), rest.Catalog()}}
	lost := sdk.InnerCommunication.Errorf("lost")
	for _, test := range []struct {
		name       string
		reply      string
		err        *mapping.Error
		idempotent bool
		want       string // "": the status
	}{
		{"enum", "replies.Enum", sdk.InstanceNotFound.Errorf("no a1"), false, `code: ERR_INSTANCE_NOT_FOUND message: "no a1"`},
		{"enum that lacks the number", "replies.Enum", sdk.InstanceEvicted.Errorf("gone"), false, `code: 1013 message: "gone"`},
		{"integer", "replies.Int", sdk.InstanceNotFound.Errorf("no a1"), false, `code: 1003 message: "no a1"`},
		{"unsigned 64 bits", "replies.Uint64", sdk.InstanceNotFound.Errorf("no a1"), false, `code: 1003 message: "no a1"`},
		{"signed 64 bits", "replies.Int64", sdk.InstanceNotFound.Errorf("no a1"), false, `code: 1003 message: "no a1"`},
		{"the catalogue's text", "replies.Int", sdk.InstanceNotFound.AsError(), false, fmt.Sprintf("code: 1003 message: %q", sdk.InstanceNotFound.Description("en"))},
		{"never the cause", "replies.Int", sdk.InstanceNotFound.Wrap(errors.New("secret")), false, fmt.Sprintf("code: 1003 message: %q", sdk.InstanceNotFound.Description("en"))},
		{"other domain", "replies.Int", rest.FunctionNotFound.Errorf("no f"), false, `code: 4115 message: "no f"`},
		{"class IDEMPOTENT", "replies.Invoke", lost, false, `status { code: ERR_INNER_COMMUNICATION message: "lost" retryReason: "post-dispatch-unknown" }`},
		{"class IDEMPOTENT, idempotent method", "replies.Invoke", lost, true, `status { code: ERR_INNER_COMMUNICATION message: "lost" retryable: true retryReason: "post-dispatch-unknown" }`},
		{"class SAFE", "replies.Invoke", lost.NotExecuted(), false, `status { code: ERR_INNER_COMMUNICATION message: "lost" retryable: true retryReason: "pre-dispatch" }`},
		{"class NEVER", "replies.Create", lost.DoNotRetry(), true, `status { code: 3002 message: "lost" }`},
		{"class HIGHER_LEVEL", "replies.Create", sdk.InstanceNotFound.Errorf("no a1"), true, `status { code: 1003 message: "no a1" }`},
		{"oneof", "replies.Either", lost, false, `status { code: ERR_INNER_COMMUNICATION message: "lost" retryReason: "post-dispatch-unknown" }`},
		{"closed enum that knows the number", "closed.Reply", sdk.InstanceNotFound.Errorf("no a1"), false, `code: ERR_INSTANCE_NOT_FOUND message: "no a1"`},
		{"lists in place of flags", "replies.Flags", lost, false, `code: 3002 message: "lost"`},

		{"closed enum that does not", "closed.Reply", lost, false, ""},
		{"a field that is required", "closed.Required", lost, false, ""},
		{"a list of messages", "replies.Texts", lost, false, ""},
		{"no place", "replies.NoMessage", lost, false, ""},
		{"health report", "replies.HealthReport", lost, false, ""},
		{"gRPC status", "replies.WithGRPC", lost, false, ""},
		{"lists", "replies.Many", lost, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := both.NewReply(replyTypes()[test.reply], test.err, test.idempotent)
			if ok != (test.want != "") {
				t.Fatalf("NewReply = %v, %v", got, ok)
			}
			if !ok {
				return
			}
			if diff := cmp.Diff(replyOf(t, test.reply, test.want), got, protocmp.Transform()); diff != "" {
				t.Errorf("NewReply (-want +got):\n%s", diff)
			}
			// Our own client reads the same out of it.
			back, _ := both.FromReply("", got)
			if back.Code() != test.err.Code() || back.Message() != test.err.Message() {
				t.Errorf("read back: %v, want %v", back, test.err)
			}
			if test.reply == "replies.Invoke" && back.Retry() != test.err.Retry() {
				t.Errorf("read back: retry %v, want %v", back.Retry(), test.err.Retry())
			}
		})
	}
}

// What another service has not executed says nothing of what was done here before.
func TestNewReplyOfAPassedOnError(t *testing.T) {
	received, _ := mapping.FromStatus(sdk.ResourceNotEnough.Errorf("full").GRPCStatus())
	for idempotent, want := range map[bool]string{
		false: `status { code: 1002 message: "full" retryReason: "post-dispatch-unknown" }`,
		true:  `status { code: 1002 message: "full" retryable: true retryReason: "pre-dispatch" }`,
	} {
		got, _ := new(inband.Format).NewReply(replyTypes()["replies.Invoke"], received, idempotent)
		if diff := cmp.Diff(replyOf(t, "replies.Invoke", want), got, protocmp.Transform()); diff != "" {
			t.Errorf("idempotent %v (-want +got):\n%s", idempotent, diff)
		}
	}
}

func TestNewReplyLeavesTheStatusTo(t *testing.T) {
	plain, _ := mapping.FromStatus(status.New(codes.InvalidArgument, "bad"))
	guessed, _ := mapping.FromStatus(status.New(codes.Unavailable, "down"))
	parsing := &mapping.Decoder{Parse: func(string) mapping.Code { return sdk.InstanceNotFound }}
	parsed, _ := parsing.FromStatus(status.New(codes.Unknown, "code: 1003, message: gone"))
	for name, e := range map[string]*mapping.Error{
		"nil":                   nil,
		"no platform code":      plain,
		"a guess":               guessed,
		"a code out of a text":  parsed,
		"a domain not declared": rest.FunctionNotFound.Errorf("no f"),
		"the number of success": rpcerr.CodeOf(&rpcerr.Row{Domain: sdk.Domain, Number: 0, Reason: "R_R", GRPC: codes.Internal}).AsError(),
		"a negative number":     rpcerr.CodeOf(&rpcerr.Row{Domain: sdk.Domain, Number: -1, Reason: "R_R", GRPC: codes.Internal}).AsError(),
	} {
		if got, ok := new(inband.Format).NewReply(replyTypes()["replies.Int"], e, false); ok || got != nil {
			t.Errorf("%s: NewReply = %v, want none", name, got)
		}
	}
	if got, ok := new(inband.Format).NewReply(nil, sdk.InstanceNotFound.AsError(), false); ok {
		t.Errorf("no type: NewReply = %v, want none", got)
	}
}

// A number that two catalogues list tells of the code of the first, and of no other.
func TestNewReplyOfANumberThatTwoCatalogsList(t *testing.T) {
	noCredit := &rpcerr.Row{Domain: "billing.acme", Number: 1003, Reason: "NO_CREDIT", GRPC: codes.FailedPrecondition}
	billing := rpcerr.CatalogOf("billing.acme", []*rpcerr.Row{noCredit}, []uint16{3: 1}, [][256]uint16{{}, {1003 & 255: 1}})
	billingFirst := &inband.Format{Catalogs: []*mapping.Catalog{&billing, nil, rest.Catalog(), sdk.Catalog()}}
	sdkFirst := &inband.Format{Catalogs: []*mapping.Catalog{sdk.Catalog(), &billing}}
	for _, test := range []struct {
		name   string
		format *inband.Format
		code   mapping.Code
		want   bool
	}{
		{"billing in front, its code", billingFirst, rpcerr.CodeOf(noCredit), true},
		{"billing in front, sdk's code of the same number", billingFirst, sdk.InstanceNotFound, false},
		{"billing in front, a number that only sdk lists", billingFirst, sdk.InstanceExited, true},
		{"billing in front, a number that only rest lists", billingFirst, rest.FunctionNotFound, true},
		{"sdk in front, its code", sdkFirst, sdk.InstanceNotFound, true},
		{"sdk in front, billing's code of the same number", sdkFirst, rpcerr.CodeOf(noCredit), false},
	} {
		got, ok := test.format.NewReply(replyTypes()["replies.Int"], test.code.AsError(), false)
		if ok != test.want {
			t.Errorf("%s: NewReply = %v, %v, want %v", test.name, got, ok, test.want)
		}
		if !ok {
			continue
		}
		if back, _ := test.format.FromReply("", got); back.Code() != test.code {
			t.Errorf("%s: read back as %v, want %v", test.name, back.Code(), test.code)
		}
	}
}

// What callers that are no messages read has to be valid UTF-8, or nothing arrives.
func TestNewReplyIsSendable(t *testing.T) {
	e := sdk.InstanceNotFound.Errorf("no %s", "a\xff1")
	got, _ := new(inband.Format).NewReply((&testgrpc.EchoStatus{}).ProtoReflect().Type(), e, false)
	if _, err := proto.Marshal(got); err != nil {
		t.Error(err)
	}
	st := sdk.InstanceNotFound.Errorf("x").GRPCStatus().Proto()
	st.Message = "no a\xff1"
	received, _ := mapping.FromStatus(status.FromProto(st))
	got, _ = new(inband.Format).NewReply((&testgrpc.EchoStatus{}).ProtoReflect().Type(), received, false)
	if _, err := proto.Marshal(got); err != nil {
		t.Error(err)
	}
}

func TestFromReplyIsSafeForConcurrentUse(t *testing.T) {
	var format inband.Format
	var all sync.WaitGroup
	for range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for name := range replyTypes() {
				_, _ = format.FromReply("", replyTypes()[name].New().Interface())
			}
			if e, _ := format.FromReply("", &testgrpc.EchoStatus{Code: 1003}); e.Code() != sdk.InstanceNotFound {
				t.Errorf("FromReply = %v, want 1003", e)
			}
		}()
	}
	all.Wait()
}

// A program that makes types at run time must not be made to keep them all.
func TestFromReplyRemembersABoundedNumberOfTypes(t *testing.T) {
	var format inband.Format
	last := replyOf(t, "replies.Int", "code: 1003")
	for range 3000 {
		fd, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
			Name: proto.String("one.proto"), Syntax: proto.String("proto3"),
			MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("One")}},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = format.FromReply("", dynamicpb.NewMessage(fd.Messages().Get(0)))
	}
	if n := format.Remembered(); n > 1024 {
		t.Errorf("%d types are remembered, want at most 1024", n)
	}
	if e, _ := format.FromReply("", last); e.Code() != sdk.InstanceNotFound {
		t.Errorf("past the bound: FromReply = %v, want 1003", e)
	}
}

// sdkReplies are successful replies of generated types.
func successes() map[string]proto.Message {
	return map[string]proto.Message{
		"integer":  &testgrpc.EchoStatus{Message: "fine"},
		"nested":   &testgrpc.SimpleRequest{ResponseStatus: &testgrpc.EchoStatus{Message: "fine"}},
		"no place": &testgrpc.SimpleResponse{Username: "u"},
	}
}

func TestFromReplyOfSuccessAllocatesNothing(t *testing.T) {
	format := &inband.Format{Nested: []string{"response_status"}}
	for name, reply := range successes() {
		if n := testing.AllocsPerRun(100, func() { _, _ = format.FromReply(kill, reply) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
	dynamic := replyOf(t, "replies.Invoke", `status { message: "ok" } callResult { message: "ok" }`)
	examined := format.Remembered()
	_, _ = format.FromReply(kill, dynamic)
	if n := format.Remembered(); n != examined+1 {
		t.Errorf("%d types are remembered, want %d", n, examined+1)
	}
	for range 3 {
		_, _ = format.FromReply(kill, dynamic)
	}
	if n := format.Remembered(); n != examined+1 {
		t.Errorf("%d types are remembered after the same type again, want %d", n, examined+1)
	}
}

func BenchmarkFromReply(b *testing.B) {
	format := &inband.Format{Nested: []string{"responseStatus"}}
	for name, reply := range successes() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if e, failed := format.FromReply(kill, reply); failed {
					b.Fatal(e)
				}
			}
		})
	}
	b.Run("failed", func(b *testing.B) {
		reply := &testgrpc.EchoStatus{Code: 1003, Message: "no instance"}
		b.ReportAllocs()
		for b.Loop() {
			if _, failed := format.FromReply(kill, reply); !failed {
				b.Fatal("no error")
			}
		}
	})
	b.Run("first", func(b *testing.B) {
		reply := &testgrpc.EchoStatus{Message: "fine"}
		b.ReportAllocs()
		for b.Loop() {
			_, _ = new(inband.Format).FromReply(kill, reply)
		}
	})
}
