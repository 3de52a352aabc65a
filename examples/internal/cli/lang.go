package cli

import (
	"errors"
	"strings"
)

// A Lang is a language that the examples speak, "en" or "zh". It is a flag.Value.
type Lang string

// String returns the language's tag.
func (l *Lang) String() string { return string(*l) }

// Set takes a language's tag, with or without a region, in capitals or not.
func (l *Lang) Set(tag string) error {
	base, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(tag), "_", "-"), "-")
	if base != "en" && base != "zh" {
		return errors.New("it must be en or zh")
	}
	*l = Lang(base)
	return nil
}

// Pick returns the text in the language.
func (l Lang) Pick(en, zh string) string {
	if l == "zh" {
		return zh
	}
	return en
}
