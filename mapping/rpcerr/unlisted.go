package rpcerr

import (
	"runtime"
	"strings"
	"sync"
	"weak"
)

// identity is what two equal codes have in common.
type identity struct {
	domain string
	number int32
}

// unlisted holds a weak.Pointer[Row] for the identity of each unlisted code that
// is in use, so that equal codes are one pointer and nothing is kept for longer
// than somebody holds the code: a peer that sends a million numbers leaves
// nothing behind.
var unlisted sync.Map

// unlistedCode returns the code of a number that no known catalogue lists.
func unlistedCode(domain string, number int32) Code {
	id := identity{domain, number}
	for {
		if known, ok := unlisted.Load(id); ok {
			if row := known.(weak.Pointer[Row]).Value(); row != nil {
				return Code{row}
			}
			unlisted.CompareAndDelete(id, known)
		}
		id.domain = strings.Clone(domain) // not to keep the status that it came in
		row := &Row{Domain: id.domain, Number: number}
		ref := weak.Make(row)
		if _, taken := unlisted.LoadOrStore(id, ref); !taken {
			runtime.AddCleanup(row, func(id identity) { unlisted.CompareAndDelete(id, ref) }, id)
			return Code{row}
		}
	}
}
