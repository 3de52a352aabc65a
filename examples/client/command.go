package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/openyuanrong/statusmap/examples/internal/cli"
	functionv1 "github.com/openyuanrong/statusmap/examples/internal/pb/function/v1"
)

// A command is a subcommand.
type command struct {
	name, params, about string
	least, most         int // how many arguments it takes
	flags               func(*flag.FlagSet, *options)
	run                 func(context.Context, *call) error
}

// A call is what a subcommand works with.
type call struct {
	client functionv1.FunctionServiceClient
	args   []string
	opts   options
	stdout io.Writer
}

func commands() []command {
	return []command{
		{"create", "[-handler echo] [-memory 128] <function>", "create a function with one instance", 1, 1, createFlags, create},
		{"get", "<function>[:<version or alias>]", "show a function", 1, 1, nil, get},
		{"list", "[-page 1] [-size 10]", "show all functions", 0, 0, listFlags, list},
		{"update", "[-handler echo] [-revision id] <function>", "change a function", 1, 1, updateFlags, update},
		{"publish", "<function>", "freeze a function as its next version", 1, 1, nil, publish},
		{"alias", "<function> <alias> <version>", "give a version a name", 3, 3, nil, alias},
		{"scale", "<function> <instances>", "start or stop instances", 2, 2, nil, scale},
		{"delete", "<function>[:<version or alias>]", "delete a function, a version or an alias", 1, 1, nil, remove},
		{"invoke", "[-times 1] <function>[:…] <payload>", "run a function", 2, 2, invokeFlags, invoke},
		{"stream", "<function>[:…] <count> [<payload>]", "run a function several times in one stream", 2, 3, nil, stream},
		{"session", "<function>[:…] <payload>…", "run a function for each payload, in both directions", 1, math.MaxInt, nil, session},
	}
}

// find returns the command of a name, nil if there is none.
func find(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return &c
		}
	}
	return nil
}

func usage() string {
	var b strings.Builder
	b.WriteString("client talks to ./examples/server, which runs functions.\n\nUsage: client [flags] <subcommand> [flags] <arguments>\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %s %s %s\n", cli.Pad(c.name, 8), cli.Pad(c.params, 44), c.about)
	}
	b.WriteString(`  help                                                  show this

  -addr      the server (default 127.0.0.1:50051)
  -lang      the language in which errors are described, en or zh (default en)
  -timeout   how long a call may take (default 10s)

Handlers: echo, upper, reverse work; throw, panic, tired, exit fail in their own ways.
`)
	return b.String()
}

func createFlags(flags *flag.FlagSet, o *options) {
	flags.StringVar(&o.handler, "handler", "echo", "")
	flags.IntVar(&o.memory, "memory", 128, "")
}

func updateFlags(flags *flag.FlagSet, o *options) {
	flags.StringVar(&o.handler, "handler", "echo", "")
	flags.StringVar(&o.revision, "revision", "", "")
}

func listFlags(flags *flag.FlagSet, o *options) {
	flags.IntVar(&o.page, "page", 1, "")
	flags.IntVar(&o.size, "size", 10, "")
}

func invokeFlags(flags *flag.FlagSet, o *options) {
	flags.IntVar(&o.times, "times", 1, "")
}

func create(ctx context.Context, c *call) error {
	memory, err := int32Of("-memory", strconv.Itoa(c.opts.memory))
	if err != nil {
		return err
	}
	resp, err := c.client.CreateFunction(ctx, &functionv1.CreateFunctionRequest{Name: c.args[0], Handler: c.opts.handler, MemoryMib: memory})
	if err != nil {
		return err
	}
	return c.show("created", resp.GetFunction())
}

func get(ctx context.Context, c *call) error {
	resp, err := c.client.GetFunction(ctx, &functionv1.GetFunctionRequest{Name: c.args[0]})
	if err != nil {
		return err
	}
	return c.show("found", resp.GetFunction())
}

func list(ctx context.Context, c *call) error {
	page, err := int32Of("-page", strconv.Itoa(c.opts.page))
	if err != nil {
		return err
	}
	size, err := int32Of("-size", strconv.Itoa(c.opts.size))
	if err != nil {
		return err
	}
	resp, err := c.client.ListFunctions(ctx, &functionv1.ListFunctionsRequest{Page: page, PageSize: size})
	if err != nil {
		return err
	}
	if len(resp.GetFunctions()) == 0 {
		return c.say("there are no functions")
	}
	for _, f := range resp.GetFunctions() {
		if err := c.show("found", f); err != nil {
			return err
		}
	}
	return nil
}

