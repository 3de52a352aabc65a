package limits_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// limit is the customary limit of a header list.
const limit = 8192

// room is what the largest budget leaves in it for the trailers of others, beside
// grpc-retry-pushback-ms, which is ours.
const room = limit - rpcerr.MaxBudget - (len("grpc-retry-pushback-ms") + len("2147483647") + 32)

// checkLimit holds clients to what they get that take no more than the limit, of servers
// with the largest budget.
func checkLimit(t *testing.T, dial ...grpc.DialOption) {
	t.Helper()
	addr := stubtest.Start(t, service(room, talkative), interceptor.ServerOptions(interceptor.WithBudget(rpcerr.MaxBudget))...)
	for _, r := range readers() {
		checkEveryCode(t, addr, rpcerr.MaxBudget, r, dial...)
	}
	t.Run("relayed", func(t *testing.T) {
		checkEveryCode(t, startRelay(t, room, rpcerr.MaxBudget, overloaded), rpcerr.MaxBudget, readers()[0], dial...)
	})
}

// A client that sets a limit tells the server, and the server's gRPC sends no status
// beyond it.
func TestHeaderListSize(t *testing.T) {
	dial := grpc.WithMaxHeaderListSize(limit)
	checkLimit(t, dial)
	if harm := checkNaiveIsLost(t, stubtest.Start(t, service(0, naive)), codes.Internal, dial); harm != nil {
		t.Errorf("innocent calls came to harm: %v", harm)
	}
}

// limitVariable gives gRPC the limit by default, as it will have in a later version. The
// server is not told of it, and the client closes the connection on a status beyond it.
// It is read when the process starts.
const limitVariable = "GRPC_GO_EXPERIMENTAL_ENABLE_8KB_DEFAULT_HEADER_LIST_SIZE"

func TestDefaultHeaderListSize(t *testing.T) {
	if os.Getenv(limitVariable) == "true" {
		checkLimit(t)
		if harm := checkNaiveIsLost(t, stubtest.Start(t, service(0, naive)), codes.Unavailable); harm == nil {
			t.Error("innocent calls were spared: the test proves nothing")
		}
		return
	}
	var major, minor int
	if _, err := fmt.Sscanf(grpc.Version, "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	if major == 1 && minor < 82 {
		t.Skipf("gRPC %s knows no such default, 1.82 is the first that does; `make newest` has one", grpc.Version)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDefaultHeaderListSize$", "-test.v")
	cmd.Env = append(os.Environ(), limitVariable+"=true")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestDefaultHeaderListSize (") {
		t.Errorf("with %s: %v\n%s", limitVariable, err, out)
	}
}
