package rpcerr

import (
	"iter"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc/codes"
)

// A Text describes a code to people in one language.
type Text struct {
	// Description says what happened.
	Description string
	// Remedy says what to do about it. It may be empty.
	Remedy string
}

// A Row is one entry of a generated catalogue. Generated code fills it in and
// hands its address to [CodeOf]; nothing may change it afterwards.
type Row struct {
	// Domain and Number identify the code.
	Domain string
	Number int32
	// Reason is the code's name in UPPER_SNAKE_CASE, unique in its domain (AIP-193).
	Reason string
	// GRPC is the gRPC code that the error travels with, never OK.
	GRPC codes.Code
	// Retry is the hint for errors that are raised without another one, within the bounds
	// of its type.
	Retry Retry
	// DocumentedMessage is the text that the platform's documentation gives for
	// the code, if it gives one.
	DocumentedMessage string
	// EN and ZH describe the code in English and Chinese. ZH may be empty.
	EN, ZH Text

	// bare and repeatable are the errors that the code itself stands for, made at
	// first use: as it is, and with RetryInfo for an idempotent method.
	bare, repeatable atomic.Pointer[Error]
}

// A Catalog is a set of codes of one domain. It is immutable and safe for
// concurrent use. Generated packages make one; the zero value and nil are empty.
type Catalog struct {
	domain string
	rows   []*Row
	index  []uint16
	pages  [][256]uint16
}

// CatalogOf makes a catalogue of a generated table; only generated code should call it. The
// number n stands in row pages[index[n>>8]][n&255]-1, where 0 means that there is none. It
// only copies, so that the compiler can do it at build time.
func CatalogOf(domain string, rows []*Row, index []uint16, pages [][256]uint16) Catalog {
	return Catalog{domain, rows, index, pages}
}

// Domain returns the domain that all codes of the catalogue share.
func (c *Catalog) Domain() string {
	if c == nil {
		return ""
	}
	return c.domain
}

// Len returns the number of codes.
func (c *Catalog) Len() int {
	if c == nil {
		return 0
	}
	return len(c.rows)
}

// Lookup returns the code of that number, and whether there is one.
func (c *Catalog) Lookup(number int32) (Code, bool) {
	page := uint32(number) >> 8
	if c == nil || page >= uint32(len(c.index)) {
		return Code{}, false
	}
	row := c.pages[c.index[page]][uint8(number)]
	if row == 0 {
		return Code{}, false
	}
	return Code{c.rows[row-1]}, true
}

// LookupReason returns the code of that reason, and whether there is one.
func (c *Catalog) LookupReason(reason string) (Code, bool) {
	for i := range c.Len() {
		if c.rows[i].Reason == reason {
			return Code{c.rows[i]}, true
		}
	}
	return Code{}, false
}

// All returns the codes in the order of their numbers.
func (c *Catalog) All() iter.Seq[Code] {
	return func(yield func(Code) bool) {
		for i := range c.Len() {
			if !yield(Code{c.rows[i]}) {
				return
			}
		}
	}
}

// text returns the row's text for a language tag: Chinese for Chinese tags where
// there is Chinese, English for all others.
func (r *Row) text(tag string) Text {
	if isChinese(tag) && r.ZH.Description != "" {
		return r.ZH
	}
	return r.EN
}

// isChinese reports whether the primary language of a BCP 47 tag, or of a POSIX
// locale such as zh_CN.UTF-8, is Chinese.
func isChinese(tag string) bool {
	if i := strings.IndexAny(tag, "-_."); i >= 0 {
		tag = tag[:i]
	}
	return strings.EqualFold(tag, "zh") || strings.EqualFold(tag, "cmn")
}
