//go:build race

package mapping_test

// raceEnabled tells that every memory access costs ten times as much.
const raceEnabled = true
