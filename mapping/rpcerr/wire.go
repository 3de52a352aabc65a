package rpcerr

import (
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

	// Linked so that whoever resolves the details of a status by their type, such
	// as a JSON gateway, knows those that are written here by hand.
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"

	_ "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping/internal/str"
)

// The three details are written and read by hand, field by field: generated
// messages would cost about three times the time and allocations on every failing
// RPC. Tests hold each function to what the protobuf runtime does.

const (
	typePrefix     = "type.googleapis.com/"
	errorInfoType  = "yuanrong.errors.v1.ErrorInfo"
	googleInfoType = "google.rpc.ErrorInfo"
	retryInfoType  = "google.rpc.RetryInfo"
	debugInfoType  = "google.rpc.DebugInfo"
	errorInfoURL   = typePrefix + errorInfoType
	googleInfoURL  = typePrefix + googleInfoType
	retryInfoURL   = typePrefix + retryInfoType
)

// typeName returns the message name in a type URL.
func typeName(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

// isType reports whether a type URL, with any prefix, is that of a message name.
func isType(url, name string) bool {
	prefix := len(url) - len(name)
	return prefix >= 0 && url[prefix:] == name && (prefix == 0 || url[prefix-1] == '/')
}

// isOurs reports whether the package itself writes details of that type.
func isOurs(url string) bool {
	return isType(url, errorInfoType) || isType(url, googleInfoType) || isType(url, retryInfoType)
}

// Field numbers of yuanrong.errors.v1.ErrorInfo and RetryHint, google.rpc.ErrorInfo,
// google.rpc.RetryInfo and google.protobuf.Duration.
const (
	infoDomain, infoNumber, infoRetry, infoRequestID, infoTrimmed = 1, 2, 3, 4, 5
	hintClass, hintDelay                                          = 1, 2
	googleReason, googleDomain, googleMetadata                    = 1, 2, 3
	mapKey, mapValue                                              = 1, 2
	retryInfoDelay                                                = 1
	durationSeconds, durationNanos                                = 1, 2
)

// appendHead appends the tag of a field, which is one byte, for all fields here are
// below 16, and its number or size, which is mostly one byte too.
func appendHead(b []byte, field protowire.Number, kind protowire.Type, n uint64) []byte {
	tag := byte(field)<<3 | byte(kind)
	if n < 0x80 {
		return append(b, tag, byte(n))
	}
	return protowire.AppendVarint(append(b, tag), n)
}

// appendBytes appends a field even if it is empty.
func appendBytes(b []byte, field protowire.Number, s string) []byte {
	return append(appendHead(b, field, protowire.BytesType, uint64(len(s))), s...)
}

// sizeBytes is the length of what appendBytes appends.
func sizeBytes(s string) int { return 1 + protowire.SizeBytes(len(s)) }

func appendString(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return appendBytes(b, field, s)
}

func appendVarint(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return appendHead(b, field, protowire.VarintType, v)
}

// appendErrorInfo appends a yuanrong.errors.v1.ErrorInfo.
func appendErrorInfo(b []byte, domain string, number int32, r Retry, requestID string, trimmed bool) []byte {
	b = appendString(b, infoDomain, domain)
	b = appendVarint(b, infoNumber, uint64(number))
	delay := uint64(r.Delay / time.Millisecond)
	size := 0
	if r.Class != 0 {
		size += 1 + protowire.SizeVarint(uint64(r.Class))
	}
	if delay != 0 {
		size += 1 + protowire.SizeVarint(delay)
	}
	b = appendHead(b, infoRetry, protowire.BytesType, uint64(size))
	b = appendVarint(b, hintClass, uint64(r.Class))
	b = appendVarint(b, hintDelay, delay)
	b = appendString(b, infoRequestID, requestID)
	if trimmed {
		b = appendVarint(b, infoTrimmed, 1)
	}
	return b
}

// appendGoogleInfo appends a google.rpc.ErrorInfo, with the metadata in its order.
func appendGoogleInfo(b []byte, reason, domain string, metadata []pair) []byte {
	b = appendString(b, googleReason, reason)
	b = appendString(b, googleDomain, domain)
	for _, p := range metadata {
		b = appendEntry(b, p)
	}
	return b
}

// appendEntry appends a metadata entry of a google.rpc.ErrorInfo.
func appendEntry(b []byte, p pair) []byte {
	b = appendHead(b, googleMetadata, protowire.BytesType, uint64(sizeBytes(p.key)+sizeBytes(p.value)))
	// Unlike other fields, both of a map entry are written when empty.
	b = appendBytes(b, mapKey, p.key)
	return appendBytes(b, mapValue, p.value)
}

// appendRetryInfo appends a google.rpc.RetryInfo.
func appendRetryInfo(b []byte, delay time.Duration) []byte {
	seconds, nanos := uint64(delay/time.Second), uint64(delay%time.Second)
	size := 0
	if seconds != 0 {
		size += 1 + protowire.SizeVarint(seconds)
	}
	if nanos != 0 {
		size += 1 + protowire.SizeVarint(nanos)
	}
	b = appendHead(b, retryInfoDelay, protowire.BytesType, uint64(size))
	b = appendVarint(b, durationSeconds, seconds)
	return appendVarint(b, durationNanos, nanos)
}

// A tag is the number and the type of a field, as on the wire.
type tag uint64

func bytesTag(field protowire.Number) tag  { return tag(field)<<3 | tag(protowire.BytesType) }
func varintTag(field protowire.Number) tag { return tag(field)<<3 | tag(protowire.VarintType) }

// next splits the first field off b: its tag, and its value, in num if it is a varint
// and in raw, as a part of b, if it is bytes. The tag is 0 at the end and at the first
// malformed byte; what came before stands.
//
// It returns single values because these stay in registers; a struct does not.
func next(b []byte) (t tag, num uint64, raw, rest []byte) {
	// Nearly all fields have a tag of one byte, and of one byte a size, or of one or two
	// a number.
	if len(b) >= 2 && b[0] >= 1<<3 && b[0] < 0x80 {
		switch protowire.Type(b[0] & 7) {
		case protowire.VarintType:
			if b[1] < 0x80 {
				return tag(b[0]), uint64(b[1]), nil, b[2:]
			}
			if len(b) >= 3 && b[2] < 0x80 {
				return tag(b[0]), uint64(b[1]&0x7f) | uint64(b[2])<<7, nil, b[3:]
			}
		case protowire.BytesType:
			if end := 2 + int(b[1]); b[1] < 0x80 && end <= len(b) {
				return tag(b[0]), 0, b[2:end], b[end:]
			}
		}
	}
	return nextOfAny(b)
}

// nextOfAny is next for fields of any size.
func nextOfAny(b []byte) (t tag, num uint64, raw, rest []byte) {
	if len(b) == 0 {
		return 0, 0, nil, nil
	}
	number, kind, n := protowire.ConsumeTag(b)
	if n < 0 {
		return 0, 0, nil, nil
	}
	rest = b[n:]
	switch kind {
	case protowire.VarintType:
		num, n = protowire.ConsumeVarint(rest)
	case protowire.BytesType:
		raw, n = protowire.ConsumeBytes(rest)
	default:
		n = protowire.ConsumeFieldValue(number, kind, rest)
	}
	if n < 0 {
		return 0, 0, nil, nil
	}
	return tag(protowire.EncodeTag(number, kind)), num, raw, rest[n:]
}

// isWhole reports whether the fields of b reach to its end. Behind a damage nothing is
// read, so nothing can be appended either.
func isWhole(b []byte) bool {
	for len(b) > 0 {
		t, _, _, rest := next(b)
		if t == 0 {
			return false
		}
		b = rest
	}
	return true
}

// An errorInfo is a scanned yuanrong.errors.v1.ErrorInfo. Its bytes are parts of
// the scanned ones.
type errorInfo struct {
	domain, requestID []byte
	number            int32
	retry             Retry
	hinted, trimmed   bool
}

// scanErrorInfo reads what it can: fields of a later version are passed over, and
// damage ends the scan but keeps what came before it.
func scanErrorInfo(b []byte) (info errorInfo) {
	for {
		t, num, raw, rest := next(b)
		switch t {
		case 0:
			return info
		case bytesTag(infoDomain):
			info.domain = raw
		case varintTag(infoNumber):
			info.number = int32(num)
		case bytesTag(infoRetry):
			info.retry, info.hinted = scanHint(info.retry, raw), true
		case bytesTag(infoRequestID):
			info.requestID = raw
		case varintTag(infoTrimmed):
			info.trimmed = num != 0
		}
		b = rest
	}
}

func scanHint(r Retry, b []byte) Retry {
	for {
		t, num, _, rest := next(b)
		switch t {
		case 0:
			return r
		case varintTag(hintClass):
			// Classes of a later version are unknown here, and so mean Never. As any enum
			// it has 32 bits.
			class := uint32(num)
			if class > uint32(HigherLevel) {
				class = uint32(Never)
			}
			r.Class = RetryClass(class)
		case varintTag(hintDelay):
			r.Delay = time.Duration(uint32(num)) * time.Millisecond
		}
		b = rest
	}
}

// scanGoogleInfo reads reason and domain of a google.rpc.ErrorInfo.
func scanGoogleInfo(b []byte) (reason, domain []byte) {
	for {
		t, _, raw, rest := next(b)
		switch t {
		case 0:
			return reason, domain
		case bytesTag(googleReason):
			reason = raw
		case bytesTag(googleDomain):
			domain = raw
		}
		b = rest
	}
}

// nextEntry returns key and value of the first metadata entry of a
// google.rpc.ErrorInfo, and what follows it, nil if there is no entry.
func nextEntry(b []byte) (key, value, rest []byte) {
	for {
		t, _, entry, rest := next(b)
		switch t {
		case 0:
			return nil, nil, nil
		case bytesTag(googleMetadata):
			key, value = scanEntry(entry)
			return key, value, rest
		}
		b = rest
	}
}

// scanEntry returns key and value of a metadata entry.
func scanEntry(b []byte) (key, value []byte) {
	for {
		t, _, raw, rest := next(b)
		switch t {
		case 0:
			return key, value
		case bytesTag(mapKey):
			key = raw
		case bytesTag(mapValue):
			value = raw
		}
		b = rest
	}
}

// substrings makes strings of parts of some bytes. They share one string, unless that is
// large: whoever keeps one must not keep all of a hostile status.
type substrings struct {
	bytes []byte
	text  string
}

func (s *substrings) of(part []byte) string {
	if len(part) == 0 {
		return ""
	}
	if len(s.bytes) > MaxBudget {
		return str.Valid(string(part))
	}
	if s.text == "" {
		s.text = string(s.bytes)
	}
	at := cap(s.bytes) - cap(part) // both end where the array ends
	return str.Valid(s.text[at : at+len(part)])
}

// scanMetadata reads the metadata of a google.rpc.ErrorInfo, in the order of keys.
// As in any protobuf map, the last of two entries with one key counts.
func scanMetadata(b []byte) []pair {
	var pairs []pair
	s := substrings{bytes: b}
	for key, value, rest := nextEntry(b); rest != nil; key, value, rest = nextEntry(rest) {
		pairs = append(pairs, pair{s.of(key), s.of(value)})
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	unique := pairs[:0]
	for i, p := range pairs {
		if i+1 == len(pairs) || pairs[i+1].key != p.key {
			unique = append(unique, p)
		}
	}
	return unique
}

// metadataMap is scanMetadata without the order, nil if there is none.
func metadataMap(b []byte) map[string]string {
	var m map[string]string
	s := substrings{bytes: b}
	for key, value, rest := nextEntry(b); rest != nil; key, value, rest = nextEntry(rest) {
		if m == nil {
			m = make(map[string]string)
		}
		m[s.of(key)] = s.of(value)
	}
	return m
}

// metadataValue returns the value of one key, and whether there is one.
func metadataValue(b []byte, want string) (found string, ok bool) {
	var last []byte
	mended := strings.ContainsRune(want, utf8.RuneError) // else a key is not the same after mending either
	for key, value, rest := nextEntry(b); rest != nil; key, value, rest = nextEntry(rest) {
		if string(key) == want || mended && str.Valid(string(key)) == want {
			last, ok = value, true
		}
	}
	return str.Valid(string(last)), ok
}

// scanRetryInfo reads the delay of a google.rpc.RetryInfo, 0 if it has none or a
// negative one.
func scanRetryInfo(b []byte) time.Duration {
	var seconds, nanos int64
	for t, _, raw, rest := next(b); t != 0; t, _, raw, rest = next(rest) {
		if t == bytesTag(retryInfoDelay) { // one that comes in parts is merged
			seconds, nanos = scanDuration(seconds, nanos, raw)
		}
	}
	if seconds < 0 || nanos < 0 {
		return 0
	}
	// Damaged nanos may be as much as two seconds.
	if seconds > math.MaxInt64/int64(time.Second)-3 {
		return math.MaxInt64
	}
	return time.Duration(seconds)*time.Second + time.Duration(nanos)
}

// scanDuration reads a google.protobuf.Duration over the fields of an earlier part.
func scanDuration(seconds, nanos int64, b []byte) (int64, int64) {
	for t, num, _, rest := next(b); t != 0; t, num, _, rest = next(rest) {
		switch t {
		case varintTag(durationSeconds):
			seconds = int64(num)
		case varintTag(durationNanos):
			nanos = int64(int32(num))
		}
	}
	return seconds, nanos
}

// foreignDetails returns the details of a status that are not ours: all of them if
// the status has no code of ours, because then others wrote its standard details. Lost
// is what is left out and not written anew: a damaged one, for which gRPC would drop all
// details, and a google.rpc.ErrorInfo of another domain, which ours would be beside.
func foreignDetails(st *spb.Status, code Code) (details []*anypb.Any, lost bool) {
	for _, d := range st.GetDetails() {
		switch url := d.GetTypeUrl(); {
		case !utf8.ValidString(url):
			lost = true
		case code.IsZero() || !isOurs(url):
			details = append(details, d)
		case isType(url, googleInfoType) && !isOfDomain(d.Value, code):
			lost = true
		}
	}
	return details, lost
}
