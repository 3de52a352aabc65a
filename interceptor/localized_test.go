package interceptor_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/interceptor"
	"github.com/openyuanrong/statusmap/interceptor/internal/stubtest"
	"github.com/openyuanrong/statusmap/mapping"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// byPrefix stands for a library: it takes what the header begins with.
func byPrefix(accept string) string {
	if accept == "panic" {
		panic(accept)
	}
	tag, _, _ := strings.Cut(accept, ",")
	return tag
}

// localizedIn returns the one LocalizedMessage of a status, nil if there is none.
func localizedIn(t *testing.T, err error) *errdetails.LocalizedMessage {
	t.Helper()
	var found *errdetails.LocalizedMessage
	for _, d := range status.Convert(err).Details() {
		if m, ok := d.(*errdetails.LocalizedMessage); ok {
			if found != nil {
				t.Error("there are two")
			}
			found = m
		}
	}
	return found
}

func TestLocalizedMessage(t *testing.T) {
	t.Parallel()
	c := sdk.InstanceNotFound
	zh := &errdetails.LocalizedMessage{Locale: "zh-CN", Message: c.Description("zh") + " " + c.Remedy("zh")}
	en := &errdetails.LocalizedMessage{Locale: "en", Message: c.Description("en") + " " + c.Remedy("en")}
	own := &errdetails.LocalizedMessage{Locale: "fr", Message: "aucune instance"}
	received, _ := mapping.FromStatus(status.Convert(c))
	for _, tt := range []struct {
		name   string
		err    error
		accept []string
		want   *errdetails.LocalizedMessage
	}{
		{"Chinese", c, []string{"zh-CN"}, zh},
		{"the first of several", c, []string{"zh-CN,en"}, zh},
		{"several headers", c, []string{"zh-CN", "en"}, zh},
		{"English", c, []string{"en"}, en},
		{"a language that the catalogue has not", c, []string{"fr"}, en},
		{"with a message of its own", c.Errorf("no instance %q", "a1"), []string{"zh-CN"}, zh},
		{"of another service", received, []string{"zh-CN"}, zh},
		{"attached already", c.AsError().WithDetails(own), []string{"zh-CN"}, own},
		{"no header", c, nil, nil},
		{"an empty header", c, []string{""}, nil},
		{"no match", c, []string{",en"}, nil},
		{"a header as long as may be", c, []string{"zh-CN" + strings.Repeat(",", 995)}, zh},
		{"a header that is too long", c, []string{"zh-CN" + strings.Repeat(",", 996)}, nil},
		{"a header on which the function panics", c, []string{"panic"}, nil},
		{"no code", status.Error(codes.NotFound, "gone"), []string{"zh-CN"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			service := stubtest.Each(func(context.Context) error { return tt.err })
			client := stubtest.Dial(t, stubtest.Start(t, service, interceptor.ServerOptions(nil, interceptor.WithLocalizedMessage(byPrefix), interceptor.WithLocalizedMessage(nil))...))
			for _, shape := range stubtest.Shapes() {
				ctx := stubtest.Context(t)
				for _, accept := range tt.accept {
					ctx = metadata.AppendToOutgoingContext(ctx, "accept-language", accept)
				}
				err := shape.Call(ctx, client)
				if got := localizedIn(t, err); !proto.Equal(got, tt.want) {
					t.Errorf("%s: %v, want %v", shape.Name, got, tt.want)
				}
				if got, want := status.Code(err), status.Code(tt.err); got != want {
					t.Errorf("%s: %v, want %v", shape.Name, got, want)
				}
				if e := decoded(t, err); tt.want != nil && (!errors.Is(e, c) || e.Retry() != c.Retry()) {
					t.Errorf("%s: it became %v, %v", shape.Name, e, e.Retry())
				}
			}
		})
	}
}

