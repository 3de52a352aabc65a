package interceptor

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/openyuanrong/statusmap/gen/sdk"
)

// A ServiceConfig describes a gRPC service config that turns on gRPC's own retries, for
// clients in any language and for streams, in the way that our servers expect: only for
// methods that are idempotent, and with a throttle. The servers tell by
// grpc-retry-pushback-ms when to come back, or not to.
//
//	js, err := interceptor.ServiceConfig{Services: []string{"acme.v1.Functions"}}.JSON()
//	conn, err := grpc.NewClient(addr, grpc.WithDefaultServiceConfig(js), creds)
//
// A method that is not idempotent gets no policy, because gRPC repeats by the code alone: a
// connection that broke after the call was sent has the same UNAVAILABLE as one that was
// refused. [WithRetry] leaves calls of methods with a policy to gRPC.
type ServiceConfig struct {
	// Services are the full names of the services, "package.Service". Their
	// descriptors are looked up among those linked into the program.
	Services []string
	// Descriptors are further services, from files that are not linked in.
	Descriptors []protoreflect.ServiceDescriptor

	// Idempotent are methods of these services, "/package.Service/Method", of which the
	// first slash may be missing, that are idempotent although their descriptors do not
	// say so by an idempotency_level. The server has to know it too, by [WithIdempotent]
	// with the same methods. Otherwise it forbids by grpc-retry-pushback-ms to repeat
	// calls that may have been executed, and clients obey.
	Idempotent []string

	// Retry is the policy of the idempotent methods. MaxAttempts is 2 to 5, Multiplier 1
	// to 1000, MaxTokens 3 to 1000, or negative for no throttle, TokenRatio 0.001 to 1000,
	// and InitialBackoff above 0 and at most MaxBackoff, which has no bound. JSON refuses
	// everything else. The backoff counts only where no server could say how long to wait.
	// So the default of InitialBackoff is 500 ms here, which is what the catalogue asks
	// for after a broken connection; gRPC varies it at random. MaxDelay has no counterpart
	// and does not count.
	Retry RetryPolicy
	// Codes are those after which a call is repeated. The default is UNAVAILABLE,
	// RESOURCE_EXHAUSTED and ABORTED: for these, our servers say so if a call must not be
	// repeated. INTERNAL and UNKNOWN may be added, but for these no server says so, and
	// gRPC repeats idempotent calls whatever their class, even NEVER. All others are
	// refused: repeating does not help against them, or the caller's time is over.
	Codes []codes.Code

	// Methods are settings for methods, "/package.Service/Method", or for all methods
	// of a service, "/package.Service/". The most specific counts alone, as in gRPC.
	Methods map[string]MethodSettings
}

// MethodSettings are what a service config says about a method besides retries. They are
// given here because in gRPC the most specific entry replaces all others: what is not in
// the same entry as the retry policy is lost.
type MethodSettings struct {
	// Timeout bounds each call, all its attempts by gRPC together. 0 means none.
	Timeout time.Duration
	// WaitForReady makes calls wait for a connection instead of failing at once. For
	// methods that are not idempotent it is the only way to survive a server that is away
	// for a moment, because a stock client cannot tell that a call never left.
	WaitForReady bool
}

// The JSON of a service config, as far as it is used here.
// https://github.com/grpc/grpc/blob/master/doc/service_config.md
type (
	jsonConfig struct {
		MethodConfig    []jsonMethodConfig `json:"methodConfig"` // without it gRPC does not check the rest
		RetryThrottling *jsonThrottling    `json:"retryThrottling,omitempty"`
	}
	jsonMethodConfig struct {
		Name []jsonName `json:"name"`
		jsonSettings
	}
	jsonName struct {
		Service string `json:"service"`
		Method  string `json:"method,omitempty"`
	}
	jsonSettings struct {
		Timeout      string           `json:"timeout,omitempty"`
		WaitForReady bool             `json:"waitForReady,omitempty"`
		RetryPolicy  *jsonRetryPolicy `json:"retryPolicy,omitempty"`
	}
	jsonRetryPolicy struct {
		MaxAttempts          int      `json:"maxAttempts"`
		InitialBackoff       string   `json:"initialBackoff"`
		MaxBackoff           string   `json:"maxBackoff"`
		BackoffMultiplier    float64  `json:"backoffMultiplier"`
		RetryableStatusCodes []string `json:"retryableStatusCodes"`
	}
	jsonThrottling struct {
		MaxTokens  int     `json:"maxTokens"`
		TokenRatio float64 `json:"tokenRatio"`
	}
)

