package main

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	catalogv1 "github.com/openyuanrong/statusmap/gen/yuanrong/catalog/v1"
	errorsv1 "github.com/openyuanrong/statusmap/gen/yuanrong/errors/v1"
	"github.com/openyuanrong/statusmap/mapping/internal/str"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

const (
	// maxNumber bounds the index of a generated package: two bytes for every 256
	// numbers up to the highest one used.
	maxNumber = 9_999_999
	// maxCodes is what an entry of the index can count to.
	maxCodes  = math.MaxUint16
	maxReason = 63 // AIP-193
	maxDomain = 63
)

// The names of the options, for messages.
var (
	catalogOption = catalogv1.E_Catalog.TypeDescriptor().FullName()
	codeOption    = catalogv1.E_Code.TypeDescriptor().FullName()
)

var (
	// reasonRule is AIP-193's.
	reasonRule = regexp.MustCompile(`^[A-Z][A-Z0-9_]+[A-Z0-9]$`)
	domainRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)
)

// A catalogue is an annotated enum that has no mistakes.
type catalogue struct {
	source  string // path of the proto file
	enum    protoreflect.FullName
	comment string
	domain  string
	pkg     goPackage
	codes   []code // in the order of their numbers
}

// A code is an annotated value of a catalogue.
type code struct {
	goName     string
	number     int32
	reason     string
	grpc       catalogv1.GrpcCode
	class      errorsv1.RetryClass
	delay      time.Duration
	documented string
	en, zh     *catalogv1.Text // may be nil, which reads as empty
	deprecated bool
}

// readCatalogues reads the catalogues in the files to generate. It returns either
// catalogues without a mistake or every mistake that it found, because whoever
// writes a catalogue wants to correct them in one go.
func readCatalogues(plugin *protogen.Plugin) ([]*catalogue, error) {
	r := &reader{placer: newPlacer(plugin), domains: map[string]protoreflect.EnumDescriptor{}}
	var catalogues []*catalogue
	for _, file := range plugin.Files {
		if !file.Generate {
			continue
		}
		for _, enum := range enumsOf(file) {
			options, ok := catalogOptions(enum.Desc)
			if !ok {
				r.refuseStrayCodes(enum.Desc)
				continue
			}
			catalogues = append(catalogues, r.readCatalogue(file, enum, options))
		}
	}
	if len(r.mistakes) > 0 {
		return nil, errors.Join(r.mistakes...)
	}
	return catalogues, nil
}

// enumsOf returns the enums of a file, those inside messages too.
func enumsOf(file *protogen.File) []*protogen.Enum {
	enums := slices.Clone(file.Enums)
	var walk func([]*protogen.Message)
	walk = func(messages []*protogen.Message) {
		for _, m := range messages {
			enums = append(enums, m.Enums...)
			walk(m.Messages)
		}
	}
	walk(file.Messages)
	return enums
}

func catalogOptions(enum protoreflect.EnumDescriptor) (*catalogv1.CatalogOptions, bool) {
	options := enum.Options()
	if !proto.HasExtension(options, catalogv1.E_Catalog) {
		return nil, false
	}
	return proto.GetExtension(options, catalogv1.E_Catalog).(*catalogv1.CatalogOptions), true
}

func codeOptions(value protoreflect.EnumValueDescriptor) (*catalogv1.CodeOptions, bool) {
	options := value.Options()
	if !proto.HasExtension(options, catalogv1.E_Code) {
		return nil, false
	}
	return proto.GetExtension(options, catalogv1.E_Code).(*catalogv1.CodeOptions), true
}

// A reader collects mistakes while it reads.
type reader struct {
	mistakes []error
	placer   *placer
	domains  map[string]protoreflect.EnumDescriptor // whose they are
}

// refuse notes a mistake in an enum or an enum value, with the place to look at.
func (r *reader) refuse(where protoreflect.Descriptor, format string, args ...any) {
	what := fmt.Sprintf("enum %s", where.FullName())
	if value, ok := where.(protoreflect.EnumValueDescriptor); ok {
		what = fmt.Sprintf("enum %s: value %s", value.Parent().FullName(), value.Name())
	}
	r.mistakes = append(r.mistakes, fmt.Errorf("%s: %s: %s", placeOf(where), what, fmt.Sprintf(format, args...)))
}

// placeOf returns the file that declares something, and the line if it is known.
func placeOf(d protoreflect.Descriptor) string {
	file := d.ParentFile()
	if at := file.SourceLocations().ByDescriptor(d); at.Path != nil {
		return fmt.Sprintf("%s:%d", file.Path(), at.StartLine+1)
	}
	return file.Path()
}

// refuseStrayCodes refuses codes in an enum that is no catalogue: the author
// forgot half of the annotation and would wait for a package that never comes.
func (r *reader) refuseStrayCodes(enum protoreflect.EnumDescriptor) {
	values := enum.Values()
	for i := range values.Len() {
		if _, ok := codeOptions(values.Get(i)); ok {
			r.refuse(values.Get(i), "it has the option (%s), but its enum lacks the option (%s)", codeOption, catalogOption)
			return
		}
	}
}

