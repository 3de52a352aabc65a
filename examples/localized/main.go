// Command localized is a client without a catalogue that shows an error to a person in
// the language asked for, and the server that lets it.
//
//	cd examples/localized && go run . 'zh-TW,zh;q=0.9,en;q=0.8'
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/text/language"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	faultv1 "github.com/openyuanrong/statusmap/examples/internal/pb/fault/v1"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns its exit status: 0, 1 if something failed that should
// not, 2 if it was called in the wrong way.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		fmt.Fprint(stderr, "Usage: localized [accept-language]...\n\nEach argument is the value of a header, such as 'zh-TW,en;q=0.8'.\n")
		return 2
	}
	if len(args) == 0 {
		args = []string{"en-GB", "zh-CN"}
	}
	if err := show(ctx, args, stdout); err != nil {
		fmt.Fprintln(stderr, "localized:", err)
		return 1
	}
	return 0
}

// match returns the language to answer in: the best of those that catalogues have.
func match() func(acceptLanguage string) string {
	tags := []language.Tag{language.English, language.Chinese}
	matcher := language.NewMatcher(tags)
	return func(accept string) string {
		_, i := language.MatchStrings(matcher, accept)
		return tags[i].String()
	}
}

type faults struct {
	faultv1.UnimplementedFaultServiceServer
}

func (faults) Unary(context.Context, *faultv1.UnaryRequest) (*faultv1.UnaryResponse, error) {
	return nil, sdk.InvokeRateLimited
}

// show calls a server that fails, once for each header, and prints what it tells.
func show(ctx context.Context, headers []string, out io.Writer) error {
	server := grpc.NewServer(interceptor.ServerOptions(interceptor.WithLocalizedMessage(match()))...)
	faultv1.RegisterFaultServiceServer(server, faults{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = server.Serve(listener) }() // returns when the server is stopped
	defer server.Stop()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, accept := range headers {
		_, err := faultv1.NewFaultServiceClient(conn).Unary(
			metadata.AppendToOutgoingContext(ctx, "accept-language", accept), &faultv1.UnaryRequest{})
		m := localized(err)
		if m == nil {
			return errors.Join(errors.New("no text for people came"), err)
		}
		fmt.Fprintf(out, "%s: [%s] %s\n", accept, m.GetLocale(), m.GetMessage())
	}
	return nil
}

// localized returns the text for people in an error. It needs no package of ours.
func localized(err error) *errdetails.LocalizedMessage {
	for _, detail := range status.Convert(err).Details() {
		if m, ok := detail.(*errdetails.LocalizedMessage); ok {
			return m
		}
	}
	return nil
}