// JSON returns the service config as [grpc.WithDefaultServiceConfig] and resolvers take it;
// equal descriptions give equal text.
//
// It returns an error, which names everything that is wrong, for what gRPC would refuse,
// and also for what gRPC would silently ignore or cut: services and methods that do not
// exist or come twice, codes that must not be retried, more than 5 attempts, a budget with
// which nothing is ever repeated, a first backoff above the highest, and services about
// which there is nothing to say.
func (c ServiceConfig) JSON() (string, error) {
	policy, err := c.retryPolicy()
	services, serviceErr := c.services()
	idempotent, idempotentErr := c.declared(services)
	err = errors.Join(err, serviceErr, idempotentErr, c.checkMethods(services))
	if err != nil {
		return "", fmt.Errorf("service config: %w", err)
	}
	config := jsonConfig{MethodConfig: []jsonMethodConfig{}}
	for _, sd := range services {
		config.addService(sd, idempotent, c.Methods, policy)
	}
	if len(config.MethodConfig) == 0 {
		return "", errors.New("service config: no method is idempotent, by its idempotency_level or the field Idempotent, and none has settings")
	}
	if c.Retry.MaxTokens >= 0 {
		p := c.Retry.withDefaults()
		config.RetryThrottling = &jsonThrottling{p.MaxTokens, p.TokenRatio}
	}
	text, err := json.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("service config: %w", err)
	}
	return string(text), accept(string(text))
}

// accept has gRPC check the text, without any I/O.
func accept(text string) error {
	conn, err := grpc.NewClient("passthrough:///check",
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(text))
	if err != nil {
		return fmt.Errorf("service config: %w", err)
	}
	return conn.Close()
}

// addService adds an entry for the service itself, if it has settings, and one for
// each group of its methods with other contents than that.
func (j *jsonConfig) addService(sd protoreflect.ServiceDescriptor, idempotent map[string]bool, settings map[string]MethodSettings, policy *jsonRetryPolicy) {
	name := string(sd.FullName())
	common := settings["/"+name+"/"].json()
	if common != (jsonSettings{}) {
		j.add(jsonName{Service: name}, common)
	}
	for i := range sd.Methods().Len() {
		md := sd.Methods().Get(i)
		full := methodName(md)
		entry := common
		if own, ok := settings[full]; ok {
			entry = own.json()
		}
		if idempotent[full] || isIdempotent(md) {
			entry.RetryPolicy = policy
		}
		if _, has := settings[full]; has || entry != common {
			j.add(jsonName{name, string(md.Name())}, entry)
		}
	}
}

// add adds a name to the entry with these settings, or a new entry.
func (j *jsonConfig) add(name jsonName, settings jsonSettings) {
	for i := range j.MethodConfig {
		if m := &j.MethodConfig[i]; m.jsonSettings == settings {
			m.Name = append(m.Name, name)
			return
		}
	}
	j.MethodConfig = append(j.MethodConfig, jsonMethodConfig{[]jsonName{name}, settings})
}

func (s MethodSettings) json() jsonSettings {
	j := jsonSettings{WaitForReady: s.WaitForReady}
	if s.Timeout > 0 {
		j.Timeout = jsonDuration(s.Timeout)
	}
	return j
}

// jsonDuration returns d as protobuf's JSON has it: seconds with up to nine digits
// behind the point. It is exact, where a detour over floating point is not: 1.118 s
// would become 1.1179999999999999s, which gRPC refuses.
func jsonDuration(d time.Duration) string {
	seconds := strconv.FormatInt(int64(d/time.Second), 10)
	nanos := strings.TrimRight(fmt.Sprintf("%09d", d%time.Second), "0")
	if nanos == "" {
		return seconds + "s"
	}
	return seconds + "." + nanos + "s"
}

const (
	// maxNativeAttempts is what gRPC silently cuts maxAttempts to.
	maxNativeAttempts = 5
	// minUsefulTokens is the least budget of which more than half is left after one failure.
	minUsefulTokens = 3
)