func (r *reader) readCatalogue(file *protogen.File, enum *protogen.Enum, options *catalogv1.CatalogOptions) *catalogue {
	r.checkKnown(enum.Desc, options)
	r.checkDomain(enum.Desc, options.GetDomain())
	pkg, err := r.placer.place(file, enum.Desc, options.GetGoPackage())
	if err != nil {
		r.refuse(enum.Desc, "%v", err)
	}
	return &catalogue{
		source:  file.Desc.Path(),
		enum:    enum.Desc.FullName(),
		comment: string(enum.Comments.Leading),
		domain:  options.GetDomain(),
		pkg:     pkg,
		codes:   r.readCodes(enum.Desc),
	}
}

func (r *reader) checkDomain(enum protoreflect.EnumDescriptor, domain string) {
	if domain == "" {
		r.refuse(enum, "the domain is missing")
		return
	}
	if len(domain) > maxDomain || !domainRule.MatchString(domain) {
		r.refuse(enum, "domain %q: it must be two or more labels joined by dots, at most %d bytes in all, "+
			"each label of lower-case letters, digits and inner hyphens, such as billing.acme", domain, maxDomain)
	}
	if strings.HasSuffix(domain, ".yuanrong") && !strings.HasPrefix(string(enum.ParentFile().Package()), "yuanrong.") {
		r.refuse(enum, "domain %q: what ends in .yuanrong is the platform's own", domain)
	}
	if other, ok := r.domains[domain]; ok {
		r.refuse(enum, "domain %q is that of enum %s in %s already: "+
			"a code is identified by its domain and number, so each catalogue needs a domain of its own", domain, other.FullName(), placeOf(other))
		return
	}
	r.domains[domain] = enum
}

// checkKnown refuses what this version of the plugin would drop in silence.
func (r *reader) checkKnown(where protoreflect.Descriptor, options proto.Message) {
	m := options.ProtoReflect()
	unknown := len(m.GetUnknown()) > 0
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if field.Message() != nil && len(value.Message().GetUnknown()) > 0 {
			unknown = true
		}
		return true
	})
	if unknown {
		r.refuse(where, "%s has fields that this plugin does not know: a newer version of the plugin is needed",
			m.Descriptor().FullName())
	}
}

// readCodes reads the values of a catalogue. What is returned is complete only if
// there was no mistake.
func (r *reader) readCodes(enum protoreflect.EnumDescriptor) []code {
	seen := uniqueness{
		numbers: map[int32]protoreflect.Name{},
		reasons: map[string]protoreflect.Name{},
		goNames: map[string]protoreflect.Name{"Domain": "", "Catalog": ""},
	}
	var list []code
	values := enum.Values()
	for i := range values.Len() {
		value := values.Get(i)
		options, annotated := codeOptions(value)
		switch {
		case value.Number() == 0 && annotated:
			r.refuse(value, "number 0 is no code, so it must not have the option (%s)", codeOption)
		case value.Number() == 0:
		case !annotated:
			r.refuse(value, "the option (%s) is missing", codeOption)
			// Its number and name are taken all the same.
			r.checkUnique(seen, newCode(value, nil), value)
		default:
			c := newCode(value, options)
			r.checkIdentity(c, value)
			r.checkUnique(seen, c, value)
			r.checkMeaning(options, value)
			r.checkTexts(options, value)
			r.checkKnown(value, options)
			list = append(list, c)
		}
	}
	switch {
	case len(seen.numbers) == 0:
		r.refuse(enum, "it has no codes")
	case len(list) > maxCodes:
		r.refuse(enum, "it has %d codes, more than %d", len(list), maxCodes)
	}
	slices.SortStableFunc(list, func(a, b code) int { return int(a.number) - int(b.number) })
	return list
}

func newCode(value protoreflect.EnumValueDescriptor, options *catalogv1.CodeOptions) code {
	enum := value.Parent().(protoreflect.EnumDescriptor)
	reason := reasonOf(string(enum.Name()), string(value.Name()))
	return code{
		goName:     goName(reason),
		number:     int32(value.Number()),
		reason:     reason,
		grpc:       options.GetGrpcCode(),
		class:      options.GetRetryClass(),
		delay:      time.Duration(options.GetRetryDelayMs()) * time.Millisecond,
		documented: options.GetDocumentedMessage(),
		en:         options.GetEn(),
		zh:         options.GetZh(),
		deprecated: value.Options().(*descriptorpb.EnumValueOptions).GetDeprecated(),
	}
}

// reasonOf returns a value's name without the enum's prefix, or the whole name if
// it has no such prefix. Underscores and case are not compared, because there is
// more than one custom of writing a name such as K8SCode in capitals.
func reasonOf(enum, value string) string {
	prefix := strings.ReplaceAll(enum, "_", "")
	rest := value
	for prefix != "" {
		rest = strings.TrimLeft(rest, "_")
		if rest == "" || !strings.EqualFold(rest[:1], prefix[:1]) {
			return value
		}
		rest, prefix = rest[1:], prefix[1:]
	}
	if reason, ok := strings.CutPrefix(rest, "_"); ok {
		return reason
	}
	return value
}

