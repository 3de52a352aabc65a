package mapping

import (
	"iter"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
)

// platform holds the platform's catalogues. Nothing changes it.
var platform = [...]*Catalog{sdk.Catalog(), rest.Catalog()}

// Catalogs yields the catalogues of the platform: sdk, then rest.
func Catalogs() iter.Seq[*Catalog] {
	return func(yield func(*Catalog) bool) {
		for _, c := range platform {
			if !yield(c) {
				return
			}
		}
	}
}

// Lookup returns the platform's code of that domain and number, and whether there
// is one.
func Lookup(domain string, number int32) (Code, bool) {
	for c := range Catalogs() {
		if c.Domain() == domain {
			return c.Lookup(number)
		}
	}
	return Code{}, false
}