// retryPolicy returns the policy in JSON, or what is wrong with it.
func (c ServiceConfig) retryPolicy() (*jsonRetryPolicy, error) {
	p := c.Retry
	p.InitialBackoff = cmp.Or(p.InitialBackoff, sdk.InnerCommunication.Retry().Delay)
	p = p.withDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(p.MaxAttempts >= 2 && p.MaxAttempts <= maxNativeAttempts, "MaxAttempts is %d, not 2 to %d", p.MaxAttempts, maxNativeAttempts)
	check(p.InitialBackoff > 0, "InitialBackoff is %v, not above 0", p.InitialBackoff)
	check(p.MaxBackoff >= p.InitialBackoff, "MaxBackoff %v is less than InitialBackoff %v", p.MaxBackoff, p.InitialBackoff)
	check(p.Multiplier >= 1 && p.Multiplier <= 1000, "Multiplier is %v, not 1 to 1000", p.Multiplier)
	check(p.MaxTokens < 0 || p.MaxTokens >= minUsefulTokens && p.MaxTokens <= maxTokens, "MaxTokens is %d, not %d to %d or negative", p.MaxTokens, minUsefulTokens, maxTokens)
	check(p.TokenRatio >= minTokenRatio && p.TokenRatio <= maxTokens, "TokenRatio is %v, not %v to %d", p.TokenRatio, minTokenRatio, maxTokens)

	j := &jsonRetryPolicy{
		MaxAttempts:       p.MaxAttempts,
		InitialBackoff:    jsonDuration(p.InitialBackoff),
		MaxBackoff:        jsonDuration(p.MaxBackoff),
		BackoffMultiplier: p.Multiplier,
	}
	list := c.Codes
	if len(list) == 0 {
		list = slices.Collect(policyCodes)
	}
	for _, grpcCode := range list {
		name := code.Code(grpcCode).String()
		check(isRetryable(grpcCode), "code %s is not to be retried", name)
		if !slices.Contains(j.RetryableStatusCodes, name) {
			j.RetryableStatusCodes = append(j.RetryableStatusCodes, name)
		}
	}
	return j, errors.Join(errs...)
}

// policyCodes yields the codes that are listed by default, in the order of their numbers.
func policyCodes(yield func(codes.Code) bool) {
	for c := range codes.Unauthenticated + 1 {
		if isPolicyCode(c) && !yield(c) {
			return
		}
	}
}

// isRetryable reports whether the policy may list a code.
func isRetryable(grpcCode codes.Code) bool {
	return isPolicyCode(grpcCode) || grpcCode == codes.Internal || grpcCode == codes.Unknown
}

// services returns all services, in the order given.
func (c ServiceConfig) services() ([]protoreflect.ServiceDescriptor, error) {
	var services []protoreflect.ServiceDescriptor
	var errs []error
	for _, name := range c.Services {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		if sd, ok := d.(protoreflect.ServiceDescriptor); err == nil && ok {
			services = append(services, sd)
		} else {
			errs = append(errs, fmt.Errorf("there is no service %q in this program", name))
		}
	}
	for _, sd := range c.Descriptors {
		if sd == nil {
			errs = append(errs, errors.New("a service descriptor is nil"))
			continue
		}
		services = append(services, sd)
	}
	seen := map[protoreflect.FullName]bool{}
	for _, sd := range services {
		if seen[sd.FullName()] {
			errs = append(errs, fmt.Errorf("service %q comes twice", sd.FullName()))
		}
		seen[sd.FullName()] = true
	}
	if len(services) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("no service is given"))
	}
	return services, errors.Join(errs...)
}

// declared returns the methods that are declared idempotent besides the descriptors.
func (c ServiceConfig) declared(services []protoreflect.ServiceDescriptor) (map[string]bool, error) {
	idempotent := map[string]bool{}
	var errs []error
	for _, method := range c.Idempotent {
		full := fullMethod(method)
		if !hasMethod(services, full) {
			errs = append(errs, fmt.Errorf("none of the services has the idempotent method %q", method))
		}
		idempotent[full] = true
	}
	return idempotent, errors.Join(errs...)
}

// checkMethods reports settings that would be without effect.
func (c ServiceConfig) checkMethods(services []protoreflect.ServiceDescriptor) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Methods)) {
		if !hasMethod(services, name) && !hasService(services, name) {
			errs = append(errs, fmt.Errorf("settings for %q, which none of the services is or has", name))
		}
		if timeout := c.Methods[name].Timeout; timeout < 0 {
			errs = append(errs, fmt.Errorf("negative timeout %v for %q", timeout, name))
		}
	}
	return errors.Join(errs...)
}

func hasMethod(services []protoreflect.ServiceDescriptor, full string) bool {
	return slices.ContainsFunc(services, func(sd protoreflect.ServiceDescriptor) bool {
		md := sd.Methods().ByName(protoreflect.Name(full[strings.LastIndexByte(full, '/')+1:]))
		return md != nil && methodName(md) == full
	})
}

func hasService(services []protoreflect.ServiceDescriptor, path string) bool {
	return slices.ContainsFunc(services, func(sd protoreflect.ServiceDescriptor) bool {
		return path == "/"+string(sd.FullName())+"/"
	})
}

// methodName returns the name that gRPC has for a method.
func methodName(md protoreflect.MethodDescriptor) string {
	return "/" + string(md.Parent().FullName()) + "/" + string(md.Name())
}
