package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), nil, &stdout, &stderr); status != 0 {
		t.Fatalf("exit status %d: %s", status, &stderr)
	}
	for _, want := range []string{
		"# TYPE statusmap_errors_total counter\n",
		`statusmap_errors_total{error_type="INVOKE_RATE_LIMITED",rpc_method="statusmap.examples.fault.v1.FaultService/Unary",` +
			`rpc_response_status_code="RESOURCE_EXHAUSTED",rpc_system_name="grpc",statusmap_domain="sdk.yuanrong",statusmap_in_band="false",` +
			`statusmap_inferred="false",statusmap_origin="local",statusmap_retry_class="SAFE",statusmap_retrying="false",statusmap_side="server"} 2` + "\n",
		`"Name": "caller"`, `"Name": "rpc.error"`, `"statusmap.number"`, `"INSTANCE_NOT_FOUND"`, `"exception.message"`, "connection refused",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("stdout lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(stdout.String())
	}
	if got := strings.Count(stdout.String(), "\nstatusmap_errors_total{"); got != 6 {
		t.Errorf("%d time series, want 6", got)
	}
}

func TestRunMisuse(t *testing.T) {
	for _, args := range [][]string{{"-colour"}, {"trace"}} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), args, &stdout, &stderr); status != 2 || !strings.Contains(stderr.String(), "Usage:") {
			t.Errorf("run(%q) = %d, %s, want 2 and the usage", args, status, &stderr)
		}
	}
	if status := run(t.Context(), []string{"-h"}, new(bytes.Buffer), new(bytes.Buffer)); status != 0 {
		t.Errorf("run(-h) = %d, want 0", status)
	}
}
