package rpcerr

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/openyuanrong/statusmap/mapping/internal/str"
)

// The budget of a status: how many bytes of header list it may take, counted as
// gRPC counts them (see [Size]).
const (
	// DefaultBudget fits nginx's default buffer of one page.
	DefaultBudget = 4096
	// MaxBudget leaves a peer with the customary limit of 8 KiB about 1 KiB for
	// trailers of others.
	MaxBudget = 7168
	// MinBudget always has room for what is never trimmed.
	MinBudget = 1024
)

// messageShare says how much of the budget a message keeps as long as there is metadata to
// be trimmed: a quarter. Not all, for in Chinese it costs 13 bytes a character.
const messageShare = 4

// fit trims the draft until it fits the budget, in the order that the documentation of
// the package gives, and marks it. What is never trimmed fits into MinBudget.
func (d *draft) fit(budget int) {
	if d.fits(budget) {
		return
	}
	d.trimmed = true
	d.dropForeign(budget, dropOrder(d.foreign))
	if d.fits(budget) {
		return
	}
	d.cutMessage(budget, budget/messageShare)
	d.emptyValues(budget)
	if d.fits(budget) {
		return
	}
	d.metadata = slices.DeleteFunc(d.metadata, func(p pair) bool { return !d.isNumber(p) })
	d.dropForeign(budget, standardOrder(d.foreign))
	d.cutMessage(budget, 0)
}

// isNumber reports whether a metadata entry is the number of the code, and so what
// clients recognise the error by that know nothing of our detail.
func (d *draft) isNumber(p pair) bool {
	return p.key == codeKey && p.value == strconv.Itoa(int(d.code.Number()))
}

func (d *draft) fits(budget int) bool {
	low, high := d.bounds()
	return high <= budget || low <= budget && Size(d.fill()) <= budget
}

// bounds returns what the size is at least and at most, and is quick: most errors are far
// below the budget, or, while they are trimmed, above it, and need no exact figure.
func (d *draft) bounds() (low, high int) {
	const framing = 256 // our type URLs, tags, and all fixed-size fields
	// The three tags of a metadata entry, or of a detail, and its three sizes, of one byte or
	// of up to three; what is longer than these can say is beyond any budget.
	const least, most = 3 + 3*1, 3 + 3*3
	const fixed = fixedSize + len("16") + messageOverhead + detailsOverhead
	text, entries := len(d.message), 0
	if !d.code.IsZero() {
		entries = len(d.metadata)
		text += 2*len(d.code.Domain()) + len(d.reason) + len(d.requestID)
		for i := range d.metadata {
			text += len(d.metadata[i].key) + len(d.metadata[i].value)
		}
	}
	for _, a := range d.foreign {
		text += len(a.TypeUrl) + len(a.Value) + len(a.ProtoReflect().GetUnknown())
	}
	high = fixed + 3*len(d.message) + base64Size(framing+most*(entries+len(d.foreign))+text)
	if d.code.IsZero() && len(d.foreign) == 0 {
		return len(d.message), high // it is in one header only
	}
	return len(d.message) + base64Size(least*entries+text), high
}

// firstToGo are the types of details that are dropped before others.
var firstToGo = [...]string{"google.rpc.LocalizedMessage", debugInfoType, "google.rpc.Help"}

// dropForeign drops as many details of others as it takes to fit, in that order of their
// indices, all of these if that is not enough. It halves its way to the number, for a
// peer may have sent very many.
func (d *draft) dropForeign(budget int, order []int) {
	all := d.foreign
	drop := func(n int) {
		dropped := make([]bool, len(all))
		for _, i := range order[:n] {
			dropped[i] = true
		}
		d.foreign = make([]*anypb.Any, 0, len(all)-n)
		for i, a := range all {
			if !dropped[i] {
				d.foreign = append(d.foreign, a)
			}
		}
	}
	drop(sort.Search(len(order), func(n int) bool { drop(n); return d.fits(budget) }))
}

// dropOrder returns the indices of details in the order in which they are dropped. What
// others wrote in the place of ours is not among them.
func dropOrder(details []*anypb.Any) []int {
	order := make([]int, 0, len(details))
	for _, name := range firstToGo {
		for i, a := range details {
			if isType(a.GetTypeUrl(), name) {
				order = append(order, i)
			}
		}
	}
	for i := len(details) - 1; i >= 0; i-- {
		if url := details[i].GetTypeUrl(); !isStandard(url) && !slices.Contains(firstToGo[:], typeName(url)) {
			order = append(order, i)
		}
	}
	return order
}

// standardOrder returns the indices of the details that others wrote in the place of
// ours, in the order in which they are dropped: a status has them only if it has no code
// of ours, and then they are all that clients have to go by.
func standardOrder(details []*anypb.Any) []int {
	var order []int
	for _, name := range [...]string{googleInfoType, retryInfoType} {
		for i := len(details) - 1; i >= 0; i-- {
			if isType(details[i].GetTypeUrl(), name) {
				order = append(order, i)
			}
		}
	}
	return order
}

func isStandard(url string) bool { return isType(url, googleInfoType) || isType(url, retryInfoType) }

// emptyValues empties as many metadata values as it takes to fit, the longest first
// and of several the last; all if that is not enough. They go whole, because half a value
// is a wrong one. It leaves the draft with metadata of its own, which the error does not
// share.
func (d *draft) emptyValues(budget int) {
	all := d.metadata
	order := make([]int, 0, len(all))
	for i := len(all) - 1; i >= 0; i-- {
		if !d.isNumber(all[i]) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return len(all[j].value) - len(all[i].value) })
	empty := func(n int) {
		d.metadata = slices.Clone(all)
		for _, i := range order[:n] {
			d.metadata[i].value = ""
		}
	}
	empty(sort.Search(len(order), func(n int) bool { empty(n); return d.fits(budget) }))
}

// cutMessage cuts as much off the message as it takes to fit, but leaves what takes floor
// bytes in percent-encoding.
func (d *draft) cutMessage(budget, floor int) {
	least := len(cutPercent(d.message, floor))
	if least == len(d.message) {
		return
	}
	all := cutPercent(d.message, budget) // more never fits
	cutTo := func(n int) {
		if d.message = all; n < len(all) {
			d.message = strings.TrimRight(str.Cut(all, n), " ")
		}
	}
	over := sort.Search(len(all)-least, func(n int) bool { cutTo(len(all) - n); return d.fits(budget) })
	cutTo(len(all) - over)
}

// cutPercent returns as much of s as takes at most limit bytes in gRPC's
// percent-encoding, and never half a character.
func cutPercent(s string, limit int) string {
	size := 0
	for i := 0; i < len(s); i++ {
		size++
		if !isPlain(s[i]) {
			size += 2
		}
		if size > limit {
			return strings.TrimRight(str.Cut(s, i), " ")
		}
	}
	return s
}
