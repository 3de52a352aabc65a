package rpcerr

import (
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	spb "google.golang.org/genproto/googleapis/rpc/status"

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

// Wire says what is added to an error for one call. The zero value adds nothing.
type Wire struct {
	// RequestID identifies the request in logs; an id that the error has already
	// is kept.
	RequestID string
	// Idempotent says that the method is declared idempotent, so that RetryInfo
	// goes with errors of class [Idempotent] too.
	Idempotent bool
	// Budget bounds the status on the wire, in bytes as counted by [Size]: 0 for
	// DefaultBudget; values outside MinBudget…MaxBudget are brought inside.
	Budget int
	// Details are attached behind the error's own, unless it has one of their type.
	Details []proto.Message
	// CodeInMetadata repeats the number of the code in the metadata, as the entry
	// "code", for readers that know google.rpc.ErrorInfo and not the detail of the
	// platform. An entry of that name that the error has already is kept.
	CodeInMetadata bool
}

func (w *Wire) budget() int {
	switch {
	case w.Budget == 0:
		return DefaultBudget
	case w.Budget < MinBudget:
		return MinBudget
	case w.Budget > MaxBudget:
		return MaxBudget
	}
	return w.Budget
}

// Seal returns e as it is sent for one call: its GRPCStatus is made now and fits
// the budget. A received error keeps the status it came in, byte for byte, as long
// as that fits and is valid UTF-8. Seal returns e itself where nothing is to be
// added.
func (e *Error) Seal(w Wire) *Error {
	if e == nil {
		return nil
	}
	if w.CodeInMetadata {
		e = e.withCodeInMetadata()
	}
	if len(w.Details) > 0 {
		e = e.withMissing(w.Details)
	}
	if e.received != nil {
		return e.sealReceived(&w)
	}
	id := e.requestID
	if id == "" && w.RequestID != "" {
		id = validRequestID(w.RequestID)
	}
	if id == e.requestID && e.sealed == nil && w.budget() == DefaultBudget {
		switch {
		case !w.Idempotent || e.SendsRetryInfo(true) == e.SendsRetryInfo(false):
			e.GRPCStatus() // just that
			return e
		case e.isBare():
			return e.code.repeatable()
		}
	}
	d := e.derive()
	d.requestID = id
	return d.seal(&w)
}

// SendsRetryInfo reports whether google.rpc.RetryInfo goes with e when a method that is
// idempotent, or not, returns it: only where repeating this very call is safe. An error that
// another service sent knows what that service did, and nothing of what has been done on the
// way to it; of a code that is a guess nobody has said anything. It is false for nil.
func (e *Error) SendsRetryInfo(idempotent bool) bool {
	return e.Repeatable(idempotent) && (idempotent || e.origin == OriginLocal) && !e.said().IsZero()
}

// seal gives e, which nobody else knows yet, its status, and returns it.
func (e *Error) seal(w *Wire) *Error {
	if !isErrorCode(e.grpc) { // a peer's: it is not passed on
		e.grpc = codes.Unknown
	}
	var cut bool
	e.sealed, cut = e.encode(w)
	e.trimmed = e.trimmed || cut
	return e
}

// isBare reports whether e is what its code alone stands for.
func (e *Error) isBare() bool { return e.code.row != nil && e == e.code.row.bare.Load() }

// repeatable returns what the code alone stands for when an idempotent method
// raises it, the same error at every call.
func (c Code) repeatable() *Error {
	if e := c.row.repeatable.Load(); e != nil {
		return e
	}
	c.row.repeatable.CompareAndSwap(nil, c.newError().seal(&Wire{Idempotent: true}))
	return c.row.repeatable.Load()
}

// codeKey is the metadata key of the number.
const codeKey = "code"

// withCodeInMetadata adds the number to the metadata. To a received status it adds
// just that; the rest stays, byte for byte.
func (e *Error) withCodeInMetadata() *Error {
	if e.said().IsZero() {
		return e
	}
	if _, taken := e.Metadata()[codeKey]; taken {
		return e
	}
	number := strconv.Itoa(int(e.code.Number()))
	if e.received == nil || e.googleInfo() == nil || !isWhole(e.googleInfo()) {
		return e.With(codeKey, number)
	}
	st := proto.Clone(e.received).(*spb.Status)
	i := slices.IndexFunc(st.Details, func(a *anypb.Any) bool { return isType(a.GetTypeUrl(), googleInfoType) })
	st.Details[i].Value = appendEntry(st.Details[i].Value, pair{codeKey, number})
	return e.receivedAs(st)
}

// withMissing attaches those details of whose type e has none yet.
func (e *Error) withMissing(details []proto.Message) *Error {
	existing := e.details()
	if e.received != nil {
		existing = e.received.GetDetails()
	}
	var missing []proto.Message
	for _, m := range details {
		if m == nil {
			continue
		}
		name := string(m.ProtoReflect().Descriptor().FullName())
		if !slices.ContainsFunc(existing, func(a *anypb.Any) bool { return isType(a.GetTypeUrl(), name) }) {
			missing = append(missing, m)
		}
	}
	if len(missing) == 0 {
		return e
	}
	return e.WithDetails(missing...)
}

// sealReceived passes a received status on as it is, or, where it is too large or
// damaged, what of it can be sent.
func (e *Error) sealReceived(w *Wire) *Error {
	if !isValid(e.received) || Size(e.received) > w.budget() {
		return e.derive().seal(w)
	}
	if e.origin == OriginLocal || e.said().IsZero() {
		return e
	}
	// Whether RetryInfo goes with it depends on the method, which is another here.
	sends, came := e.SendsRetryInfo(w.Idempotent), e.detail(retryInfoType) != nil
	if e.arrival == unhinted && (e.class == Safe || sends != came) {
		return e.derive().seal(w) // the hint is in no detail of ours yet
	}
	if sends == came {
		return e
	}
	if relayed := e.withRetryInfo(sends); Size(relayed.received) <= w.budget() {
		return relayed
	}
	return e.derive().seal(w)
}

// withRetryInfo returns e with or without google.rpc.RetryInfo in the status it came
// in. The other details stay, byte for byte.
func (e *Error) withRetryInfo(with bool) *Error {
	st := proto.Clone(e.received).(*spb.Status)
	st.Details = slices.DeleteFunc(st.Details, func(a *anypb.Any) bool { return isType(a.GetTypeUrl(), retryInfoType) })
	if with {
		detail := &anypb.Any{TypeUrl: retryInfoURL, Value: appendRetryInfo(nil, e.Retry().Delay)}
		i := 0
		for i < len(st.Details) && isOurs(st.Details[i].GetTypeUrl()) {
			i++
		}
		st.Details = slices.Insert(st.Details, i, detail)
	}
	return e.receivedAs(st)
}

// isValid reports whether gRPC will send the status whole.
func isValid(st *spb.Status) bool {
	if !isErrorCode(codes.Code(st.GetCode())) || !utf8.ValidString(st.GetMessage()) {
		return false
	}
	for _, d := range st.GetDetails() {
		if !utf8.ValidString(d.GetTypeUrl()) {
			return false
		}
	}
	return true
}

// isErrorCode reports whether c is one of the 16 codes that gRPC defines for
// errors.
func isErrorCode(c codes.Code) bool { return c > codes.OK && c <= codes.Unauthenticated }

// A draft is a status about to be encoded, with what may be trimmed.
type draft struct {
	grpc      codes.Code
	message   string
	code      Code
	reason    string
	metadata  []pair
	retry     Retry
	retryInfo bool
	requestID string
	trimmed   bool
	foreign   []*anypb.Any
}

// scratch is what one encoding needs for a moment. The status that is made of it
// is a deep copy, so it can be used again at once.
type scratch struct {
	status  spb.Status
	own     [3]anypb.Any
	details []*anypb.Any
	owned   int // how many of the details are in own
	buf     []byte
}

var scratches = sync.Pool{New: func() any {
	return &scratch{details: make([]*anypb.Any, 0, 4), buf: make([]byte, 0, 512)}
}}

// encode makes the status of e, and tells whether something had to be cut. It never
// fails and never returns nil.
func (e *Error) encode(w *Wire) (*status.Status, bool) {
	d := draft{
		grpc:      e.grpc,
		message:   e.Message(),
		code:      e.said(),
		reason:    e.Reason(),
		metadata:  e.metadata,
		retry:     e.Retry(),
		retryInfo: e.SendsRetryInfo(w.Idempotent),
		requestID: e.requestID,
		trimmed:   e.trimmed,
		foreign:   e.details(),
	}
	if !isErrorCode(d.grpc) {
		d.grpc = codes.Unknown
	}
	d.fit(w.budget())

	s := scratches.Get().(*scratch)
	st := status.FromProto(d.fill(s))
	s.release()
	return st, d.trimmed
}

// fill writes the draft into s and returns the status in it.
func (d *draft) fill(s *scratch) *spb.Status {
	s.details, s.buf = s.details[:0], s.buf[:0]
	if !d.code.IsZero() {
		domain := d.code.Domain()
		s.buf = appendErrorInfo(s.buf, domain, d.code.Number(), d.retry, d.requestID, d.trimmed)
		first := len(s.buf)
		s.buf = appendGoogleInfo(s.buf, d.reason, domain, d.metadata)
		second := len(s.buf)
		if d.retryInfo {
			s.buf = appendRetryInfo(s.buf, d.retry.Delay)
		}
		// Only now: an append above may have moved the buffer.
		s.add(0, errorInfoURL, s.buf[:first])
		s.add(1, googleInfoURL, s.buf[first:second])
		if d.retryInfo {
			s.add(2, retryInfoURL, s.buf[second:])
		}
	}
	s.owned = len(s.details)
	s.details = append(s.details, d.foreign...)
	s.status.Code, s.status.Message, s.status.Details = int32(d.grpc), d.message, s.details
	return &s.status
}

func (s *scratch) add(i int, url string, value []byte) {
	s.own[i].TypeUrl, s.own[i].Value = url, value
	s.details = append(s.details, &s.own[i])
}

// maxKeptBuffer bounds the memory that an idle scratch holds on to.
const maxKeptBuffer = 8 << 10

func (s *scratch) release() {
	if cap(s.buf) > maxKeptBuffer || cap(s.details) > 64 {
		return
	}
	// What is not the scratch's own must not be kept alive.
	s.status.Message = ""
	clear(s.details[s.owned:])
	scratches.Put(s)
}

// What a Trailers-Only response costs besides code, message and details: :status,
// content-type and grpc-status, each with 32 bytes of overhead (RFC 9113 §6.5.2).
const fixedSize = len(":status"+"200") + 32 +
	len("content-type"+"application/grpc") + 32 +
	len("grpc-status") + 32

const (
	messageOverhead = len("grpc-message") + 32
	detailsOverhead = len("grpc-status-details-bin") + 32
)

// Size returns how many bytes a status takes in the header list of a response, as
// HTTP/2 and gRPC count them: every field with its name and 32 bytes, the message
// percent-encoded, and, if there are details, the whole status once more in base64. What
// else a server sends in the same header list, such as trailers, comes on top.
func Size(st *spb.Status) int {
	size := plainSize(codes.Code(st.GetCode()), st.GetMessage())
	if len(st.GetDetails()) > 0 {
		size += detailsOverhead + base64Size(proto.Size(st))
	}
	return size
}

// plainSize is the [Size] of a status without details.
func plainSize(c codes.Code, message string) int {
	return fixedSize + len(strconv.FormatUint(uint64(c), 10)) + messageOverhead + percentSize(message)
}

// base64Size is the length of n bytes in base64 without padding.
func base64Size(n int) int { return (n*4 + 2) / 3 }

// percentSize is the length of a valid string in gRPC's percent-encoding.
func percentSize(s string) int {
	n := len(s)
	for i := 0; i < len(s); i++ {
		if !isPlain(s[i]) {
			n += 2
		}
	}
	return n
}

// isPlain reports whether gRPC leaves a byte of a message as it is.
func isPlain(b byte) bool { return b >= ' ' && b <= '~' && b != '%' }

// size returns the [Size] of the status that the draft becomes.
func (d *draft) size() int {
	size := plainSize(d.grpc, d.message)
	if d.code.IsZero() && len(d.foreign) == 0 {
		return size
	}
	n := 1 + sizeVarint(uint64(d.grpc)) + sizeString(d.message)
	if !d.code.IsZero() {
		n += d.ownSize()
	}
	for _, a := range d.foreign {
		n += sizeBytes(proto.Size(a))
	}
	return size + detailsOverhead + base64Size(n)
}

// ownSize is the size of our own details in the encoded status.
func (d *draft) ownSize() int {
	domain := d.code.Domain()
	hint := 1 + sizeVarint(uint64(d.retry.Class))
	if ms := uint64(d.retry.Delay.Milliseconds()); ms != 0 {
		hint += 1 + sizeVarint(ms)
	}
	info := sizeString(domain) + 1 + sizeVarint(uint64(d.code.Number())) + sizeBytes(hint) + sizeString(d.requestID)
	if d.trimmed {
		info += 2
	}
	google := sizeString(d.reason) + sizeString(domain)
	for _, p := range d.metadata {
		google += sizeBytes(sizeBytes(len(p.key)) + sizeBytes(len(p.value)))
	}
	n := sizeDetail(errorInfoURL, info) + sizeDetail(googleInfoURL, google)
	if d.retryInfo {
		var buf [16]byte
		n += sizeDetail(retryInfoURL, len(appendRetryInfo(buf[:0], d.retry.Delay)))
	}
	return n
}

// sizeDetail is the size of one detail in a status.
func sizeDetail(url string, value int) int {
	size := sizeString(url)
	if value > 0 {
		size += sizeBytes(value)
	}
	return sizeBytes(size)
}

// A quarter of the budget is what a message keeps as long as there is metadata to be
// trimmed, for in Chinese it costs 13 bytes a character.
const messageShare = 4

// fit trims the draft until it fits the budget, in this order, and marks it:
//
//  1. details of others: LocalizedMessage, DebugInfo and Help first, then from the
//     last to the first;
//  2. the message, as far as needed, down to a quarter of the budget;
//  3. metadata values, the longest first, each to nothing, because half a value is a
//     wrong one; the keys stay;
//  4. the rest of the metadata, and what others wrote in the place of ours: ErrorInfo,
//     then RetryInfo;
//  5. the message, as far as needed.
//
// Domain, number, reason, gRPC code, retry hint and request id are never trimmed, nor
// is the number where the metadata has it: they fit into MinBudget.
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
	d.metadata = slices.DeleteFunc(slices.Clone(d.metadata), func(p pair) bool { return !d.isNumber(p) })
	d.dropForeign(budget, standardOrder(d.foreign))
	d.cutMessage(budget, 0)
}

