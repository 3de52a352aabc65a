package mapping_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping"
)

func TestParseText(t *testing.T) {
	var none mapping.Code
	for _, test := range []struct {
		name, text string
		want       mapping.Code
		message    string
	}{
		// The platform's own parser takes the first number of the whole message, and
		// knows neither names nor the form of its SDK. It answers 10, 42, 330404, 330404.
		{"the address in front is not the code", "create to 10.0.0.7:8080 failed, code: 1003, message: no a1", sdk.InstanceNotFound, "no a1"},
		{"the request id in front is not the code", "req 42|create failed code: 1002, message: full", sdk.ResourceNotEnough, "full"},
		{"a name in place of the number", "kill failed, code: ERR_INSTANCE_NOT_FOUND, message: no a1", sdk.InstanceNotFound, "no a1"},
		{"the form of the SDK", "ErrCode: 1003, ModuleCode: 20, ErrMsg: no a1", sdk.InstanceNotFound, "no a1"},

		{"whole text", "code: 1003, message: no a1", sdk.InstanceNotFound, "no a1"},
		{"no blank", "code:1003,message:no a1", sdk.InstanceNotFound, "no a1"},
		{"many blanks", "failed to invoke, code:   1003 ,  message:  no a1 ", sdk.InstanceNotFound, "no a1"},
		{"capital", "Code: 1003, message: no a1", sdk.InstanceNotFound, "no a1"},
		{"no word message", "code: 1003, no a1", sdk.InstanceNotFound, "no a1"},
		{"no message", "code: 1003,", sdk.InstanceNotFound, ""},
		{"name without ERR_", "code: INSTANCE_NOT_FOUND, message: no a1", sdk.InstanceNotFound, "no a1"},
		{"name in the SDK's form", "invoke: ErrCode: ERR_INSTANCE_EXITED, ModuleCode: 10, ErrMsg: exited, again", sdk.InstanceExited, "exited, again"},
		{"the function system's form", "[code: 3005, status: etcd is away], detail: [host a, code: 1003, x]", sdk.EtcdOperationError, "etcd is away"},
		{"the same with a prefix", "schedule: [code: 3005, status: etcd [a] is away], detail: []", sdk.EtcdOperationError, "etcd [a] is away"},
		{"the function system's form, with more behind", "[code: 1003, status: gone] while invoking f, retry later", sdk.InstanceNotFound, "gone"},
		{"with another behind", "kill: [code: 1003, status: gone] after [code: 3002, status: lost], detail: []", sdk.InstanceNotFound, "gone"},
		{"in other brackets", "[kill [code: 1003, status: gone]]", sdk.InstanceNotFound, "gone"},
		{"brackets in the status", "[code: 1003, status: no x[0] of [a, b]], detail: [y]", sdk.InstanceNotFound, "no x[0] of [a, b]"},
		{"half a bracket in the status", "[code: 1003, status: not in [0,5)], detail: [y]", sdk.InstanceNotFound, "not in [0,5)"},
		{"a bracket that does not end", "[code: 1003, status: gone", sdk.InstanceNotFound, "gone"},
		{"the outermost of two", "code: 3002, message: code: 1003, message: no a1", sdk.InnerCommunication, "code: 1003, message: no a1"},
		{"the second if the first is no code", "code: 42, message: code: 1003, message: no a1", sdk.InstanceNotFound, "no a1"},
		{"the message of a cause is kept whole", "code: 4306, message: internal code: 2002, failed", sdk.DependencyFailed, "internal code: 2002, failed"},
		{"Chinese in front", "创建实例失败,code: 1003, message: 找不到实例", sdk.InstanceNotFound, "找不到实例"},
		{"in a gRPC text", `rpc error: code = Unknown desc = code: 1003, message: no a1`, sdk.InstanceNotFound, "no a1"},
		{"bytes that are no text", "\xff\xfecode: 1003, message: \xff", sdk.InstanceNotFound, "\xff"},

		{"empty", "", none, ""},
		{"no code", "no instance a1", none, ""},
		{"success", "code: 0, message: ok", none, ""},
		{"success by name", "code: ERR_NONE, message: ok", none, ""},
		{"no comma", "code: 1003", none, ""},
		{"no list of ours", "code: 404, message: not found", none, ""},
		{"another domain", "code: 4115, message: no f", none, ""},
		{"unknown name", "error code: INTERNAL_ERROR, stream reset", none, ""},
		{"part of a longer number", "code: 10034, x", none, ""},
		{"a sign", "code: -1003, x", none, ""},
		{"a fraction", "code: 1003.5, x", none, ""},
		{"leading zeros", "code: 01003, x", none, ""},
		{"more than 32 bits", "code: 4294968299, x", none, ""},
		{"a number later on", "code: x 1003, y", none, ""},
		{"exit code", "process ended, exit code: 1003, message: x", none, ""},
		{"status code", "HTTP status code: 1003, message: x", none, ""},
		{"internal code", "dependency failed, internal code: 2002, x", none, ""},
		{"a WebSocket's", "websocket: close code: 1006, reason: abnormal closure", none, ""},
		{"a WebSocket's, with a comma in front", "websocket closed, code: 1006, reason: abnormal closure, unexpected EOF", none, ""},
		{"a WebSocket's, without a reason", "close code: 1002, protocol error", none, ""},
		{"a WebSocket's, as a message", "close code: 1002, message: protocol error", none, ""},
		{"a database's", "mysql error code: 1003, state 42000", none, ""},
		{"another database's", "ORA error code: 1017, invalid username/password", none, ""},
		{"the datasystem's", "datasystem returned rpc code: 1002, msg: RPC unavailable", none, ""},
		{"a name in front", "K_RPC_UNAVAILABLE code: 1002, msg: x", none, ""},
		{"gRPC's", "grpc code: 4001, x", none, ""},
		{"SQL's", "SQL code: 1001, x", none, ""},
		{"errno", "errno code: 1001, x", none, ""},
		{"an exit code on two lines", "exit\ncode: 1003, x", none, ""},
		{"the platform's behind another's", "close code: 1002, protocol error, code: 1003, message: no a1", sdk.InstanceNotFound, "no a1"},
		{"a word in front, and the platform's key behind", "create failed code: 1002, message: full", sdk.ResourceNotEnough, "full"},
		{"a word in front, and the SDK's key behind", "failed ErrCode: 1003, ModuleCode: 20, ErrMsg: no a1", sdk.InstanceNotFound, "no a1"},
		{"a word in front of a name", "failed code: ERR_INSTANCE_NOT_FOUND, no a1", sdk.InstanceNotFound, "no a1"},
		{"a line of its own", "container exit\ncode: 1003, message: no a1", sdk.InstanceNotFound, "no a1"},
		{"another word", "barcode: 1003, message: x", none, ""},
		{"another word with _", "status_code: 1003, message: x", none, ""},
		{"another word with .", "error.code: 1003, message: x", none, ""},
		{"another word with /", "errors/code: 1003, message: x", none, ""},
		{"SubErrCode", "SubErrCode: 1003, ErrMsg: x", none, ""},
		{"a capital exit code", "process ended, Exit Code: 1003, message: x", none, ""},
		{"an exit code behind a tab", "exit\tcode: 1003, message: x", none, ""},
		{"an exit code in front of a name", "exit code: ERR_INSTANCE_NOT_FOUND, message: x", none, ""},
		{"a tab and a line break", "create failed code:\t1003\t,\n message: no a1", sdk.InstanceNotFound, "no a1"},
		{"brackets with nothing in them", "[code: 1003, status:], detail: [x]", sdk.InstanceNotFound, ""},
		{"half a bracket in the status, and nothing behind", "[code: 1003, status: not in [0,5)]", sdk.InstanceNotFound, "not in [0,5)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, message, ok := mapping.ParseText(test.text)
			if c != test.want || message != test.message || ok != (test.want != none) {
				t.Errorf("ParseText(%q) = %v, %q, %v; want %v, %q", test.text, c, message, ok, test.want, test.message)
			}
		})
	}
}

