package registry

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	functionv1 "github.com/openyuanrong/statusmap/examples/internal/pb/function/v1"
	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
)

// Invoke runs a function once.
func (r *Registry) Invoke(_ context.Context, req *functionv1.InvokeRequest) (*functionv1.InvokeResponse, error) {
	output, err := r.invoke(req.GetName(), req.GetPayload(), 1)
	if err != nil {
		return nil, err
	}
	return &functionv1.InvokeResponse{Output: output}, nil
}

// InvokeStream runs a function several times, as one invocation.
func (r *Registry) InvokeStream(req *functionv1.InvokeStreamRequest, stream grpc.ServerStreamingServer[functionv1.InvokeStreamResponse]) error {
	if n := req.GetCount(); n < 1 || n > maxCount {
		return sdk.ParamInvalid.Errorf("the count must be 1 to %d, not %d", maxCount, n).With("parameter", "count")
	}
	run, err := r.admit(req.GetName(), req.GetPayload())
	if err != nil {
		return err
	}
	for turn := range int(req.GetCount()) {
		output, err := r.execute(req.GetName(), run, turn+1, req.GetPayload())
		if err != nil {
			return err
		}
		if err := stream.Send(&functionv1.InvokeStreamResponse{Output: output}); err != nil {
			return err
		}
	}
	return nil
}

// InvokeSession runs one function for each payload, until the client closes its side.
func (r *Registry) InvokeSession(stream grpc.BidiStreamingServer[functionv1.InvokeSessionRequest, functionv1.InvokeSessionResponse]) error {
	first, err := stream.Recv()
	if errors.Is(err, io.EOF) {
		return rest.SessionConfigInvalid.Errorf("the session ended before it was opened")
	}
	if err != nil {
		return err
	}
	name := first.GetOpen()
	if name == "" {
		return rest.SessionConfigInvalid.Errorf("a session begins with the name of a function")
	}
	for turn := 1; ; turn++ {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		output, err := r.invoke(name, req.GetPayload(), turn)
		if err != nil {
			return err
		}
		if err := stream.Send(&functionv1.InvokeSessionResponse{Output: output}); err != nil {
			return err
		}
	}
}

func (r *Registry) invoke(name, payload string, turn int) (string, error) {
	run, err := r.admit(name, payload)
	if err != nil {
		return "", err
	}
	return r.execute(name, run, turn, payload)
}

// admit decides whether a function may run now and returns its code.
func (r *Registry) admit(qualified, payload string) (handler, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name, qualifier, err := split(qualified)
	if err != nil {
		return nil, err
	}
	f, ok := r.functions[name]
	if !ok {
		return nil, sdk.FunctionMetaNotFound.Errorf("no function %q", name).With("function", name)
	}
	v, err := f.resolve(qualifier)
	if err != nil {
		return nil, err
	}
	if n := len(payload); n < 1 || n > maxPayloadBytes {
		return nil, sdk.ParamInvalid.Errorf("the payload must have 1 to %d bytes, not %d", maxPayloadBytes, n).With("parameter", "payload")
	}
	if f.instances == 0 {
		return nil, sdk.InstanceNotFound.Errorf("no instance of %q runs", name).With("function", name)
	}
	if wait := f.rate.take(r.now()); wait > 0 {
		// The catalogue's delay is a guess. Here the right one is known.
		return nil, sdk.InvokeRateLimited.Errorf("%q takes %d invocations a second", name, invokesPerSec).RetryAfter(wait)
	}
	run, ok := load(v.handler)
	if !ok {
		return nil, sdk.UserCodeLoad.Errorf("there is no code %q", v.handler).With("handler", v.handler)
	}
	return run, nil
}

// execute runs the code of a function. What the code fails with stays on this side:
// the client learns that it failed, the log of the server learns why.
func (r *Registry) execute(qualified string, run handler, turn int, payload string) (string, error) {
	output, err := call(run, turn, payload)
	switch {
	case errors.Is(err, errExit):
		r.lose(qualified)
		return "", sdk.InstanceExited.Wrapf(err, "the instance of %q that ran this has exited", qualified)
	case err != nil:
		return "", sdk.UserFunctionException.Wrapf(err, "the code of %q failed at turn %d", qualified, turn)
	}
	return output, nil
}

// lose takes note of an instance that has gone.
func (r *Registry) lose(qualified string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name, _, _ := split(qualified)
	if f := r.functions[name]; f != nil && f.instances > 0 {
		f.instances--
	}
}
