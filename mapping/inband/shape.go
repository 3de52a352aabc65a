package inband

import (
	"math"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/internal/str"
	"github.com/openyuanrong/statusmap/mapping/internal/told"
)

// A place is where a type of reply carries a code. Fields that it lacks are nil.
type place struct {
	nested      protoreflect.FieldDescriptor // nil: in the reply itself
	code        protoreflect.FieldDescriptor
	message     protoreflect.FieldDescriptor
	retryable   protoreflect.FieldDescriptor
	retryReason protoreflect.FieldDescriptor
}

// A shape is the places of a type, in the order in which they count.
type shape []place

// examine finds the places of a type.
func (f *Format) examine(d protoreflect.MessageDescriptor) shape {
	var s shape
	if p, ok := f.placeIn(d); ok {
		s = append(s, p)
	}
	nested := f.Nested
	if len(nested) == 0 {
		nested = []string{"status", "callResult"}
	}
	for _, name := range nested {
		fd := fieldOf(d, name)
		if fd == nil || fd.Message() == nil || fd.Cardinality() == protoreflect.Repeated {
			continue
		}
		if p, ok := f.placeIn(fd.Message()); ok {
			p.nested = fd
			s = append(s, p)
		}
	}
	return s
}

// placeIn returns the place for a code among the fields of a type itself.
func (f *Format) placeIn(d protoreflect.MessageDescriptor) (place, bool) {
	p := place{code: fieldOf(d, "code"), message: fieldOf(d, "message")}
	if !f.isCode(p.code) || !isA(p.message, protoreflect.StringKind) || d.FullName() == "google.rpc.Status" {
		return place{}, false
	}
	if fd := fieldOf(d, "retryable"); isA(fd, protoreflect.BoolKind) {
		p.retryable = fd
	}
	if fd := fieldOf(d, "retryReason"); isA(fd, protoreflect.StringKind) {
		p.retryReason = fd
	}
	return p, true
}

// isCode reports whether a field can hold a platform code.
func (f *Format) isCode(fd protoreflect.FieldDescriptor) bool {
	if fd == nil || fd.Cardinality() == protoreflect.Repeated {
		return false
	}
	if enum := fd.Enum(); enum != nil {
		return f.lists(enum.Values())
	}
	return isInteger(fd.Kind())
}

// lists reports whether a catalogue lists one of the numbers.
func (f *Format) lists(values protoreflect.EnumValueDescriptors) bool {
	for i := range values.Len() {
		if c, _ := told.Lookup(f.settings().catalogs, int32(values.Get(i).Number())); !c.IsZero() {
			return true
		}
	}
	return false
}

// fieldOf returns the field of that name, in proto style or in JSON style, or nil.
func fieldOf(d protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := d.Fields().ByJSONName(name); fd != nil {
		return fd
	}
	return d.Fields().ByName(protoreflect.Name(name))
}

func isA(fd protoreflect.FieldDescriptor, kind protoreflect.Kind) bool {
	return fd != nil && fd.Kind() == kind && fd.Cardinality() != protoreflect.Repeated
}

func isInteger(kind protoreflect.Kind) bool {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind,
		protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return true
	}
	return false
}

// in returns the message that the place is in, an empty one if it is not set.
func (p *place) in(reply protoreflect.Message) protoreflect.Message {
	if p.nested == nil {
		return reply
	}
	return reply.Get(p.nested).Message()
}

// mutable returns the message that the place is in, to be written to.
func (p *place) mutable(reply protoreflect.Message) protoreflect.Message {
	if p.nested == nil {
		return reply
	}
	return reply.Mutable(p.nested).Message()
}

// anyNumber returns a number other than 0 that the code field can hold.
func (p *place) anyNumber() int32 {
	if enum := p.code.Enum(); enum != nil {
		for i := range enum.Values().Len() {
			if n := enum.Values().Get(i).Number(); n != 0 {
				return int32(n)
			}
		}
	}
	return 1
}

// number returns the code in a reply, 0 for success.
func (p *place) number(reply protoreflect.Message) int64 {
	m := p.in(reply)
	if p.code.HasPresence() && !m.Has(p.code) {
		return 0 // and not the default that proto2 may declare
	}
	switch v := m.Get(p.code); p.code.Kind() {
	case protoreflect.EnumKind:
		return int64(v.Enum())
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return int64(min(v.Uint(), math.MaxInt64)) // what is larger is no code either way
	default:
		return v.Int()
	}
}

// outcome returns all that the place says.
func (p *place) outcome(reply protoreflect.Message) Outcome {
	m := p.in(reply)
	o := Outcome{Number: p.number(reply), Message: m.Get(p.message).String()}
	if p.retryable != nil && (!p.retryable.HasPresence() || m.Has(p.retryable)) {
		retryable := m.Get(p.retryable).Bool()
		o.Retryable = &retryable
	}
	if p.retryReason != nil {
		o.RetryReason = m.Get(p.retryReason).String()
	}
	return o
}

// write puts an error into the place and reports whether it fits.
func (p *place) write(reply protoreflect.Message, e *mapping.Error, idempotent bool) bool {
	number, ok := p.value(e.Code().Number())
	if !ok {
		return false
	}
	m := p.mutable(reply)
	m.Set(p.code, number)
	// The message of the status, which was cut to the budget when e was sealed.
	m.Set(p.message, protoreflect.ValueOfString(str.Valid(e.GRPCStatus().Message())))
	class := e.Retry().Class
	if class == mapping.Safe && !e.SendsRetryInfo(idempotent) {
		class = mapping.Idempotent // what was done before it was passed on, nobody knows
	}
	retryable, reason := flags(class, idempotent)
	if p.retryable != nil {
		m.Set(p.retryable, protoreflect.ValueOfBool(retryable))
	}
	if p.retryReason != nil {
		m.Set(p.retryReason, protoreflect.ValueOfString(reason))
	}
	return true
}

// flags returns what the platform's fields say for a retry class, such that
// [Format.FromReply] gets the class back.
func flags(class mapping.RetryClass, idempotent bool) (retryable bool, reason string) {
	switch class {
	case mapping.Safe:
		return true, preDispatch
	case mapping.Idempotent:
		return idempotent, postDispatchUnknown
	}
	return false, ""
}

// value returns the number of a code as the value of the code field. Every kind of integer
// holds one, for none is negative. A closed enum has to know it, for the receiver would
// take an unknown one for absent, and absent means success.
func (p *place) value(number int32) (protoreflect.Value, bool) {
	if enum := p.code.Enum(); enum != nil {
		n := protoreflect.EnumNumber(number)
		return protoreflect.ValueOfEnum(n), !enum.IsClosed() || enum.Values().ByNumber(n) != nil
	}
	switch p.code.Kind() {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(number), true
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(number)), true
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(number)), true
	}
	return protoreflect.ValueOfInt64(int64(number)), true
}
