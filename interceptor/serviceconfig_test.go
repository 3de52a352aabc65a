package interceptor_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/google/go-cmp/cmp"

	"github.com/openyuanrong/statusmap/interceptor"
)

// storeService is a service with a read, an idempotent write and another write.
func storeService(t *testing.T) protoreflect.ServiceDescriptor {
	t.Helper()
	return storeFile(t).Services().Get(0)
}

// linkStoreService makes it one that is linked into the program.
func linkStoreService(t *testing.T) {
	t.Helper()
	file := storeFile(t)
	if _, err := protoregistry.GlobalFiles.FindFileByPath(file.Path()); err == nil {
		return // by an earlier run of the test
	}
	if err := protoregistry.GlobalFiles.RegisterFile(file); err != nil {
		t.Fatal(err)
	}
}

func storeFile(t *testing.T) protoreflect.FileDescriptor {
	t.Helper()
	method := func(name string, level descriptorpb.MethodOptions_IdempotencyLevel) *descriptorpb.MethodDescriptorProto {
		return &descriptorpb.MethodDescriptorProto{
			Name: proto.String(name), InputType: proto.String(".grpc.testing.Empty"), OutputType: proto.String(".grpc.testing.Empty"),
			Options: &descriptorpb.MethodOptions{IdempotencyLevel: level.Enum()},
		}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("acme/store.proto"), Package: proto.String("acme"), Syntax: proto.String("proto3"),
		Dependency: []string{"grpc/testing/empty.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: proto.String("Store"),
			Method: []*descriptorpb.MethodDescriptorProto{
				method("Get", descriptorpb.MethodOptions_NO_SIDE_EFFECTS),
				method("Put", descriptorpb.MethodOptions_IDEMPOTENT),
				method("Append", descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN),
			},
		}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestServiceConfig(t *testing.T) {
	store := []protoreflect.ServiceDescriptor{storeService(t)}
	const (
		policy = `"retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.5s", "maxBackoff": "5s", "backoffMultiplier": 2,
			"retryableStatusCodes": ["RESOURCE_EXHAUSTED", "ABORTED", "UNAVAILABLE"]}`
		throttle = `"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}`
	)
	tests := []struct {
		name   string
		config interceptor.ServiceConfig
		want   string
	}{
		{
			name:   "idempotent methods by their descriptors",
			config: interceptor.ServiceConfig{Descriptors: store},
			want: `{"methodConfig": [{"name": [{"service": "acme.Store", "method": "Get"}, {"service": "acme.Store", "method": "Put"}], ` + policy + `}],
				` + throttle + `}`,
		},
		{
			name:   "a linked-in service by its name, methods declared",
			config: interceptor.ServiceConfig{Services: []string{"grpc.testing.TestService"}, Idempotent: []string{"grpc.testing.TestService/UnaryCall"}},
			want: `{"methodConfig": [{"name": [{"service": "grpc.testing.TestService", "method": "UnaryCall"}], ` + policy + `}],
				` + throttle + `}`,
		},
		{
			name: "every field",
			config: interceptor.ServiceConfig{
				Descriptors: store,
				Retry: interceptor.RetryPolicy{MaxAttempts: 5, InitialBackoff: 1118 * time.Millisecond, MaxBackoff: time.Hour + time.Nanosecond,
					Multiplier: 1.5, MaxTokens: 1000, TokenRatio: 0.001},
				Codes: []codes.Code{codes.Unavailable, codes.Unavailable, codes.Internal, codes.Unknown},
			},
			want: `{"methodConfig": [{"name": [{"service": "acme.Store", "method": "Get"}, {"service": "acme.Store", "method": "Put"}],
				"retryPolicy": {"maxAttempts": 5, "initialBackoff": "1.118s", "maxBackoff": "3600.000000001s", "backoffMultiplier": 1.5,
				"retryableStatusCodes": ["UNAVAILABLE", "INTERNAL", "UNKNOWN"]}}],
				"retryThrottling": {"maxTokens": 1000, "tokenRatio": 0.001}}`,
		},
		{
			name:   "a first backoff above the default of the highest",
			config: interceptor.ServiceConfig{Descriptors: store, Retry: interceptor.RetryPolicy{InitialBackoff: 8 * time.Second}},
			want: `{"methodConfig": [{"name": [{"service": "acme.Store", "method": "Get"}, {"service": "acme.Store", "method": "Put"}],
				"retryPolicy": {"maxAttempts": 4, "initialBackoff": "8s", "maxBackoff": "8s", "backoffMultiplier": 2,
				"retryableStatusCodes": ["RESOURCE_EXHAUSTED", "ABORTED", "UNAVAILABLE"]}}], ` + throttle + `}`,
		},
		{
			name:   "as few tokens as allow a repetition",
			config: interceptor.ServiceConfig{Descriptors: store, Retry: interceptor.RetryPolicy{MaxTokens: 3}},
			want: `{"methodConfig": [{"name": [{"service": "acme.Store", "method": "Get"}, {"service": "acme.Store", "method": "Put"}], ` + policy + `}],
				"retryThrottling": {"maxTokens": 3, "tokenRatio": 0.1}}`,
		},
		{
			name:   "no throttle",
			config: interceptor.ServiceConfig{Descriptors: store, Retry: interceptor.RetryPolicy{MaxTokens: -1}},
			want:   `{"methodConfig": [{"name": [{"service": "acme.Store", "method": "Get"}, {"service": "acme.Store", "method": "Put"}], ` + policy + `}]}`,
		},
		{
			name: "the entry of a method has all that holds for it",
			config: interceptor.ServiceConfig{
				Descriptors: store,
				Methods: map[string]interceptor.MethodSettings{
					"/acme.Store/":       {Timeout: 2 * time.Second},
					"/acme.Store/Put":    {Timeout: 118 * time.Millisecond, WaitForReady: true},
					"/acme.Store/Append": {},
				},
			},
			want: `{"methodConfig": [
				{"name": [{"service": "acme.Store"}], "timeout": "2s"},
				{"name": [{"service": "acme.Store", "method": "Get"}], "timeout": "2s", ` + policy + `},
				{"name": [{"service": "acme.Store", "method": "Put"}], "timeout": "0.118s", "waitForReady": true, ` + policy + `},
				{"name": [{"service": "acme.Store", "method": "Append"}]}],
				` + throttle + `}`,
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.config.JSON()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parse(t, tc.want), parse(t, got)); diff != "" {
				t.Errorf("JSON() differs (-want +got):\n%s", diff)
			}
			if again, _ := tc.config.JSON(); again != got {
				t.Error("a second call gave another text")
			}
			conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(got))
			if err != nil {
				t.Fatalf("gRPC refuses it: %v", err)
			}
			_ = conn.Close()
		})
	}
}

