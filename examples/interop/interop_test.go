//go:build interop

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
)

// The programs that examples/interop/install puts there.
const tools = "../../.tmp/interop"

// The published protos.
var protoFolders = []string{"../../proto", "../proto"}

// A call is what a peer is told to do.
type call struct {
	Domain  string            `json:"domain"`
	Number  int32             `json:"number"`
	Retries bool              `json:"retries,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Async   bool              `json:"async,omitempty"` // by the other API that Python has
}

// A result is what a peer has read.
type result struct {
	GRPCCode    string            `json:"grpc_code"`
	Message     string            `json:"message,omitempty"`
	Reason      string            `json:"reason,omitempty"`
	Domain      string            `json:"domain,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	RetryInfoMS *int64            `json:"retry_info_ms,omitempty"`
	Own         *own              `json:"own,omitempty"`

	Text      string  `json:"text,omitempty"` // of the function that the README recommends
	Attempts  int     `json:"attempts,omitempty"`
	ElapsedMS float64 `json:"elapsed_ms,omitempty"`
}

// own is what it has read of yuanrong.errors.v1.ErrorInfo.
type own struct {
	Domain    string `json:"domain"`
	Number    int32  `json:"number"`
	Class     string `json:"class"`
	DelayMS   int64  `json:"delay_ms"`
	RequestID string `json:"request_id"`
}

// A peer is a client in another language.
type peer struct {
	name    string
	command func(t *testing.T, addr string) *exec.Cmd
}

