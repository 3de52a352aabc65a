// Package maptest checks errors in tests: which code an error has, and what came with
// it. It needs nothing but the standard testing package.
//
//	_, err := client.Invoke(ctx, req)
//	maptest.Check(t, err, sdk.InstanceNotFound,
//		maptest.Metadata("instance", "a1"),
//		maptest.Retry(mapping.HigherLevel, 100*time.Millisecond))
//
// A failure shows everything that was asked for, and marks what differs:
//
//	the error is not what is wanted (-want +got):
//	    code                   sdk.yuanrong 1003 INSTANCE_NOT_FOUND
//	  - metadata["instance"]   "a1"
//	  + metadata["instance"]   "b2"
//	    retry                  HIGHER_LEVEL after 100ms
//	the error was: INSTANCE_NOT_FOUND (1003): no instance "b2"
//
// Errors are read as [mapping.FromError] reads them, so it does not matter whether the
// client has the interceptors, or whether somebody has wrapped the error.
//
// Package fault, beside the interceptors, makes calls fail with chosen errors.
//
// # Invariants
//
//   - A check reports by Errorf, at the line that calls it, and the test goes on.
//   - What is not asked for does not matter.
//   - An error without a code, or no error at all, never passes for one with a code, and a
//     code that was inferred never for one that was sent.
package maptest

import (
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/mapping"
)

// Check reports an error of the test, and returns false, unless err has the code c and all
// that the wants say. The test goes on.
//
// A code that was only inferred from a plain gRPC status does not count, because the peer
// did not say it; check such errors by [CheckGRPC] with [Inferred]. With the zero Code, err
// has to be an error with no platform code, not even an inferred one.
func Check(t testing.TB, err error, c mapping.Code, wants ...Want) bool {
	t.Helper()
	return check(t, err, append([]Want{code(c)}, wants...))
}

// CheckGRPC is [Check] for an error without a platform code, for which the peer sent a
// plain status, by its gRPC code. It does not matter whether a code was inferred.
func CheckGRPC(t testing.TB, err error, c codes.Code, wants ...Want) bool {
	t.Helper()
	return check(t, err, append([]Want{plain, GRPC(c)}, wants...))
}

func check(t testing.TB, err error, wants []Want) bool {
	t.Helper()
	if err == nil {
		t.Errorf("the call succeeded, want an error:\n%s", wantOnly(wants))
		return false
	}
	e, ok := mapping.FromError(err)
	if !ok {
		t.Errorf("the error is neither of the platform nor a gRPC status, want:\n%sthe error was: %v (%T)", wantOnly(wants), err, err)
		return false
	}
	var facts []fact
	same := true
	for _, want := range wants {
		if want == nil {
			continue
		}
		f := want(err, e)
		same = same && f.ok
		facts = append(facts, f)
	}
	if !same {
		t.Errorf("the error is not what is wanted (-want +got):\n%sthe error was: %v", diff(facts), err)
	}
	return same
}