func parse(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func TestServiceConfigRefuses(t *testing.T) {
	store := []protoreflect.ServiceDescriptor{storeService(t)}
	retry := func(p interceptor.RetryPolicy) interceptor.ServiceConfig {
		return interceptor.ServiceConfig{Descriptors: store, Retry: p}
	}
	codesOf := func(list ...codes.Code) interceptor.ServiceConfig {
		return interceptor.ServiceConfig{Descriptors: store, Codes: list}
	}
	type config = interceptor.ServiceConfig
	type settings = map[string]interceptor.MethodSettings
	tests := []struct {
		name   string
		config config
		want   string // in the error
	}{
		{"nothing", config{}, "no service"},
		{"unknown service", config{Services: []string{"acme.Nothing"}}, "acme.Nothing"},
		{"service with a slash", config{Services: []string{"/grpc.testing.TestService"}}, "/grpc.testing.TestService"},
		{"a message", config{Services: []string{"grpc.testing.Empty"}}, "grpc.testing.Empty"},
		{"nil descriptor", config{Descriptors: []protoreflect.ServiceDescriptor{nil}}, "nil"},
		{"service twice", config{Descriptors: append(store, store...)}, "twice"},
		{"nothing to say", config{Services: []string{"grpc.testing.TestService"}}, "no method is idempotent"},
		{"unknown idempotent method", config{Descriptors: store, Idempotent: []string{"/acme.Store/Delete"}}, "/acme.Store/Delete"},
		{"idempotent method of another service", config{Descriptors: store, Idempotent: []string{"/acme.Other/Append"}}, "/acme.Other/Append"},
		{"settings of an unknown method", config{Descriptors: store, Methods: settings{"/acme.Store/Delete": {}}}, "/acme.Store/Delete"},
		{"settings of an unknown service", config{Descriptors: store, Methods: settings{"/acme.Other/": {}}}, "/acme.Other/"},
		{"negative timeout", config{Descriptors: store, Methods: settings{"/acme.Store/Put": {Timeout: -1}}}, "timeout"},

		{"one attempt", retry(interceptor.RetryPolicy{MaxAttempts: 1}), "MaxAttempts"},
		{"six attempts", retry(interceptor.RetryPolicy{MaxAttempts: 6}), "MaxAttempts"},
		{"first backoff above the highest", retry(interceptor.RetryPolicy{InitialBackoff: 2, MaxBackoff: 1}), "InitialBackoff"},
		{"negative backoff", retry(interceptor.RetryPolicy{InitialBackoff: -1}), "InitialBackoff"},
		{"small multiplier", retry(interceptor.RetryPolicy{Multiplier: 0.5}), "Multiplier"},
		{"no multiplier", retry(interceptor.RetryPolicy{Multiplier: math.NaN()}), "Multiplier"},
		{"endless multiplier", retry(interceptor.RetryPolicy{Multiplier: math.Inf(1)}), "Multiplier"},
		{"one token", retry(interceptor.RetryPolicy{MaxTokens: 1}), "MaxTokens"},
		{"two tokens", retry(interceptor.RetryPolicy{MaxTokens: 2}), "MaxTokens"},
		{"too many tokens", retry(interceptor.RetryPolicy{MaxTokens: 1001}), "MaxTokens"},
		{"negative ratio", retry(interceptor.RetryPolicy{TokenRatio: -0.1}), "TokenRatio"},
		{"too large a ratio", retry(interceptor.RetryPolicy{TokenRatio: 1001}), "TokenRatio"},
		{"ratio that is no number", retry(interceptor.RetryPolicy{TokenRatio: math.NaN()}), "TokenRatio"},

		{"OK", codesOf(codes.OK), "OK"},
		{"no code of gRPC", codesOf(17), "17"},
		{"CANCELLED", codesOf(codes.Canceled), "CANCELLED"},
		{"DEADLINE_EXCEEDED", codesOf(codes.Unavailable, codes.DeadlineExceeded), "DEADLINE_EXCEEDED"},
		{"NOT_FOUND", codesOf(codes.NotFound), "NOT_FOUND"},
		{"two mistakes, the first", config{Descriptors: store, Codes: []codes.Code{codes.OK}, Idempotent: []string{"a/b"}}, "OK"},
		{"two mistakes, the second", config{Descriptors: store, Codes: []codes.Code{codes.OK}, Idempotent: []string{"a/b"}}, "a/b"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			js, err := tc.config.JSON()
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("JSON() = %q, %v, want an error with %q", js, err, tc.want)
			}
			if js != "" {
				t.Errorf("JSON() = %q beside the error", js)
			}
		})
	}
}

// Durations that do not survive floating point are among all of these.
func TestServiceConfigDurationsAreExact(t *testing.T) {
	for ms := 1; ms <= 2000; ms++ {
		d := time.Duration(ms) * time.Millisecond
		js, err := interceptor.ServiceConfig{
			Services:   []string{testgrpc.TestService_ServiceDesc.ServiceName},
			Idempotent: []string{unaryMethod},
			Retry:      interceptor.RetryPolicy{InitialBackoff: d},
		}.JSON()
		if err != nil {
			t.Fatalf("%v: %v", d, err)
		}
		var parsed struct {
			MethodConfig []struct {
				RetryPolicy struct{ InitialBackoff string }
			}
		}
		if err := json.Unmarshal([]byte(js), &parsed); err != nil {
			t.Fatal(err)
		}
		if got, err := time.ParseDuration(parsed.MethodConfig[0].RetryPolicy.InitialBackoff); err != nil || got != d {
			t.Errorf("%v is written as %s", d, parsed.MethodConfig[0].RetryPolicy.InitialBackoff)
		}
	}
}
