package rpcerr

import "strconv"

// An Origin tells where an error was born.
type Origin uint8

const (
	// OriginLocal: raised in this process.
	OriginLocal Origin = iota
	// OriginPeer: sent by the peer's application, because the status has a platform code
	// or one of the gRPC codes that gRPC libraries never make by themselves:
	// INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, FAILED_PRECONDITION, ABORTED,
	// OUT_OF_RANGE and DATA_LOSS. The call reached it.
	OriginPeer
	// OriginTransport: a status without a platform code and with one of the other gRPC
	// codes. It was made by gRPC, by a proxy, or by an application that sends plain
	// statuses; the status alone does not tell. Whether the call was executed is
	// unknown. Client interceptors also give it to an error that was raised in this
	// process, by an interceptor inside or by a peer that needs no network.
	OriginTransport
	// OriginUnsent: made on this side before any attempt had a stream. The call
	// provably never left. Only a client interceptor with retries on finds that out,
	// because it costs each call an allocation; elsewhere it is OriginTransport.
	OriginUnsent
)

// String returns "local", "peer", "transport" or "unsent".
func (o Origin) String() string {
	switch o {
	case OriginLocal:
		return "local"
	case OriginPeer:
		return "peer"
	case OriginTransport:
		return "transport"
	case OriginUnsent:
		return "unsent"
	}
	return "Origin(" + strconv.Itoa(int(o)) + ")"
}
