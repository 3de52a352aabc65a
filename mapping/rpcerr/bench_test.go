package rpcerr_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

var (
	codeSink     rpcerr.Code
	foundSink    bool
	errorSink    *rpcerr.Error
	metadataSink map[string]string
)

// BenchmarkLookup: a code by its number, in an order that no branch predictor knows,
// and the same in a Go map.
func BenchmarkLookup(b *testing.B) {
	catalog := sdk.Catalog()
	var numbers [256]int32
	known := make(map[int32]rpcerr.Code)
	var all []int32
	for c := range catalog.All() {
		known[c.Number()] = c
		all = append(all, c.Number())
	}
	for i, next := 0, uint32(1); i < len(numbers); i++ {
		next = next*1664525 + 1013904223
		numbers[i] = all[int(next>>16)%len(all)]
	}
	b.Run("catalog", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			codeSink, foundSink = catalog.Lookup(numbers[i&255])
		}
	})
	b.Run("map", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			codeSink, foundSink = known[numbers[i&255]]
		}
	})
	b.Run("number-only", func(b *testing.B) { // the loop itself
		var sum int32
		for i := range b.N {
			sum += numbers[i&255]
		}
		foundSink = sum != 0
	})
}

// withEntries returns an error with n metadata entries, whose values are size bytes.
func withEntries(n, size int) *rpcerr.Error {
	e := sdk.LocalSchedulerOperationError.Errorf("no node matches")
	for i := range n {
		e = e.With(fmt.Sprintf("key%03d", i), strings.Repeat("v", size))
	}
	return e
}

// perEntry reports the time for each of n entries.
func perEntry(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/entry")
}

// BenchmarkGrowth: how the cost grows with the number of metadata entries. "trim" has
// values of which the budget takes only some.
func BenchmarkGrowth(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		e, long := withEntries(n, 4), withEntries(n, 8<<10/n)
		wire := rpcerr.Wire{Idempotent: true}
		st := e.Seal(wire).GRPCStatus()
		decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
		b.Run(fmt.Sprintf("encode/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				errorSink = e.Seal(wire)
			}
			perEntry(b, n)
		})
		b.Run(fmt.Sprintf("trim/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				errorSink = long.Seal(wire)
			}
			perEntry(b, n)
		})
		b.Run(fmt.Sprintf("decode/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				errorSink, _ = decoder.FromStatus(st)
				metadataSink = errorSink.Metadata()
			}
			perEntry(b, n)
		})
	}
}

// BenchmarkParallel: all goroutines share one error, one status and one decoder; run
// it with -cpu 1,2,4.
func BenchmarkParallel(b *testing.B) {
	e := withEntries(2, 20)
	wire := rpcerr.Wire{Idempotent: true}
	st := e.Seal(wire).GRPCStatus()
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	b.Run("encode", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if e.Seal(wire).GRPCStatus() == nil {
					b.Error("no status")
				}
			}
		})
	})
	b.Run("decode", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, ok := decoder.FromStatus(st); !ok {
					b.Error("no error")
				}
			}
		})
	})
	b.Run("lookup", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, ok := sdk.Catalog().Lookup(3011); !ok {
					b.Error("no code")
				}
			}
		})
	})
}

func TestAllocations(t *testing.T) {
	e := withEntries(2, 20)
	wire := rpcerr.Wire{Idempotent: true}
	st := e.Seal(wire).GRPCStatus()
	decoder := &rpcerr.Decoder{Catalogs: []*rpcerr.Catalog{sdk.Catalog()}}
	foreign := status.New(5, "no such object")
	plain, _ := decoder.FromStatus(foreign)
	for _, tt := range []struct {
		name string
		max  float64
		f    func()
	}{
		{"lookup", 0, func() { codeSink, foundSink = sdk.Catalog().Lookup(3011) }},
		{"lookup of nothing", 0, func() { codeSink, foundSink = sdk.Catalog().Lookup(-1) }},
		{"a sentinel as an error", 0, func() { errorSink = sdk.InstanceNotFound.AsError().Seal(rpcerr.Wire{}) }},
		{"a sentinel of an idempotent method", 0, func() { errorSink = sdk.LocalSchedulerOperationError.AsError().Seal(wire) }},
		{"encode", 12, func() { errorSink = e.Seal(wire) }},
		{"decode", 11, func() { errorSink, _ = decoder.FromStatus(st) }},
		{"decode, metadata", 14, func() {
			errorSink, _ = decoder.FromStatus(st)
			metadataSink = errorSink.Metadata()
		}},
		{"what is decoded already", 0, func() { errorSink, _ = decoder.FromError(plain) }},
		{"decode a foreign status", 2, func() { errorSink, _ = decoder.FromStatus(foreign) }},
	} {
		// Many runs, because under the race detector a pool drops what it is given by chance.
		if got := testing.AllocsPerRun(2000, tt.f); got > tt.max {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.max)
		}
	}
}
