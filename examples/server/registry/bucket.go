package registry

import "time"

// A bucket holds the right to so many invocations, and gains new ones as time goes by.
type bucket struct {
	tokens float64
	filled time.Time
}

func newBucket(now time.Time) bucket { return bucket{tokens: invokesAtOnce, filled: now} }

// take takes a token. If there is none, it returns how long it takes until there is.
func (b *bucket) take(now time.Time) (wait time.Duration) {
	b.tokens = min(invokesAtOnce, b.tokens+now.Sub(b.filled).Seconds()*invokesPerSec)
	b.filled = now
	if b.tokens < 1 {
		return time.Duration((1 - b.tokens) / invokesPerSec * float64(time.Second))
	}
	b.tokens--
	return 0
}
