package main

import (
	"encoding/json"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/openyuanrong/statusmap/mapping/httperr"
)

// record is a finding for programs.
type record struct {
	Domain            string            `json:"domain,omitempty"`
	Number            int32             `json:"number,omitempty"`
	Reason            string            `json:"reason,omitempty"`
	Listed            bool              `json:"listed"`
	Inferred          bool              `json:"inferred,omitempty"`
	Description       string            `json:"description,omitempty"`
	Remedy            string            `json:"remedy,omitempty"`
	Who               string            `json:"who"`
	DocumentedMessage string            `json:"documented_message,omitempty"`
	GRPCCode          string            `json:"grpc_code"`
	HTTPStatus        int               `json:"http_status"`
	OtherMeanings     []recordMeaning   `json:"other_meanings,omitempty"` // of the number, where it stood alone
	Retry             *recordRetry      `json:"retry,omitempty"`          // nil: neither sender nor catalogue says it
	Message           string            `json:"message,omitempty"`
	Metadata          map[string]string `json:"metadata,omitempty"`
	RequestID         string            `json:"request_id,omitempty"`
	Trimmed           bool              `json:"trimmed,omitempty"`
	Details           []recordDetail    `json:"details,omitempty"`
	Line              int               `json:"line,omitempty"`
	MessageLine       int               `json:"message_line,omitempty"` // what the sender said is from there, if not from Line
	Count             int               `json:"count,omitempty"`
}

type recordRetry struct {
	Class   string `json:"class"`
	DelayMS int64  `json:"delay_ms,omitempty"`
}

// recordMeaning is what a number means elsewhere. Without a reason it is what the
// platform's frontend means.
type recordMeaning struct {
	Domain      string `json:"domain"`
	Reason      string `json:"reason,omitempty"`
	Description string `json:"description"`
}

// recordDetail is a detail: as JSON if its type is known here, else its bytes.
type recordDetail struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value,omitempty"`
	Bytes []byte          `json:"bytes,omitempty"`
}

// json prints findings as an array.
func (o output) json(all []finding) error {
	records := make([]record, 0, len(all))
	for _, f := range all {
		records = append(records, o.record(f))
	}
	enc := json.NewEncoder(o.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(records)
}

func (o output) record(f finding) record {
	lang := string(o.lang)
	r := record{
		Domain: f.code.Domain(), Number: f.code.Number(), Reason: f.reason(), Listed: f.code.Listed(),
		Description: f.code.Description(lang), Remedy: f.code.Remedy(lang),
		Who:               f.who(o.lang),
		DocumentedMessage: f.code.DocumentedMessage(),
		GRPCCode:          grpcName(f.grpc()),
		HTTPStatus:        httperr.Status(f.grpc()),
		Line:              f.line, Count: f.count,
	}
	if !f.silent {
		r.Retry = &recordRetry{f.retry().Class.String(), f.retry().Delay.Milliseconds()}
	}
	if f.isFrontends() {
		r.Description = frontendsMeaning(o.lang, f.code.Number())
	}
	for _, x := range f.others(o.lang) {
		r.OtherMeanings = append(r.OtherMeanings, recordMeaning{x.domain, x.reason, x.meaning})
	}
	if e := f.err; e != nil {
		r.Inferred, r.Trimmed = e.Inferred(), e.Trimmed()
		r.Message, r.Metadata, r.RequestID = e.Message(), e.Metadata(), e.RequestID()
		if f.source != f.line {
			r.MessageLine = f.source
		}
		for _, d := range f.details() {
			r.Details = append(r.Details, newRecordDetail(d))
		}
	}
	return r
}

func newRecordDetail(d *anypb.Any) recordDetail {
	if value, ok := detailJSON(d); ok {
		return recordDetail{Type: typeName(d), Value: value}
	}
	return recordDetail{Type: typeName(d), Bytes: d.GetValue()}
}