// isNumber reports whether a metadata entry is the number of the code, and so what
// clients recognise the error by that know nothing of our detail.
func (d *draft) isNumber(p pair) bool {
	return p.key == codeKey && p.value == strconv.Itoa(int(d.code.Number()))
}

func (d *draft) fits(budget int) bool { return d.bound() <= budget || d.size() <= budget }

// bound returns at least the size, and is quick: most errors are far below the budget,
// and need no exact figure.
func (d *draft) bound() int {
	if len(d.foreign) > 0 {
		return math.MaxInt
	}
	const framing = 256 // our type URLs, tags, and all fixed-size fields
	const perEntry = 32 // tags and sizes of a metadata entry
	n := framing + len(d.message) + 2*len(d.code.Domain()) + len(d.reason) + len(d.requestID)
	for i := range d.metadata {
		n += perEntry + len(d.metadata[i].key) + len(d.metadata[i].value)
	}
	return fixedSize + len("16") + messageOverhead + 3*len(d.message) + detailsOverhead + base64Size(n)
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
			if typeName(a.GetTypeUrl()) == name {
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
// and of several the last; all if that is not enough.
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

func sizeVarint(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// sizeBytes is the size of a field below 16 that holds n bytes.
func sizeBytes(n int) int { return 1 + sizeVarint(uint64(n)) + n }
