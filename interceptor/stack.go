package interceptor

import "runtime"

// stackOfEncoding is about what mapping and encoding an error takes of the stack.
const stackOfEncoding = 2 << 10

// growStack makes room for [stackOfEncoding]. gRPC runs a handler on a goroutine of its own,
// whose stack is doubled where it gets too small, by copying it frame by frame. Here few
// frames are copied; in the depths of the encoder it would be twice as many, at 1 µs more for
// each failing call (BenchmarkEndToEnd). Where there is room, it costs as much as any call.
//
// Its frame is what grows the stack. To use it, which clears it, would cost more than the
// call, so the argument must be false, which the compiler cannot know.
//
//go:noinline
func growStack(use bool) {
	if use {
		var room [stackOfEncoding]byte
		runtime.KeepAlive(&room)
	}
}
