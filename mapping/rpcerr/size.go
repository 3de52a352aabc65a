package rpcerr

import (
	"strconv"

	"google.golang.org/protobuf/proto"

	spb "google.golang.org/genproto/googleapis/rpc/status"
)

// What a Trailers-Only response costs besides code, message and details: :status,
// content-type and grpc-status, each with 32 bytes of overhead (RFC 9113 §6.5.2).
const fixedSize = len(":status"+"200") + 32 +
	len("content-type"+"application/grpc") + 32 +
	len("grpc-status") + 32

const (
	messageOverhead = len("grpc-message") + 32
	detailsOverhead = len("grpc-status-details-bin") + 32
)

// Size returns how many bytes a status takes in the header list of a response, as
// HTTP/2 and gRPC count them: every field with its name and 32 bytes, the message
// percent-encoded, and, if there are details, the whole status once more in base64. What
// else a server sends in the same header list, such as trailers, comes on top.
func Size(st *spb.Status) int {
	size := fixedSize + len(strconv.FormatUint(uint64(uint32(st.GetCode())), 10)) + messageOverhead + percentSize(st.GetMessage())
	if len(st.GetDetails()) > 0 {
		size += detailsOverhead + base64Size(proto.Size(st))
	}
	return size
}

// base64Size is the length of n bytes in base64 without padding.
func base64Size(n int) int { return (n*4 + 2) / 3 }

// percentSize is the length of a valid string in gRPC's percent-encoding.
func percentSize(s string) int {
	n := len(s)
	for i := 0; i < len(s); i++ {
		if !isPlain(s[i]) {
			n += 2
		}
	}
	return n
}

// isPlain reports whether gRPC leaves a byte of a message as it is.
func isPlain(b byte) bool { return b >= ' ' && b <= '~' && b != '%' }
