package main

import "testing"

// Nothing is worth timing that does not arrive.
func TestWhatIsClaimedArrives(t *testing.T) {
	for _, c := range contenders() {
		t.Run(c.name, func(t *testing.T) {
			_, received := c.deliver(c.raise(7))
			if err := c.check(received, 7); err != nil {
				t.Errorf("directly: %v", err)
			}

			l, err := connect(c, true)
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			for range 3 {
				err := l.call()
				if err := c.check(err, l.calls); err != nil {
					t.Errorf("end to end: %v", err)
				}
			}

			ok, err := connect(c, false)
			if err != nil {
				t.Fatal(err)
			}
			defer ok.close()
			if err := ok.call(); err != nil {
				t.Errorf("a call that succeeds: %v", err)
			}
		})
	}
}
