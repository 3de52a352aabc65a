package rpcerr

import (
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	spb "google.golang.org/genproto/googleapis/rpc/status"
)

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

	scratch *scratch // where it is written
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
	s := scratches.Get().(*scratch)
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
		scratch:   s,
	}
	if !isErrorCode(d.grpc) {
		d.grpc = codes.Unknown
	}
	d.fit(w.budget())
	st := status.FromProto(d.fill())
	s.release()
	return st, d.trimmed
}

// fill writes the draft into its scratch and returns the status there.
func (d *draft) fill() *spb.Status {
	s := d.scratch
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
const maxKeptBuffer = 32 << 10

func (s *scratch) release() {
	if cap(s.buf) > maxKeptBuffer || cap(s.details) > 64 {
		return
	}
	// What is not the scratch's own must not be kept alive.
	s.status.Message = ""
	clear(s.details[s.owned:cap(s.details)])
	scratches.Put(s)
}