func peers() []peer {
	return []peer{
		{"python", func(t *testing.T, addr string) *exec.Cmd {
			modules := t.TempDir()
			for _, args := range [][]string{
				{"-I", protoFolders[0], "yuanrong/errors/v1/error_info.proto", "yuanrong/errors/v1/retry.proto"},
				{"-I", protoFolders[1], "statusmap/examples/fault/v1/fault.proto"},
				// Debian has no googleapis-common-protos, whose modules these are.
				{"--descriptor_set_in", googleDescriptors(t), "google/rpc/status.proto", "google/rpc/error_details.proto"},
			} {
				output(t, exec.Command("protoc", append(args, "--python_out", modules)...))
			}
			// Not the first python3 on the PATH: Debian's modules are for Debian's Python.
			cmd := exec.Command("/usr/bin/python3", "peers/client.py", addr)
			cmd.Env = append(os.Environ(), "PYTHONPATH="+modules, "PYTHONDONTWRITEBYTECODE=1")
			return cmd
		}},
		{"node", func(t *testing.T, addr string) *exec.Cmd {
			args := append([]string{"peers/client.js", addr, googleDescriptors(t)}, protoFolders...)
			cmd := exec.Command("node", args...)
			cmd.Env = append(os.Environ(), "NODE_PATH="+absolute(t, tools+"/node_modules"))
			return cmd
		}},
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// googleDescriptors writes the descriptors of google.rpc, which have no other source
// here, into a file.
func googleDescriptors(t *testing.T) string {
	t.Helper()
	set := new(descriptorpb.FileDescriptorSet)
	for _, file := range []protoreflect.FileDescriptor{
		anypb.File_google_protobuf_any_proto, durationpb.File_google_protobuf_duration_proto,
		spb.File_google_rpc_status_proto, errdetails.File_google_rpc_error_details_proto,
	} {
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	b, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "google_rpc.pb")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// output runs a command and returns what it prints.
func output(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, &stderr)
	}
	return out
}

// ask has a peer make calls.
func (p peer) ask(t *testing.T, addr string, calls []call) []result {
	t.Helper()
	in, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	cmd := p.command(t, addr)
	cmd.Stdin = bytes.NewReader(in)
	out := output(t, cmd)
	var results []result
	if err := json.Unmarshal(out, &results); err != nil || len(results) != len(calls) {
		t.Fatalf("%s answers %d calls with %d results, %v:\n%.500s", p.name, len(calls), len(results), err, out)
	}
	return results
}

// requestID is the id of every request, by which the server's log would have it.
const requestID = "r1"

// wanted is what the catalogue says that a client reads. The method is declared free of
// side effects, so that RetryInfo goes with SAFE and IDEMPOTENT.
func wanted(c mapping.Code) result {
	delay := c.Retry().Delay.Milliseconds()
	want := result{
		GRPCCode: code.Code(c.GRPCCode()).String(),
		Message:  c.Description("en"),
		Reason:   c.Reason(),
		Domain:   c.Domain(),
		Metadata: map[string]string{"method": "Unary", "code": strconv.Itoa(int(c.Number()))},
		Own:      &own{c.Domain(), c.Number(), "RETRY_CLASS_" + c.Retry().Class.String(), delay, requestID},
	}
	if class := c.Retry().Class; class == mapping.Safe || class == mapping.Idempotent {
		want.RetryInfoMS = &delay
	}
	return want
}

// Stock clients of other languages read everything out of every code.
func TestPeersReadAllCodes(t *testing.T) {
	addr := start(t)
	var calls []call
	var want []result
	for catalog := range mapping.Catalogs() {
		for c := range catalog.All() {
			calls = append(calls, call{Domain: c.Domain(), Number: c.Number(), Headers: map[string]string{"x-request-id": requestID}})
			want = append(want, wanted(c))
		}
	}
	if len(calls) < 109 {
		t.Fatalf("%d codes, want the documented 109 at least", len(calls))
	}
	for _, p := range peers() {
		t.Run(p.name, func(t *testing.T) {
			got := p.ask(t, addr, calls)
			for i := range got {
				got[i].Attempts, got[i].ElapsedMS, got[i].Text = 0, 0, ""
				if diff := cmp.Diff(want[i], got[i]); diff != "" {
					t.Errorf("%s %d is read otherwise (-want +got):\n%s", calls[i].Domain, calls[i].Number, diff)
				}
			}
		})
	}
}

// The lines that the README recommends to clients in Python.
func TestPythonDescribes(t *testing.T) {
	want := []string{
		"RESOURCE_EXHAUSTED: The request limit has been reached. (sdk.yuanrong INVOKE_RATE_LIMITED {'code': '1005', 'method': 'Unary'}), again after 1.0 s",
		"NOT_FOUND: No such instance. (sdk.yuanrong INSTANCE_NOT_FOUND {'code': '1003', 'method': 'Unary'})",
	}
	for _, async := range []bool{false, true} {
		for i, got := range peers()[0].ask(t, start(t), []call{
			{Domain: sdk.Domain, Number: sdk.InvokeRateLimited.Number(), Async: async},
			{Domain: sdk.Domain, Number: sdk.InstanceNotFound.Number(), Async: async},
		}) {
			if got.Text != want[i] {
				t.Errorf("async %v: describe returns\n%s\nwant\n%s", async, got.Text, want[i])
			}
		}
	}
}

// The retries that gRPC makes by itself in other languages obey the server.
func TestPeersRetry(t *testing.T) {
	addr := start(t)
	of := func(c mapping.Code, headers ...string) call {
		call := call{Domain: c.Domain(), Number: c.Number(), Retries: true, Headers: map[string]string{}}
		for i := 0; i < len(headers); i += 2 {
			call.Headers[headers[i]] = headers[i+1]
		}
		return call
	}
	tests := []struct {
		name     string
		call     call
		grpc     string
		attempts int
		atLeast  float64 // milliseconds
	}{
		{"a delay is waited out, twice", of(sdk.InvokeRateLimited, "interop-failures", "2", "interop-delay-ms", "300"), "OK", 3, 600},
		{"the catalogue's delay", of(sdk.BusDisconnection, "interop-failures", "1"), "OK", 2, 2000},
		{"not for longer than the policy allows", of(sdk.InvokeRateLimited, "interop-delay-ms", "10"), "RESOURCE_EXHAUSTED", 4, 30},
		{"do not retry: a quota", of(rest.AliasOutOfLimit, "interop-failures", "2"), "RESOURCE_EXHAUSTED", 1, 0},
		{"do not retry: start over instead", of(sdk.InstanceExited, "interop-failures", "2"), "ABORTED", 1, 0},
		{"no code of the policy", of(sdk.ParamInvalid, "interop-failures", "2"), "INVALID_ARGUMENT", 1, 0},
	}
	var calls []call
	for _, tt := range tests {
		calls = append(calls, tt.call)
	}
	for _, p := range peers() {
		t.Run(p.name, func(t *testing.T) {
			for i, got := range p.ask(t, addr, calls) {
				tt := tests[i]
				if got.GRPCCode != tt.grpc || got.Attempts != tt.attempts || got.ElapsedMS < tt.atLeast {
					t.Errorf("%s: %s after %d attempts and %.0f ms, want %s after %d and at least %.0f ms",
						tt.name, got.GRPCCode, got.Attempts, got.ElapsedMS, tt.grpc, tt.attempts, tt.atLeast)
				}
			}
		})
	}
}

// grpcurl prints the details of a failing call so that a person can read them.
func TestGRPCurl(t *testing.T) {
	cmd := exec.Command(tools+"/grpcurl", "-plaintext", "-d", `{"fault":{"domain":"sdk.yuanrong","number":1005}}`, start(t), "statusmap.examples.fault.v1.FaultService/Unary")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err == nil {
		t.Error("the call succeeded")
	}
	text := strings.Join(strings.Fields(stderr.String()), " ")
	for _, want := range []string{
		"Code: ResourceExhausted", "Message: " + sdk.InvokeRateLimited.Description("en"),
		`"number": 1005`, `"domain": "sdk.yuanrong"`, `"class": "RETRY_CLASS_SAFE"`, fmt.Sprintf(`"delayMs": %d`, sdk.InvokeRateLimited.Retry().Delay.Milliseconds()),
		`"reason": "INVOKE_RATE_LIMITED"`, `"retryDelay": "1s"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("grpcurl does not print %q:\n%s", want, &stderr)
		}
	}
}
