package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A handler is the code of a user: turn counts from 1 within a stream or session.
type handler func(turn int, payload string) (string, error)

// errExit is what a handler returns whose process is over.
var errExit = errors.New("exit status 0")

// load returns the code of a name. Some of it is not good code.
func load(name string) (handler, bool) {
	switch name {
	case "echo":
		return func(_ int, payload string) (string, error) { return payload, nil }, true
	case "upper":
		return func(_ int, payload string) (string, error) { return strings.ToUpper(payload), nil }, true
	case "reverse":
		return func(_ int, payload string) (string, error) { return reverse(payload), nil }, true
	case "throw":
		return func(int, string) (string, error) { return "", errors.New("password of the database is wrong") }, true
	case "panic":
		return func(_ int, payload string) (string, error) { return []string{}[len(payload)], nil }, true
	case "tired":
		return tired, true
	case "exit":
		return func(int, string) (string, error) { return "", errExit }, true
	}
	return nil, false
}

// tired works twice in a row.
func tired(turn int, payload string) (string, error) {
	if turn > 2 {
		return "", fmt.Errorf("too tired for turn %d", turn)
	}
	return payload, nil
}

func reverse(text string) string {
	runes := []rune(text)
	slices.Reverse(runes)
	return string(runes)
}

// call runs a handler. A panic in it is its error.
func call(run handler, turn int, payload string) (output string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return run(turn, payload)
}
