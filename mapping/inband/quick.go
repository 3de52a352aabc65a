package inband

import (
	"reflect"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A quickPlace says where the struct of a generated message holds a code.
type quickPlace struct {
	nested *slot // of the pointer to the message that has the code; nil: the reply itself
	code   slot
	signed bool // an int32 or int64, enums included
}

// isSet reports whether the place in the struct holds a code other than 0.
func (q *quickPlace) isSet(v reflect.Value) bool {
	if q.nested != nil {
		if v = q.nested.of(v); !v.IsValid() {
			return false
		}
		if v = v.Elem(); !v.IsValid() {
			return false
		}
	}
	code := q.code.of(v)
	if q.signed {
		return code.Int() != 0
	}
	if code.Kind() == reflect.Pointer {
		code = code.Elem() // with presence, nil if it is not there
	}
	return code.IsValid() && !code.IsZero()
}

// A slot is a field of a struct. A member of a oneof is the only field of a wrapper,
// which the struct holds while that member is set.
type slot struct {
	field   int
	wrapper reflect.Type // a pointer to it; nil: the field is no oneof
}

// of returns what the slot of a struct holds, nothing valid if another member of the
// oneof is set.
func (s *slot) of(v reflect.Value) reflect.Value {
	v = v.Field(s.field)
	if s.wrapper == nil {
		return v
	}
	if v = v.Elem(); !v.IsValid() || v.Type() != s.wrapper {
		return reflect.Value{}
	}
	if v = v.Elem(); !v.IsValid() {
		return v // a typed nil, which counts as not set
	}
	return v.Field(0)
}

// The tags of struct fields in generated code.
const (
	fieldTag = "protobuf"
	oneofTag = "protobuf_oneof"
)

// newQuickReader returns a reader for a generated type. It reads the struct directly
// if that can be done for every place and has been seen to be right.
func newQuickReader(t protoreflect.MessageType, s shape) *reader {
	quick := make([]quickPlace, 0, len(s))
	for _, p := range s {
		q, ok := quicken(t.New(), p)
		if !ok {
			return &reader{shape: s}
		}
		quick = append(quick, q)
	}
	if r := (&reader{s, quick}); r.isRight(t) {
		return r
	}
	return &reader{shape: s}
}

// quicken returns where the struct of a message holds a place. The message is changed.
func quicken(m protoreflect.Message, p place) (q quickPlace, ok bool) {
	if p.nested != nil {
		slot, held, ok := slotOf(m, p.nested)
		if !ok || held.Kind() != reflect.Pointer {
			return q, false
		}
		q.nested, m = &slot, m.Get(p.nested).Message()
	}
	slot, held, ok := slotOf(m, p.code)
	if !ok || !holdsInteger(held) {
		return q, false
	}
	q.code = slot
	q.signed = slot.wrapper == nil && (held.Kind() == reflect.Int32 || held.Kind() == reflect.Int64)
	return q, true
}

// slotOf returns the slot of a field in the struct of a message, and the type of what
// it holds. The field is set.
func slotOf(m protoreflect.Message, fd protoreflect.FieldDescriptor) (s slot, held reflect.Type, ok bool) {
	m.Set(fd, m.NewField(fd))
	t := reflect.TypeOf(m.Interface())
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return slot{}, nil, false
	}
	v := reflect.ValueOf(m.Interface()).Elem()
	oneof := fd.ContainingOneof()
	if oneof == nil || oneof.IsSynthetic() {
		i, ok := fieldWith(v.Type(), fieldTag, func(tag string) bool {
			parts := strings.Split(tag, ",")
			return len(parts) > 1 && parts[1] == strconv.Itoa(int(fd.Number()))
		})
		if !ok {
			return slot{}, nil, false
		}
		return slot{field: i}, v.Type().Field(i).Type, true
	}
	i, ok := fieldWith(v.Type(), oneofTag, func(tag string) bool { return tag == string(oneof.Name()) })
	if !ok || v.Field(i).Kind() != reflect.Interface || v.Field(i).Elem().Kind() != reflect.Pointer {
		return slot{}, nil, false
	}
	wrapper := v.Field(i).Elem().Type()
	if wrapper.Elem().Kind() != reflect.Struct || wrapper.Elem().NumField() != 1 {
		return slot{}, nil, false
	}
	return slot{i, wrapper}, wrapper.Elem().Field(0).Type, true
}

// fieldWith returns the index of the struct field that has such a tag.
func fieldWith(t reflect.Type, key string, is func(tag string) bool) (index int, ok bool) {
	for i := range t.NumField() {
		if tag, ok := t.Field(i).Tag.Lookup(key); ok && is(tag) {
			return i, true
		}
	}
	return 0, false
}

func holdsInteger(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64:
		return true
	}
	return false
}

// isRight tries the reader on a received message for each of its places. How generated
// structs are laid out is up to the protobuf runtime, and some are filled only on
// demand: those with lazy fields.
func (r *reader) isRight(t protoreflect.MessageType) bool {
	for i := range r.shape {
		p := &r.shape[i]
		sent, received := t.New(), t.New().Interface()
		code, ok := p.value(p.anyNumber())
		if !ok {
			return false
		}
		p.mutable(sent).Set(p.code, code)
		b, err := proto.MarshalOptions{AllowPartial: true}.Marshal(sent.Interface())
		if err != nil || (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(b, received) != nil || r.failed(received) != p {
			return false
		}
	}
	return true
}
