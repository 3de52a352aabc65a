// Package cli holds what the example programs have in common and what is not about
// errors of RPCs: flags, exit statuses, languages and columns.
package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// Exit statuses of the example programs.
const (
	OK      = 0
	Failed  = 1
	Misused = 2
)

// A Misuse is a mistake in how a program was called.
type Misuse struct{ error }

// Misusef returns a Misuse with a message as by fmt.Sprintf.
func Misusef(format string, args ...any) Misuse { return Misuse{fmt.Errorf(format, args...)} }

// ErrReported ends a program with status Failed that has told already what was wrong.
var ErrReported = errors.New("reported already")

// Exit tells what a program ended with and returns its exit status. Help goes to
// stdout, everything else to stderr.
func Exit(err error, name, usage string, stdout, stderr io.Writer) int {
	var misuse Misuse
	switch {
	case err == nil:
		return OK
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return OK
	case errors.As(err, &misuse):
		fmt.Fprintf(stderr, "%s: %v\n\n%s", name, err, usage)
		return Misused
	case !errors.Is(err, ErrReported):
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
	}
	return Failed
}

// NewFlags returns an empty set of flags that prints nothing by itself.
func NewFlags() *flag.FlagSet {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	return flags
}

// ParseFront parses the flags in front of the first other argument and returns what
// is left. The error is flag.ErrHelp or a Misuse.
func ParseFront(flags *flag.FlagSet, args []string) ([]string, error) {
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil, flag.ErrHelp
	case err != nil:
		return nil, Misuse{err}
	}
	return flags.Args(), nil
}

// Parse parses flags wherever they stand and returns the other arguments. Everything
// behind "--" is another argument. Errors are those of ParseFront.
func Parse(flags *flag.FlagSet, args []string) ([]string, error) {
	var others []string
	for {
		rest, err := ParseFront(flags, args)
		if err != nil {
			return nil, err
		}
		parsed := args[:len(args)-len(rest)]
		if len(parsed) > 0 && parsed[len(parsed)-1] == "--" {
			return append(others, rest...), nil
		}
		if len(rest) == 0 {
			return others, nil
		}
		others, args = append(others, rest[0]), rest[1:]
	}
}

// NoArguments returns a Misuse if there are arguments.
func NoArguments(args []string) error {
	if len(args) == 0 {
		return nil
	}
	return Misusef("unexpected argument: %s", strings.Join(args, " "))
}