// The words that make a code that of something else, even in front of the platform's key.
func TestParseTextByTheWordInFront(t *testing.T) {
	for _, word := range []string{
		"exit", "exited", "signal", "return", "status", "http", "https", "response", "close", "rpc", "grpc", "sql", "errno", "internal",
	} {
		if c, _, ok := mapping.ParseText(word + " code: 1003, message: x"); ok {
			t.Errorf("%s code: %v, want none", word, c)
		}
	}
	if c, _, _ := mapping.ParseText("preexisting code: 1003, message: x"); c != sdk.InstanceNotFound {
		t.Errorf("a word that only has one in it: %v, want 1003", c)
	}
}

func TestParseTextByCatalogs(t *testing.T) {
	for _, test := range []struct {
		text     string
		catalogs []*mapping.Catalog
		want     mapping.Code
	}{
		{"code: 4115, message: no f", []*mapping.Catalog{nil, rest.Catalog(), sdk.Catalog()}, rest.FunctionNotFound},
		{"code: 1003, message: no a1", []*mapping.Catalog{rest.Catalog(), sdk.Catalog()}, sdk.InstanceNotFound},
		{"code: FUNCTION_NOT_FOUND, message: no f", []*mapping.Catalog{sdk.Catalog(), rest.Catalog()}, rest.FunctionNotFound},
		{"code: 1003, message: no a1", []*mapping.Catalog{rest.Catalog()}, mapping.Code{}},
		{"code: 1003, message: no a1", []*mapping.Catalog{nil}, sdk.InstanceNotFound},
	} {
		if c, _, _ := mapping.ParseText(test.text, test.catalogs...); c != test.want {
			t.Errorf("ParseText(%q) = %v, want %v", test.text, c, test.want)
		}
	}
}

