package main

import (
	"runtime"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// An op is one operation of one contender, run n times.
type op func(n int)

// sink is where results go, so that no work is found to be useless.
var sink struct {
	err   error
	st    *status.Status
	bin   []byte
	found bool
}

// ops are the operations that need no network.
type ops struct{ raise, encode, marshal, decode, foreign op }

// opsOf returns the operations of a contender:
//
//   - raise: what the handler does to make the error;
//   - encode: from that error to the one handed to grpc-go, its status made;
//   - marshal: the same, and on to the bytes of grpc-status-details-bin. grpc-go marshals
//     its own copy of the status; here one of equal content, made before, stands for it,
//     because the public way to the status makes another copy;
//   - decode: from the error that grpc-go returns to the contender's, and to the
//     answer whether it has the code;
//   - foreign: the same for a status that another program sent.
func opsOf(c *contender) ops {
	raised := c.raise(7)
	send := c.sender(raised)
	sent := send()
	_, received := transport(sent)
	p := status.Convert(sent).Proto()
	receive := c.receiver(received)
	receiveForeign := c.receiver(status.Error(codes.NotFound, "no such object"))
	return ops{
		raise: func(n int) {
			for i := range n {
				sink.err = c.raise(i)
			}
		},
		encode: func(n int) {
			for range n {
				sink.st, _ = status.FromError(send())
			}
		},
		marshal: func(n int) {
			for range n {
				sink.st, _ = status.FromError(send())
				if len(p.Details) > 0 { // else grpc-message says it all
					sink.bin, sink.err = proto.Marshal(p)
				}
			}
		},
		decode: func(n int) {
			for range n {
				sink.found = c.is(receive())
			}
		},
		foreign: func(n int) {
			for range n {
				sink.found = c.is(receiveForeign())
			}
		},
	}
}

// A timing is the cost of one operation.
type timing struct {
	ns     float64 // the median of all samples
	ratio  float64 // to the yardstick, the median of the rounds
	allocs float64
}

// measure samples the operations in turn, round after round. The yardstick is the one
// at that index; it is sampled before and after each of the others, so that what
// disturbs the machine for a while disturbs both.
func measure(ops []op, yardstick, rounds int, sample time.Duration) []timing {
	counts := make([]int, len(ops))
	results := make([]timing, len(ops))
	for i, run := range ops {
		counts[i] = calibrate(run, sample)
		results[i].allocs = allocs(run)
	}
	ns := make([][]float64, len(ops))
	take := func(i int) float64 {
		start := clock()
		ops[i](counts[i])
		took := float64(clock()-start) / float64(counts[i])
		ns[i] = append(ns[i], took)
		return took
	}
	ratios := make([][]float64, len(ops))
	for range rounds {
		before := take(yardstick)
		for i := range ops {
			took := take(i)
			after := take(yardstick)
			ratios[i] = append(ratios[i], took/((before+after)/2))
			before = after
		}
	}
	for i := range ops {
		results[i].ns, results[i].ratio = median(ns[i]), median(ratios[i])
	}
	return results
}

// calibrate returns how often an operation runs in about the given time.
func calibrate(run op, sample time.Duration) int {
	for n := 1; ; n *= 2 {
		start := time.Now()
		run(n)
		if took := time.Since(start); took > sample/4 {
			return max(1, int(int64(n)*int64(sample)/int64(took)))
		}
	}
}

// allocs returns the allocations of one operation.
func allocs(run op) float64 {
	const n = 200
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	run(n)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run(n)
	runtime.ReadMemStats(&after)
	return float64((after.Mallocs - before.Mallocs) / n)
}

func median(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}
