// Package functions is a client of the REST API of the gateway. It knows no gRPC, and its
// errors are those of a gRPC client all the same:
//
//	err := c.Create(ctx, "hello", "echo", 128)
//	if errors.Is(err, rest.FunctionNameExist) { … }
package functions

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/openyuanrong/statusmap/mapping/httperr"
)

// A Client calls the API. It is safe for concurrent use.
type Client struct {
	// BaseURL is where the API is, "http://localhost:8080".
	BaseURL string
	// HTTP makes the requests; nil means http.DefaultClient.
	HTTP *http.Client
}

// Create creates a function that runs a handler, with instances of so much memory.
func (c *Client) Create(ctx context.Context, name, handler string, memoryMiB int) error {
	return c.do(ctx, "POST", "/v1/functions", map[string]any{"name": name, "handler": handler, "memoryMib": memoryMiB}, nil)
}

// Get returns the handler of a function.
func (c *Client) Get(ctx context.Context, name string) (handler string, err error) {
	var reply struct {
		Function struct {
			Handler string `json:"handler"`
		} `json:"function"`
	}
	err = c.do(ctx, "GET", "/v1/functions/"+url.PathEscape(name), nil, &reply)
	return reply.Function.Handler, err
}

// Update changes the handler of a function, if its revision is still this one. An empty
// revision overwrites any.
func (c *Client) Update(ctx context.Context, name, handler, revision string) error {
	return c.do(ctx, "PUT", "/v1/functions/"+url.PathEscape(name), map[string]any{"handler": handler, "revisionId": revision}, nil)
}

// Delete deletes a function.
func (c *Client) Delete(ctx context.Context, name string) error {
	return c.do(ctx, "DELETE", "/v1/functions/"+url.PathEscape(name), nil, nil)
}

// Publish freezes a function as its next version.
func (c *Client) Publish(ctx context.Context, name string) error {
	return c.do(ctx, "POST", "/v1/functions/"+url.PathEscape(name)+"/versions", nil, nil)
}

// CreateAlias gives a version a name.
func (c *Client) CreateAlias(ctx context.Context, name, alias string, version int) error {
	return c.do(ctx, "POST", "/v1/functions/"+url.PathEscape(name)+"/aliases", map[string]any{"alias": alias, "version": version}, nil)
}

// Scale starts or stops instances.
func (c *Client) Scale(ctx context.Context, name string, instances int) error {
	return c.do(ctx, "PUT", "/v1/functions/"+url.PathEscape(name)+"/instances", map[string]any{"instances": instances}, nil)
}

// Invoke runs a function once and returns its output.
func (c *Client) Invoke(ctx context.Context, name, payload string) (output string, err error) {
	var reply struct {
		Output string `json:"output"`
	}
	err = c.do(ctx, "POST", "/v1/functions/"+url.PathEscape(name)+"/invocations", map[string]any{"payload": payload}, &reply)
	return reply.Output, err
}

// do makes a request. Errors are *mapping.Error where a response came, and those of
// net/http where none did.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.BaseURL, "/")+path, &body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if e, failed := httperr.FromResponse(resp); failed {
		return e
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