func TestParseTextKnowsEveryCode(t *testing.T) {
	for c := range sdk.Catalog().All() {
		for _, name := range []string{"ERR_" + c.Reason(), c.Reason()} {
			if got, _, _ := mapping.ParseText("x, code: " + name + ", message: y"); got != c {
				t.Errorf("code: %s is %v, want %v", name, got, c)
			}
		}
	}
}

func TestDecoderParsesStatusesWithoutDetails(t *testing.T) {
	d := mapping.NewDecoder()
	d.Parse = func(text string) mapping.Code {
		c, _, _ := mapping.ParseText(text)
		return c
	}
	const text = "create to 10.0.0.7:8080 failed, code: 1003, message: no a1"
	plain := status.New(codes.Unknown, text)
	e, _ := d.FromStatus(plain)
	if e.Code() != sdk.InstanceNotFound || !e.Parsed() || e.Inferred() {
		t.Errorf("FromStatus = %v, parsed %v, inferred %v; want 1003, parsed", e, e.Parsed(), e.Inferred())
	}
	if e.GRPCCode() != codes.Unknown || e.Message() != text || e.GRPCStatus() != plain {
		t.Errorf("the status has changed: %v", e.GRPCStatus())
	}
	if want := sdk.InstanceNotFound.Retry(); e.Retry() != want || e.Origin() != mapping.OriginPeer {
		t.Errorf("retry %v, origin %v; want %v, peer", e.Retry(), e.Origin(), want)
	}
	if kept := e.WithAttempts(2); !kept.Parsed() {
		t.Error("WithAttempts loses the mark")
	}
	if !strings.Contains(e.LogValue().String(), "parsed") {
		t.Errorf("LogValue() = %v, want the mark in it", e.LogValue())
	}

	// Our clients were not meant by that text, and it names a host.
	relayed := new(mapping.Mapper).Map(t.Context(), e)
	if relayed.Code() != sdk.InstanceNotFound || strings.Contains(relayed.Message(), "10.0.0.7") || relayed.GRPCCode() != codes.NotFound {
		t.Errorf("relayed: %v, %v; want 1003 with the catalogue's text", relayed.GRPCCode(), relayed.Message())
	}

	details := sdk.InnerCommunication.Errorf("%s", text).GRPCStatus()
	if e, _ := d.FromStatus(details); e.Code() != sdk.InnerCommunication || e.Parsed() {
		t.Errorf("with details: FromStatus = %v, parsed %v; want 3002 as sent", e, e.Parsed())
	}
	others, err := status.New(codes.NotFound, text).WithDetails(&errdetails.BadRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if e, _ := d.FromStatus(others); !e.Code().IsZero() {
		t.Errorf("with a detail of others: FromStatus = %v, want no code", e)
	}
	if e, _ := d.FromStatus(status.New(codes.Unknown, "no code")); !e.Inferred() || e.Parsed() {
		t.Errorf("without a code in the text: FromStatus = %v, want the inferred code", e)
	}
	if e, _ := mapping.FromStatus(plain); e.Parsed() {
		t.Error("texts are parsed without being asked for")
	}
}

func TestParseTextTakesLinearTime(t *testing.T) {
	for _, unit := range []string{"code:", "code: ", "code: 1", "code: 1003", "c", " ", "exit code: 1003,", "x code: 1003, ", "[code: 9999999999,"} {
		text := strings.Repeat(unit, (1<<20)/len(unit))
		for _, text := range []string{text, text + strings.Repeat(" ", 1<<20)} {
			start := time.Now()
			_, _, _ = mapping.ParseText(text)
			if d := time.Since(start); d > 20*time.Second { // quadratic time is minutes
				t.Errorf("%d KiB of %q takes %v", len(text)>>10, unit, d)
			}
		}
	}
}

func TestParseTextAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		_, _, _ = mapping.ParseText("req 42|kill failed, code: ERR_INSTANCE_NOT_FOUND, message: no a1")
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzParseText(f *testing.F) {
	for _, seed := range []string{
		"create to 10.0.0.7:8080 failed, code: 1003, message: no a1",
		"req 42|code: 1002, message: full",
		"kill failed, code: ERR_INSTANCE_NOT_FOUND, message: no a1",
		"ErrCode: 1003, ModuleCode: 20, ErrMsg: no a1",
		"[code: 3005, status: away], detail: [x]",
		"exit code: 1003, x", "code:code: 1003,", "[code: 1003, status: ], detail: [", "code: ,", "ErrCode:,",
		"close code: 1006, reason: x", "x code: 1003,", "[code: 1003, status: gone] while [x", "exit\ncode: 1003, x",
		"code: 18446744073709551616,", "code: \x00,", "错误code: 1003, 消息",
	} {
		f.Add(seed)
	}
	decoder := mapping.NewDecoder()
	decoder.Parse = func(text string) mapping.Code {
		c, _, _ := mapping.ParseText(text, sdk.Catalog(), rest.Catalog())
		return c
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkParsed(t, decoder, text)
		c, message, ok := mapping.ParseText(text)
		if ok != !c.IsZero() {
			t.Fatalf("ParseText = %v, %v", c, ok)
		}
		if !ok {
			if message != "" {
				t.Fatalf("no code, but the message %q", message)
			}
			// Nothing that is printed behind it is lost.
			if c, _, _ := mapping.ParseText(text + "\ncode: 1003, message: m"); c != sdk.InstanceNotFound {
				t.Fatalf("a code at the end is not found: %v", c)
			}
			return
		}
		if !c.Listed() || !strings.Contains(text, message) {
			t.Fatalf("ParseText = %v, %q: not what the text says", c, message)
		}
		// The code stands in the text as its own word.
		number := printed(text, c)
		if !number {
			t.Fatalf("the text does not print %v", c)
		}
		// What stands in front changes nothing, unless it ends in a word of its own.
		const before = "exit code: 1001, 10.0.0.7:8080 1002|\n"
		if again, _, _ := mapping.ParseText(before + text); again != c {
			t.Fatalf("behind %q the code is %v, not %v", before, again, c)
		}
	})
}

