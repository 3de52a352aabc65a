package rpcerr_test

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
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// TestDecoderFromError finds the first error that says something, and nothing where
// none does.
func TestDecoderFromError(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	for _, err := range []error{nil, errors.New("x"), (*rpcerr.Error)(nil), rpcerr.Code{}, context.Canceled, errors.Join(errors.New("x"), rpcerr.Code{})} {
		if e, ok := decoder.FromError(err); ok || e != nil {
			t.Errorf("FromError(%v) = %v, %v; want nothing", err, e, ok)
		}
	}
	raised := sdk.ParamInvalid.Errorf("x")
	st := status.New(codes.NotFound, "nf")
	for _, test := range []struct {
		err  error
		code rpcerr.Code
		grpc codes.Code
		text string
	}{
		{raised, sdk.ParamInvalid, codes.InvalidArgument, "x"},
		{fmt.Errorf("y: %w", raised), sdk.ParamInvalid, codes.InvalidArgument, "x"},
		{fmt.Errorf("y: %w", sdk.InstanceNotFound), sdk.InstanceNotFound, codes.NotFound, "No such instance."},
		{errors.Join(rpcerr.Code{}, (*rpcerr.Error)(nil), fmt.Errorf("y: %w", st.Err()), raised), rpcerr.Code{}, codes.NotFound, "nf"},
		{fmt.Errorf("max retries exhausted: %w", raised.GRPCStatus().Err()), sdk.ParamInvalid, codes.InvalidArgument, "x"},
	} {
		e, ok := decoder.FromError(test.err)
		if !ok || e.Code() != test.code || e.GRPCCode() != test.grpc || e.Message() != test.text {
			t.Errorf("FromError(%v) = %v, %v", test.err, e, ok)
		}
	}
	around := fmt.Errorf("y: %w", sdk.InstanceNotFound)
	if e, _ := decoder.FromError(around); e.Unwrap() != around {
		t.Errorf("FromError of what wraps a code has the cause %v, want what wraps it", e.Unwrap())
	}
	if e, _ := decoder.FromError(raised); e != raised {
		t.Error("FromError of an *Error is another one")
	}
	for _, st := range []*status.Status{nil, status.New(codes.OK, "fine")} {
		if e, ok := decoder.FromStatus(st); ok || e != nil {
			t.Errorf("FromStatus(%v) = %v, %v; want nothing", st, e, ok)
		}
	}
}

// statusOf returns a status with details.
func statusOf(c codes.Code, message string, details ...proto.Message) *status.Status {
	p := &spb.Status{Code: int32(c), Message: message}
	for _, d := range details {
		a := new(anypb.Any)
		if err := anypb.MarshalFrom(a, d, proto.MarshalOptions{Deterministic: true}); err != nil {
			panic(err)
		}
		p.Details = append(p.Details, a)
	}
	return status.FromProto(p)
}

// A server in another language needs no more than the standard details.
func TestDecoderReadsTheStandardDetails(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	info := &errdetails.ErrorInfo{Domain: sdk.Domain, Reason: "RESOURCE_NOT_ENOUGH", Metadata: map[string]string{"node": "n1"}}
	for _, test := range []struct {
		details []proto.Message
		delay   time.Duration
	}{
		{[]proto.Message{info}, sdk.ResourceNotEnough.Retry().Delay},
		{[]proto.Message{info, &errdetails.RetryInfo{RetryDelay: durationpb.New(7 * time.Second)}}, 7 * time.Second},
	} {
		e, _ := decoder.FromStatus(statusOf(codes.ResourceExhausted, "full", test.details...))
		want := rpcerr.Retry{Class: rpcerr.Safe, Delay: test.delay}
		if e.Code() != sdk.ResourceNotEnough || e.Retry() != want || e.MetadataValue("node") != "n1" || e.Origin() != rpcerr.OriginPeer {
			t.Errorf("%d details: %v, want 1002, %v", len(test.details), e.LogValue(), want)
		}
	}
}

// A name of a peer has at most 63 bytes, as AIP-193 has it; a longer one is none.
func TestLongNamesOfAPeer(t *testing.T) {
	for n, want := range map[int]bool{62: true, 63: true, 64: false} {
		name := strings.Repeat("N", n)
		e, _ := new(rpcerr.Decoder).FromStatus(statusOf(codes.NotFound, "m",
			&errorsv1.ErrorInfo{Domain: "d", Number: 7}, &errdetails.ErrorInfo{Domain: "d", Reason: name}))
		if got := e.Reason() == name; got != want || !want && e.Reason() != "" {
			t.Errorf("a reason of %d bytes is read as %q", n, e.Reason())
		}
		e, _ = new(rpcerr.Decoder).FromStatus(statusOf(codes.NotFound, "m", &errorsv1.ErrorInfo{Domain: name, Number: 7}))
		if got := e.Code().Domain() == name; got != want || !want && !e.Code().IsZero() {
			t.Errorf("a domain of %d bytes is read as %q", n, e.Code().Domain())
		}
	}
}

// As in any protobuf map the last of several entries with one key counts, before and after
// the status is made anew.
func TestMetadataThatComesTwice(t *testing.T) {
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	st := sdk.InstanceNotFound.Errorf("m").GRPCStatus().Proto()
	want := map[string]string{}
	for i := range 100 {
		key, value := fmt.Sprintf("key%d", i%7), fmt.Sprint(i)
		entry, err := proto.Marshal(&errdetails.ErrorInfo{Metadata: map[string]string{key: value}})
		if err != nil {
			t.Fatal(err)
		}
		st.Details[1].Value = append(st.Details[1].Value, entry...)
		want[key] = value
	}
	e, _ := decoder.FromStatus(status.FromProto(st))
	for how, e := range map[string]*rpcerr.Error{"received": e, "made anew": e.WithRequestID("r1")} {
		if diff := cmp.Diff(want, e.Metadata()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", how, diff)
		}
		if got := e.MetadataValue("key1"); got != want["key1"] {
			t.Errorf("%s: MetadataValue = %q, want %q", how, got, want["key1"])
		}
	}
}
