package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping"
)

// readDetails decodes the value of grpc-status-details-bin.
func readDetails(text string) (finding, error) {
	st, err := decodeStatus(text)
	if err != nil {
		return finding{}, err
	}
	e, ok := mapping.FromStatus(status.FromProto(st))
	if !ok {
		return finding{}, errors.New("it is a status of success, code 0")
	}
	return finding{code: e.Code(), err: e, wire: true, silent: isSilent(e)}, nil
}

// isSilent reports whether a status says nothing about who may repeat the call, and no
// catalogue does.
func isSilent(e *mapping.Error) bool {
	switch {
	case e.Code().IsZero():
		return true
	case e.Inferred():
		return e.Retry().Class == mapping.Never
	case e.Code().Listed():
		return false
	}
	own := new(errorsv1.ErrorInfo)
	return !unmarshalDetail(e, own) || own.GetRetry() == nil
}

// sendersName returns what the sender of a status without a platform code calls its
// error, "" if it has no name.
func sendersName(e *mapping.Error) string {
	info := new(errdetails.ErrorInfo)
	if !unmarshalDetail(e, info) || info.GetReason() == "" {
		return ""
	}
	return strings.TrimSpace(info.GetReason() + " " + info.GetDomain())
}

// sendersWait returns how long the sender of a status without a platform code asks to
// wait before another try.
func sendersWait(e *mapping.Error) (time.Duration, bool) {
	info := new(errdetails.RetryInfo)
	ok := unmarshalDetail(e, info)
	return info.GetRetryDelay().AsDuration(), ok
}

// unmarshalDetail reads the first detail of the type of m.
func unmarshalDetail(e *mapping.Error, m proto.Message) bool {
	for _, d := range e.GRPCStatus().Proto().GetDetails() {
		if d.MessageIs(m) {
			return d.UnmarshalTo(m) == nil
		}
	}
	return false
}

// decodeStatus decodes base64 of either alphabet, padded or not, or hexadecimal digits,
// that hold a google.rpc.Status.
func decodeStatus(text string) (*spb.Status, error) {
	if raw, err := hex.DecodeString(strings.TrimPrefix(text, "0x")); err == nil {
		if st, err := unmarshalStatus(raw); err == nil {
			return st, nil
		}
	}
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("it is not base64, or a part of it is missing")
	}
	return unmarshalStatus(raw)
}

func unmarshalStatus(raw []byte) (*spb.Status, error) {
	st := new(spb.Status)
	if err := proto.Unmarshal(raw, st); err != nil || len(st.ProtoReflect().GetUnknown()) > 0 {
		return nil, errors.New("it can be decoded, but holds no whole google.rpc.Status")
	}
	if c := codes.Code(st.GetCode()); c > codes.Unauthenticated {
		return nil, fmt.Errorf("its code %d is no gRPC code", c)
	}
	return st, nil
}

// isStatus is for what stands in a log, where anything may look like base64: it has
// to have details, each with a type.
func isStatus(st *spb.Status) bool {
	for _, d := range st.GetDetails() {
		slash := strings.LastIndexByte(d.GetTypeUrl(), '/')
		if slash < 0 || !protoreflect.FullName(d.GetTypeUrl()[slash+1:]).IsValid() {
			return false
		}
	}
	return len(st.GetDetails()) > 0 && st.GetCode() != 0 && utf8.ValidString(st.GetMessage())
}

// isLikelyBase64 reports whether somebody who typed it most likely meant base64, and
// not a name.
func isLikelyBase64(text string) bool {
	return len(text) >= 24 && !strings.ContainsFunc(text, func(r rune) bool {
		return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=", r)
	}) && strings.ContainsAny(text, "abcdefghijklmnopqrstuvwxyz")
}