// checkParsed holds what a decoder makes of a status with a text to what was parsed: the
// code, and nothing else of what was received.
func checkParsed(t *testing.T, decoder *mapping.Decoder, text string) {
	c, message, ok := mapping.ParseText(text, sdk.Catalog(), rest.Catalog())
	if ok != !c.IsZero() || ok != c.Listed() || !strings.Contains(text, message) || ok && !printed(text, c) {
		t.Fatalf("ParseText = %v, %q, %v: not what the text says", c, message, ok)
	}
	e, _ := decoder.FromStatus(status.New(codes.FailedPrecondition, text))
	if valid := strings.ToValidUTF8(text, "\uFFFD"); valid == text && e.Code() != c || e.Message() != valid || e.GRPCCode() != codes.FailedPrecondition {
		t.Fatalf("a status with the text became %v, %v, %q", e.Code(), e.GRPCCode(), e.Message())
	}
	if e.Parsed() != !e.Code().IsZero() || e.Repeatable(false) {
		t.Fatalf("%v: Parsed = %v, retry %v", e.Code(), e.Parsed(), e.Retry())
	}
}

// printed reports whether a text has the number or the name of a code between a colon
// and a comma.
func printed(text string, c mapping.Code) bool {
	for _, part := range strings.Split(text, ":")[1:] {
		value, _, _ := strings.Cut(part, ",")
		value = strings.TrimPrefix(strings.Trim(value, " \t"), "ERR_")
		if value == c.Reason() || value == numberOf(c) {
			return true
		}
	}
	return false
}

