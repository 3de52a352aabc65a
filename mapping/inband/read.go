package inband

import (
	"maps"
	"reflect"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"
)

// A reader is what is known about a type of reply. Where the struct of a generated
// message can be read directly, quick says how, place by place: most replies are no
// error, and protobuf's own reflection takes five times as long to find that out.
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
	if isGenerated(t) && reflect.TypeOf(reply.ProtoReflect().Interface()) == t {
		return f.generated.remember(id, func() *reader { return newQuickReader(reply.ProtoReflect().Type(), f.examine(d)) })
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
		tag := t.Elem().Field(i).Tag
		if _, ok := tag.Lookup(fieldTag); ok {
			return true
		}
		if _, ok := tag.Lookup(oneofTag); ok {
			return true
		}
	}
	return false
}
