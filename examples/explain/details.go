package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	spb "google.golang.org/genproto/googleapis/rpc/status"

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
	return finding{code: e.Code(), err: e}, nil
}

// decodeStatus decodes base64 of either alphabet, padded or not, or hexadecimal digits,
// that hold a google.rpc.Status.
func decodeStatus(text string) (*spb.Status, error) {
	if raw, err := hex.DecodeString(text); err == nil {
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
