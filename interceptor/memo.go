package interceptor

import (
	"maps"
	"sync"
	"sync/atomic"
)

// A memo remembers what was found out by a key. It is read without a lock and copied to
// be added to, so it is for few keys, of which soon none is new. The zero value is
// empty.
type memo[K comparable, V any] struct {
	known atomic.Pointer[map[K]V]
	mu    sync.Mutex // held to replace known
}

// get returns what is remembered by a key, and whether there is something.
func (m *memo[K, V]) get(key K) (value V, ok bool) {
	if known := m.known.Load(); known != nil {
		value, ok = (*known)[key]
	}
	return value, ok
}

// put remembers a value, unless there are as many already as there may be.
func (m *memo[K, V]) put(key K, value V, most int) {
	if m.len() >= most {
		return // without a lock, for then it may be so at every call
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known := map[K]V{}
	if old := m.known.Load(); old != nil {
		known = maps.Clone(*old)
	}
	if known[key] = value; len(known) <= most {
		m.known.Store(&known)
	}
}

func (m *memo[K, V]) len() int {
	known := m.known.Load()
	if known == nil {
		return 0
	}
	return len(*known)
}
