//go:build !linux

package main

import "time"

var started = time.Now()

// clock returns the time since the program started.
func clock() time.Duration { return time.Since(started) }
