package mapping

import "github.com/openyuanrong/statusmap/mapping/rpcerr"

// The types of package rpcerr, under the name by which users meet them.
type (
	// An Error is one occurrence of a [Code], immutable. Its methods are documented at
	// [rpcerr.Error]: Code, Message, Metadata, Retry, RequestID, Origin and Unwrap tell
	// what it says, With, RetryAfter and NotExecuted return changed copies.
	Error = rpcerr.Error
	// A Code names one error of one domain; it is comparable and itself an error. Its
	// methods are documented at [rpcerr.Code]: Errorf, Wrap, With and AsError make an
	// [Error] of it, Describe explains it to people. Whatever else an error can say is set
	// by methods of Error, such as RetryAfter, DoNotRetry and WithDetails: on a bare code
	// they need AsError.
	Code = rpcerr.Code
	// A Catalog is the set of codes of one domain.
	Catalog = rpcerr.Catalog
	// A Decoder reads errors out of received statuses.
	Decoder = rpcerr.Decoder
	// Retry tells who may repeat a failed call, and when.
	Retry = rpcerr.Retry
	// A RetryClass says who may repeat a failed call.
	RetryClass = rpcerr.RetryClass
	// An Origin tells where an error was born.
	Origin = rpcerr.Origin
)

// The retry classes.
const (
	// Never: the same call cannot succeed until somebody changes something.
	Never = rpcerr.Never
	// Safe: nothing was executed; any call may be repeated after the delay.
	Safe = rpcerr.Safe
	// Idempotent: only a method declared idempotent may be repeated.
	Idempotent = rpcerr.Idempotent
	// HigherLevel: fetch a new instance, session or revision, then start again.
	HigherLevel = rpcerr.HigherLevel
)

// The origins of an error.
const (
	// OriginLocal: raised in this process.
	OriginLocal = rpcerr.OriginLocal
	// OriginPeer: sent by the peer's application, with a platform code or a gRPC code
	// that gRPC libraries never make by themselves. See [FromStatus].
	OriginPeer = rpcerr.OriginPeer
	// OriginTransport: made by gRPC, a proxy, or an application that sends plain
	// statuses with a code that gRPC makes too; whether the call was executed is unknown.
	OriginTransport = rpcerr.OriginTransport
	// OriginUnsent: the call provably never left.
	OriginUnsent = rpcerr.OriginUnsent
)