// checkIdentity checks number and name by themselves.
func (r *reader) checkIdentity(c code, value protoreflect.EnumValueDescriptor) {
	if c.number < 1 || c.number > maxNumber {
		r.refuse(value, "number %d: it must be between 1 and %d", c.number, maxNumber)
	}
	if len(c.reason) > maxReason || !reasonRule.MatchString(c.reason) {
		r.refuse(value, "reason %q: it must match %s and have at most %d characters (AIP-193)",
			c.reason, strings.Trim(reasonRule.String(), "^$"), maxReason)
	}
}

// A uniqueness knows which value was the first to take what two cannot share.
type uniqueness struct {
	numbers map[int32]protoreflect.Name
	reasons map[string]protoreflect.Name
	goNames map[string]protoreflect.Name
}

func (r *reader) checkUnique(seen uniqueness, c code, value protoreflect.EnumValueDescriptor) {
	if other, ok := claim(seen.numbers, c.number, value); !ok {
		r.refuse(value, "number %d is that of %s already", c.number, other)
	}
	if other, ok := claim(seen.reasons, c.reason, value); !ok {
		r.refuse(value, "reason %s is that of %s already", c.reason, other)
		return // and so is the Go name, which needs no second complaint
	}
	switch other, ok := claim(seen.goNames, c.goName, value); {
	case ok:
	case other == "":
		r.refuse(value, "its Go name would be %s, which every generated package has for itself", c.goName)
	default:
		r.refuse(value, "its Go name would be %s, which is that of %s already", c.goName, other)
	}
}

// claim notes that key is the value's, or tells whose it is.
func claim[K comparable](taken map[K]protoreflect.Name, key K, value protoreflect.EnumValueDescriptor) (protoreflect.Name, bool) {
	if other, ok := taken[key]; ok {
		return other, false
	}
	taken[key] = value.Name()
	return "", true
}

// checkMeaning checks what programs read.
func (r *reader) checkMeaning(o *catalogv1.CodeOptions, value protoreflect.EnumValueDescriptor) {
	_, grpcKnown := catalogv1.GrpcCode_name[int32(o.GetGrpcCode())]
	switch {
	case o.GrpcCode == nil:
		r.refuse(value, "grpc_code is missing")
	case o.GetGrpcCode() == 0:
		r.refuse(value, "grpc_code is 0, which is OK: an error cannot mean success")
	case !grpcKnown:
		r.refuse(value, "grpc_code %d is no gRPC code", o.GetGrpcCode())
	}

	_, classKnown := errorsv1.RetryClass_name[int32(o.GetRetryClass())]
	switch {
	case o.GetRetryClass() == errorsv1.RetryClass_RETRY_CLASS_UNSPECIFIED:
		r.refuse(value, "retry_class is missing: RETRY_CLASS_NEVER, _SAFE, _IDEMPOTENT or _HIGHER_LEVEL; "+
			"where it may have been executed, _IDEMPOTENT")
	case !classKnown:
		r.refuse(value, "retry_class %d is not known", o.GetRetryClass())
	}

	delay, never := o.GetRetryDelayMs(), o.GetRetryClass() == errorsv1.RetryClass_RETRY_CLASS_NEVER
	switch {
	case delay < 0:
		r.refuse(value, "retry_delay_ms %d is negative", delay)
	case delay > rpcerr.MaxRetryDelay.Milliseconds():
		r.refuse(value, "retry_delay_ms %d is more than %d (%v)", delay, rpcerr.MaxRetryDelay.Milliseconds(), rpcerr.MaxRetryDelay)
	}
	if delay != 0 && never {
		r.refuse(value, "retry_delay_ms is set, but retry_class is RETRY_CLASS_NEVER: nothing waits for a retry")
	}
}

// checkTexts checks what people read.
func (r *reader) checkTexts(o *catalogv1.CodeOptions, value protoreflect.EnumValueDescriptor) {
	if o.GetEn().GetDescription() == "" {
		r.refuse(value, "the English description is missing")
	}
	if o.GetZh().GetDescription() == "" && o.GetZh().GetRemedy() != "" {
		r.refuse(value, "there is a Chinese remedy, but no Chinese description")
	}
	for _, t := range []struct{ field, text string }{
		{"en.description", o.GetEn().GetDescription()},
		{"en.remedy", o.GetEn().GetRemedy()},
		{"zh.description", o.GetZh().GetDescription()},
		{"zh.remedy", o.GetZh().GetRemedy()},
		{"documented_message", o.GetDocumentedMessage()},
	} {
		if wrong := textMistake(t.text); wrong != "" {
			r.refuse(value, "%s %q %s", t.field, t.text, wrong)
		}
	}
}

// textMistake says what is wrong with a text. It goes into messages, log lines
// and Go comments, all of which have one line and no invisible instructions.
func textMistake(text string) string {
	switch {
	case !utf8.ValidString(text):
		return "is not valid UTF-8"
	case strings.ContainsFunc(text, str.IsControl):
		return "has a line break or another control character: a text is one line"
	case strings.TrimSpace(text) != text:
		return "begins or ends with white space"
	}
	return ""
}
