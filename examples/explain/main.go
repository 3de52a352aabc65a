// Command explain tells a person what an error means, who has to act, what to do, and
// whether and when to try again.
//
//	go run ./examples/explain 1003
//	go run ./examples/explain -lang zh FunctionNotFound
//	go run ./examples/explain CAUSEk…              # the base64 of grpc-status-details-bin
//	go run ./examples/explain - < service.log      # every error in a log
//	go run ./examples/explain -list -retry safe
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	"github.com/openyuanrong/statusmap/mapping"
)

const usage = `explain tells what an error means, who has to act, what to do, and when to try again.

Usage: explain [flags] <error>...
       explain [flags] -
       explain -list [flags]

An error is one of
  1003                  a number; where several catalogues have it, all are shown
  FunctionNotFound      a name, also FUNCTION_NOT_FOUND, ERR_… or sdk.InstanceNotFound
  CAUSEk…               the base64 of grpc-status-details-bin, padded or not, or its hex
  '{"code":1003,…}'     the JSON body of an HTTP error
  "… code: 1003, …"     a line of a log
  -                     a log on standard input

Flags:
  -lang en|zh           the language (default en)
  -json                 print JSON, for programs
  -domain sdk.yuanrong  only this catalogue; "sdk" will do
  -list                 list the catalogues
  -retry safe           with -list: only this retry class
  -grpc UNAVAILABLE     with -list: only this gRPC code

Exit status: 0 if everything was explained, 1 if something was not, 2 for a wrong call.
`

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// options are the values of the flags.
type options struct {
	lang   cli.Lang
	json   bool
	list   bool
	domain string
	retry  string
	grpc   string
}

// run is the program. It returns its exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	opts := options{lang: "en"}
	flags := cli.NewFlags()
	flags.Var(&opts.lang, "lang", "")
	flags.BoolVar(&opts.json, "json", false, "")
	flags.BoolVar(&opts.list, "list", false, "")
	flags.StringVar(&opts.domain, "domain", "", "")
	flags.StringVar(&opts.retry, "retry", "", "")
	flags.StringVar(&opts.grpc, "grpc", "", "")
	args, err := cli.Parse(flags, args)
	if err == nil {
		err = execute(opts, args, stdin, stdout, stderr)
	}
	if misuse := (cli.Misuse{}); errors.As(err, &misuse) {
		fmt.Fprintf(stderr, "explain: %v\nexplain -h tells how to call it.\n", err)
		return cli.Misused
	}
	return cli.Exit(err, "explain", usage, stdout, stderr)
}

func execute(opts options, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	filter, err := newFilter(opts)
	if err != nil {
		return err
	}
	book, err := open(opts.domain)
	if err != nil {
		return err
	}
	out := output{lang: opts.lang, paint: cli.PaintFor(stdout), out: stdout}
	if opts.list {
		if err := cli.NoArguments(args); err != nil {
			return err
		}
		return list(book, filter, opts, out)
	}
	switch {
	case opts.retry != "" || opts.grpc != "":
		return cli.Misusef("-retry and -grpc go with -list")
	case len(args) == 0:
		return cli.Misusef("what is to be explained?")
	case len(args) > 1 && slices.Contains(args, "-"):
		return cli.Misusef("- stands alone")
	}
	findings, err := read(book, args, stdin)
	if len(findings) > 0 || opts.json {
		if printErr := print(findings, opts, out); printErr != nil {
			return printErr
		}
	}
	return reported(err, stderr)
}

// reported prints each error that is joined in err, and returns one that is not
// printed again.
func reported(err error, stderr io.Writer) error {
	if err == nil {
		return nil
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(stderr, "explain: %s\n", strings.TrimSuffix(line, "\n"))
	}
	return cli.ErrReported
}

// read finds what the arguments name. What it can explain is returned along with the
// error about the rest.
func read(book book, args []string, stdin io.Reader) ([]finding, error) {
	if args[0] == "-" {
		return book.log(stdin)
	}
	var all []finding
	var failed []error
	for _, arg := range args {
		found, err := book.find(arg)
		all = append(all, found...)
		if err != nil {
			failed = append(failed, err)
		}
	}
	return all, errors.Join(failed...)
}

// print shows what was found.
func print(findings []finding, opts options, out output) error {
	if opts.json {
		return out.json(findings)
	}
	out.findings(findings)
	return nil
}

// list shows the codes that pass the filter.
func list(book book, filter filter, opts options, out output) error {
	var passed []finding
	for _, c := range book.codes() {
		if filter.passes(c) {
			passed = append(passed, finding{code: c})
		}
	}
	if opts.json {
		return out.json(passed)
	}
	out.list(passed)
	if len(passed) == 0 {
		return errors.New("no code is like that")
	}
	return nil
}

// A filter says which codes are listed. Zero fields let everything pass.
type filter struct {
	class mapping.RetryClass
	grpc  codes.Code
}

func newFilter(opts options) (filter, error) {
	var f filter
	if opts.retry != "" {
		classes := []mapping.RetryClass{mapping.Never, mapping.Safe, mapping.Idempotent, mapping.HigherLevel}
		i := slices.IndexFunc(classes, func(c mapping.RetryClass) bool { return folded(c.String()) == folded(opts.retry) })
		if i < 0 {
			return f, cli.Misusef("-retry %q: it must be never, safe, idempotent or higher_level", opts.retry)
		}
		f.class = classes[i]
	}
	if opts.grpc != "" {
		var ok bool
		if f.grpc, ok = parseGRPC(opts.grpc); !ok {
			return f, cli.Misusef("-grpc %q: it must be an error code of gRPC, such as UNAVAILABLE", opts.grpc)
		}
	}
	return f, nil
}

func (f filter) passes(c mapping.Code) bool {
	return (f.class == 0 || c.Retry().Class == f.class) && (f.grpc == codes.OK || c.GRPCCode() == f.grpc)
}
