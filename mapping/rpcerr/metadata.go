package rpcerr

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/openyuanrong/statusmap/mapping/internal/str"
)

// A pair is one metadata entry.
type pair struct{ key, value string }

// with returns pairs with the entries added, each key and value brought into the
// form that can be sent, in the order of keys, so that equal metadata gives equal
// bytes. A last key without a value has the empty one. The argument is left as it is.
func with(pairs []pair, key, value string, more []string) []pair {
	longer := make([]pair, len(pairs), len(pairs)+1+(len(more)+1)/2)
	copy(longer, pairs)
	for {
		longer = put(longer, pair{validKey(key), str.Valid(value)})
		switch len(more) {
		case 0:
			return longer
		case 1:
			more = []string{more[0], ""}
		}
		key, value, more = more[0], more[1], more[2:]
	}
}

// put adds an entry, or replaces the one of its key.
func put(pairs []pair, p pair) []pair {
	i, found := search(pairs, p.key)
	if found {
		pairs[i] = p
		return pairs
	}
	return slices.Insert(pairs, i, p)
}

// search returns where the entry of a key is or belongs, and whether it is there.
func search(pairs []pair, key string) (int, bool) {
	return slices.BinarySearchFunc(pairs, key, func(p pair, key string) int { return strings.Compare(p.key, key) })
}

// maxKey is the longest metadata key that AIP-193 allows.
const maxKey = 64

// validKey returns key in the form that AIP-193 asks for, [a-z][a-zA-Z0-9-_]+ of
// at most 64 characters: a capital in front becomes small, characters that are
// not allowed become underscores, what still begins or ends wrongly is filled up.
func validKey(key string) string {
	if isValidKey(key) {
		return key
	}
	var b strings.Builder
	for i, r := range key {
		if b.Len() == maxKey {
			break
		}
		if r >= utf8.RuneSelf || !keyByte(byte(r)) {
			r = '_'
		}
		if i == 0 && (r < 'a' || r > 'z') {
			if r >= 'A' && r <= 'Z' {
				r += 'a' - 'A'
			} else {
				b.WriteByte('x')
			}
		}
		b.WriteRune(r)
	}
	if b.Len() == 0 {
		b.WriteByte('x')
	}
	if b.Len() == 1 {
		b.WriteByte('_')
	}
	return b.String()
}

func isValidKey(key string) bool {
	if len(key) < 2 || len(key) > maxKey || key[0] < 'a' || key[0] > 'z' {
		return false
	}
	for i := 1; i < len(key); i++ {
		if !keyByte(key[i]) {
			return false
		}
	}
	return true
}

func keyByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_'
}