func numberOf(c mapping.Code) string {
	text := c.String() // "REASON (1003)"
	return strings.TrimSuffix(text[strings.LastIndexByte(text, '(')+1:], ")")
}

// A text says nothing about what was executed, whatever the catalogue's class.
func TestParsedCodeIsNotSafe(t *testing.T) {
	t.Parallel()
	d := mapping.NewDecoder()
	d.Parse = func(string) mapping.Code { return sdk.ResourceNotEnough }
	e, _ := d.FromStatus(status.New(codes.Unknown, "user function raised: code: 1002, message: no seats left"))
	if e.Code() != sdk.ResourceNotEnough || e.Retry().Class != mapping.Idempotent {
		t.Errorf("got %v of class %v, want 1002 of class IDEMPOTENT", e.Code(), e.Retry().Class)
	}
}

// What this side knows of repeating the call is passed on, and what it has added.
func TestRelayKeepsTheHintOfAParsedCode(t *testing.T) {
	t.Parallel()
	d := mapping.NewDecoder()
	d.Parse = func(string) mapping.Code { return sdk.ResourceNotEnough }
	e, _ := d.FromStatus(status.New(codes.Unknown, "code: 1002, message: no room at 10.0.0.7"))
	for _, changed := range []*mapping.Error{e, e.RetryAfter(time.Minute), e.DoNotRetry(), e.NotExecuted(), e.With("zone", "z1")} {
		relayed := mapping.Relay(changed)
		if relayed.Retry() != changed.Retry() || relayed.Repeatable(true) != changed.Repeatable(true) || relayed.Metadata()["zone"] != changed.Metadata()["zone"] {
			t.Errorf("%v is relayed as %v", changed.LogValue(), relayed.LogValue())
		}
		if strings.Contains(relayed.Message(), "10.0.0.7") {
			t.Errorf("the text is relayed: %q", relayed.Message())
		}
	}
}
