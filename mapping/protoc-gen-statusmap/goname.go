package main

import "strings"

// initialisms are the words that Go writes in capitals throughout. The list is
// part of every generated package's interface: a word that is added renames the
// sentinels of those who already use it.
var initialisms = words(`
	ACL API ASCII AZ CA CIDR CPU CSS CSV DB DNS EOF GC GPU GRPC GUID HTML HTTP HTTPS
	IAM ID IO IP JSON JWT K8S KV LHS MTLS NPU OCI OOM OS PID QPS RAM RHS RPC RTT SDK
	SLA SMTP SQL SSH SSL TCP TLS TTL UDP UI UID URI URL URN UTF8 UUID VM VPC XML
	XMPP XSRF XSS YAML
`)

func words(list string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(list) {
		set[word] = true
	}
	return set
}

// goName returns the Go name of a reason: INSTANCE_ID_EMPTY becomes
// InstanceIDEmpty. For a valid reason it is an exported identifier.
func goName(reason string) string {
	var b strings.Builder
	for _, word := range strings.Split(reason, "_") {
		if initialisms[word] || word == "" {
			b.WriteString(word)
			continue
		}
		b.WriteString(word[:1])
		b.WriteString(strings.ToLower(word[1:]))
	}
	return b.String()
}