// Languages may have the same description: a name, say.
func TestLocalizedMessageOfTheRemedyAlone(t *testing.T) {
	t.Parallel()
	c := rpcerr.CodeOf(&rpcerr.Row{
		Domain: "billing.acme", Number: 7, Reason: "OUT_OF_MEMORY", GRPC: codes.ResourceExhausted,
		EN: rpcerr.Text{Description: "OOM", Remedy: "Ask for more memory."}, ZH: rpcerr.Text{Description: "OOM", Remedy: "请增加内存。"},
	})
	server := interceptor.UnaryServer(interceptor.WithLocalizedMessage(byPrefix))
	for tag, want := range map[string]*errdetails.LocalizedMessage{
		"zh-CN": {Locale: "zh-CN", Message: "OOM 请增加内存。"},
		"fr":    {Locale: "en", Message: "OOM Ask for more memory."},
	} {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("accept-language", tag))
		_, err := server(ctx, nil, unaryInfo, func(context.Context, any) (any, error) { return nil, c })
		if got := localizedIn(t, err); !proto.Equal(got, want) {
			t.Errorf("%s: %v, want %v", tag, got, want)
		}
	}
}

// What is a guess is not told as a fact.
func TestNoLocalizedMessageForAGuess(t *testing.T) {
	t.Parallel()
	relay := interceptor.WithMapper(&mapping.Mapper{Relay: func(e *mapping.Error) *mapping.Error { return e }})
	service := stubtest.Each(func(context.Context) error { return sentByPeer(status.New(codes.Unavailable, "down")) })
	client := stubtest.Dial(t, stubtest.Start(t, service, interceptor.ServerOptions(relay, interceptor.WithLocalizedMessage(byPrefix))...))
	for _, shape := range stubtest.Shapes() {
		err := shape.Call(metadata.AppendToOutgoingContext(stubtest.Context(t), "accept-language", "zh-CN"), client)
		if got := localizedIn(t, err); status.Code(err) != codes.Unavailable || got != nil {
			t.Errorf("%s: got %v with %v, want UNAVAILABLE alone", shape.Name, err, got)
		}
	}
}

// Without the option the header changes nothing.
func TestLocalizedMessageIsAnOption(t *testing.T) {
	t.Parallel()
	service := stubtest.Each(func(context.Context) error { return sdk.ParamInvalid })
	client := stubtest.Dial(t, stubtest.Start(t, service, interceptor.ServerOptions()...))
	ctx := metadata.AppendToOutgoingContext(stubtest.Context(t), "accept-language", "zh-CN")
	if got := localizedIn(t, stubtest.Shapes()[0].Call(ctx, client)); got != nil {
		t.Errorf("%v, want none", got)
	}
}

// It is the first thing to go when the budget is tight, before a word of the message.
func TestLocalizedMessageGoesFirst(t *testing.T) {
	t.Parallel()
	message := strings.Repeat("m", 250)
	for _, tt := range []struct {
		budget int
		want   bool
	}{{rpcerr.MinBudget, false}, {rpcerr.DefaultBudget, true}} {
		server := interceptor.UnaryServer(interceptor.WithLocalizedMessage(byPrefix), interceptor.WithBudget(tt.budget))
		ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("accept-language", "zh"))
		_, err := server(ctx, nil, unaryInfo, func(context.Context, any) (any, error) {
			return nil, sdk.ResourceConfigError.Errorf("%s", message).With("instance", strings.Repeat("i", 60))
		})
		if got := localizedIn(t, err) != nil; got != tt.want {
			t.Errorf("with a budget of %d: attached %t, want %t", tt.budget, got, tt.want)
		}
		e := typed(t, err)
		if e.Message() != message || len(e.Metadata()["instance"]) != 60 || e.Trimmed() == tt.want {
			t.Errorf("with a budget of %d: message of %d bytes, metadata %v, trimmed %t", tt.budget, len(e.Message()), e.Metadata(), e.Trimmed())
		}
		if got := rpcerr.Size(status.Convert(err).Proto()); got > tt.budget {
			t.Errorf("with a budget of %d: %d bytes", tt.budget, got)
		}
	}
}
