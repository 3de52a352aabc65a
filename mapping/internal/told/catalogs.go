package told

import (
	"slices"
	"strconv"
	"strings"

	"github.com/openyuanrong/statusmap/mapping/rpcerr"
)

// NoneIn reports whether no catalogue is given, so that the default has to serve. One
// without codes, as nil is, does not count.
func NoneIn(catalogs []*rpcerr.Catalog) bool {
	return !slices.ContainsFunc(catalogs, func(c *rpcerr.Catalog) bool { return c.Len() > 0 })
}

// Lookup returns the code of a number in the first catalogue that lists it. A number
// that none lists belongs to the first catalogue; then the code is the zero Code.
func Lookup(catalogs []*rpcerr.Catalog, number int32) (c rpcerr.Code, domain string) {
	for _, catalog := range catalogs {
		if c, ok := catalog.Lookup(number); ok {
			return c, catalog.Domain()
		}
		if domain == "" {
			domain = catalog.Domain()
		}
	}
	return rpcerr.Code{}, domain
}

// Printed returns the code that a printed number or name stands for, with and without
// ERR_ in front, or the zero Code.
func Printed(catalogs []*rpcerr.Catalog, value string) rpcerr.Code {
	if value == "" {
		return rpcerr.Code{}
	}
	if value[0] >= '1' && value[0] <= '9' {
		number, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return rpcerr.Code{}
		}
		c, _ := Lookup(catalogs, int32(number))
		return c
	}
	name := strings.TrimPrefix(value, "ERR_")
	for _, catalog := range catalogs {
		if c, ok := catalog.LookupReason(name); ok {
			return c
		}
	}
	return rpcerr.Code{}
}