func update(ctx context.Context, c *call) error {
	resp, err := c.client.UpdateFunction(ctx, &functionv1.UpdateFunctionRequest{Name: c.args[0], Handler: c.opts.handler, RevisionId: c.opts.revision})
	if err != nil {
		return err
	}
	return c.show("updated", resp.GetFunction())
}

func publish(ctx context.Context, c *call) error {
	resp, err := c.client.PublishFunction(ctx, &functionv1.PublishFunctionRequest{Name: c.args[0]})
	if err != nil {
		return err
	}
	return c.show("published", resp.GetFunction())
}

func alias(ctx context.Context, c *call) error {
	version, err := int32Of("the version", c.args[2])
	if err != nil {
		return err
	}
	_, err = c.client.CreateAlias(ctx, &functionv1.CreateAliasRequest{Name: c.args[0], Alias: c.args[1], Version: version})
	if err != nil {
		return err
	}
	return c.say("%s:%s is %s:%d", c.args[0], c.args[1], c.args[0], version)
}

func scale(ctx context.Context, c *call) error {
	instances, err := int32Of("the number of instances", c.args[1])
	if err != nil {
		return err
	}
	_, err = c.client.ScaleFunction(ctx, &functionv1.ScaleFunctionRequest{Name: c.args[0], Instances: instances})
	if err != nil {
		return err
	}
	return c.say("%s has %d instances", c.args[0], instances)
}

func remove(ctx context.Context, c *call) error {
	if _, err := c.client.DeleteFunction(ctx, &functionv1.DeleteFunctionRequest{Name: c.args[0]}); err != nil {
		return err
	}
	return c.say("deleted %s", c.args[0])
}

func invoke(ctx context.Context, c *call) error {
	for range c.opts.times {
		resp, err := c.client.Invoke(ctx, &functionv1.InvokeRequest{Name: c.args[0], Payload: c.args[1]})
		if err != nil {
			return err
		}
		if err := c.say("%s", resp.GetOutput()); err != nil {
			return err
		}
	}
	return nil
}

func stream(ctx context.Context, c *call) error {
	count, err := int32Of("the count", c.args[1])
	if err != nil {
		return err
	}
	payload := "tick"
	if len(c.args) == 3 {
		payload = c.args[2]
	}
	outputs, err := c.client.InvokeStream(ctx, &functionv1.InvokeStreamRequest{Name: c.args[0], Payload: payload, Count: count})
	if err != nil {
		return err
	}
	for {
		resp, err := outputs.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err // what came before it has been printed
		}
		if err := c.say("%s", resp.GetOutput()); err != nil {
			return err
		}
	}
}

func session(ctx context.Context, c *call) error {
	talk, err := c.client.InvokeSession(ctx)
	if err != nil {
		return err
	}
	requests := []*functionv1.InvokeSessionRequest{{Kind: &functionv1.InvokeSessionRequest_Open{Open: c.args[0]}}}
	for _, payload := range c.args[1:] {
		requests = append(requests, &functionv1.InvokeSessionRequest{Kind: &functionv1.InvokeSessionRequest_Payload{Payload: payload}})
	}
	for i, req := range requests {
		// Sending on a session that the server has ended gives io.EOF; Recv says why.
		if err := talk.Send(req); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if i == 0 {
			continue // opening is not answered
		}
		resp, err := talk.Recv()
		if err != nil {
			return err
		}
		if err := c.say("%s", resp.GetOutput()); err != nil {
			return err
		}
	}
	if err := talk.CloseSend(); err != nil {
		return err
	}
	if _, err := talk.Recv(); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func (c *call) say(format string, args ...any) error {
	_, err := fmt.Fprintf(c.stdout, format+"\n", args...)
	return err
}

// show prints a function in one line.
func (c *call) show(verb string, f *functionv1.Function) error {
	name := f.GetName()
	if f.GetVersion() > 0 {
		name += ":" + strconv.Itoa(int(f.GetVersion()))
	}
	return c.say("%s %s  handler=%s memory=%dMiB revision=%s instances=%d",
		verb, name, f.GetHandler(), f.GetMemoryMib(), f.GetRevisionId(), f.GetInstances())
}

// int32Of reads a number that the protocol has 32 bits for.
func int32Of(what, text string) (int32, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, cli.Misusef("%s: %q is not a number of 32 bits", what, text)
	}
	return int32(n), nil
}
