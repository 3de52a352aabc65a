package inband

import (
	"maps"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A reader is what is known about a type of reply. Where the generated Go struct can
// be read directly, quick says how, place by place: most replies are no error, and
// protobuf's own reflection takes five times as long to find that out.
type reader struct {
	shape shape
	quick []quickPlace
}

// failed returns the place that carries a code, or nil.
func (r *reader) failed(reply proto.Message) *place {
	if r.quick != nil {
		v := reflect.ValueOf(reply).Elem()
		if !v.IsValid() {
			return nil // a typed nil
		}
		for i := range r.quick {
			if r.quick[i].isSet(v) {
				return &r.shape[i]
			}
		}
		return nil
	}
	for i := range r.shape {
		if p := &r.shape[i]; p.number(reply.ProtoReflect()) != 0 {
			return p
		}
	}
	return nil
}

// A quickPlace says in which fields of a generated struct a code stands.
type quickPlace struct {
	nested int // -1: in the reply itself
	code   int
	signed bool // an int32 or int64, enums included
}

// isSet reports whether the place in the struct holds a code other than 0.
func (q *quickPlace) isSet(v reflect.Value) bool {
	if q.nested >= 0 {
		if v = v.Field(q.nested).Elem(); !v.IsValid() {
			return false
		}
	}
	code := v.Field(q.code)
	if q.signed {
		return code.Int() != 0
	}
	if code.Kind() == reflect.Pointer {
		code = code.Elem() // with presence, nil if it is not there
	}
	return code.IsValid() && !code.IsZero()
}

// maxReaders bounds how many types are remembered. A program has some hundreds; only
// types made at run time could be more, and those past the bound are examined each
// time.
const maxReaders = 1024

// readers remembers types of replies. They are looked up without a lock.
type readers[K comparable] struct {
	known atomic.Pointer[map[K]*reader]
	mu    sync.Mutex // held to replace known
}

func (r *readers[K]) lookup(key K) *reader {
	if known := r.known.Load(); known != nil {
		return (*known)[key]
	}
	return nil
}

// remember returns what is known by the key, and makes and keeps it if it is new.
func (r *readers[K]) remember(key K, examine func() *reader) *reader {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.lookup(key); known != nil {
		return known
	}
	made := examine()
	known := map[K]*reader{}
	if old := r.known.Load(); old != nil {
		if len(*old) >= maxReaders {
			return made
		}
		known = maps.Clone(*old)
	}
	known[key] = made
	r.known.Store(&known)
	return made
}

// readerOf returns the reader for a reply's type. A type is examined once.
func (f *Format) readerOf(reply proto.Message) *reader {
	t := reflect.TypeOf(reply)
	// Types are never freed, and a map finds a word twice as fast as an interface.
	id := reflect.ValueOf(t).Pointer()
	if r := f.generated.lookup(id); r != nil {
		return r
	}
	d := reply.ProtoReflect().Descriptor()
	if r := f.others.lookup(d); r != nil {
		return r
	}
	if isGenerated(t) {
		return f.generated.remember(id, func() *reader {
			s := f.examine(d)
			return &reader{s, quicken(t.Elem(), s)}
		})
	}
	return f.others.remember(d, func() *reader { return &reader{shape: f.examine(d)} })
}

// isGenerated reports whether t points to a generated struct, which stands for one
// message. A struct without a field is not recognised, and need not be.
func isGenerated(t reflect.Type) bool {
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return false
	}
	for i := range t.Elem().NumField() {
		if _, ok := t.Elem().Field(i).Tag.Lookup("protobuf"); ok {
			return true
		}
	}
	return false
}

// quicken returns where the places are in the struct, nil if one of them cannot be
// read there.
func quicken(t reflect.Type, s shape) []quickPlace {
	quick := make([]quickPlace, 0, len(s))
	for _, p := range s {
		q, in := quickPlace{nested: -1}, t
		if p.nested != nil {
			if q.nested = structField(t, p.nested); q.nested < 0 {
				return nil
			}
			in = t.Field(q.nested).Type
			if in.Kind() != reflect.Pointer || in.Elem().Kind() != reflect.Struct {
				return nil
			}
			in = in.Elem()
		}
		if q.code = structField(in, p.code); q.code < 0 || !holdsInteger(in.Field(q.code).Type) {
			return nil
		}
		kind := in.Field(q.code).Type.Kind()
		q.signed = kind == reflect.Int32 || kind == reflect.Int64
		quick = append(quick, q)
	}
	return quick
}

// structField returns the index of the exported struct field that holds a field of the
// message, -1 if there is none: members of a oneof lie elsewhere, and structs of the
// opaque API tell presence otherwise.
func structField(t reflect.Type, fd protoreflect.FieldDescriptor) int {
	number := strconv.Itoa(int(fd.Number()))
	for i := range t.NumField() {
		f := t.Field(i)
		tag := strings.Split(f.Tag.Get("protobuf"), ",")
		if f.IsExported() && len(tag) > 1 && tag[1] == number {
			return i
		}
	}
	return -1
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
