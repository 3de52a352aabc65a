package mapping

import (
	"iter"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/openyuanrong/statusmap/gen/rest"
	"github.com/openyuanrong/statusmap/gen/sdk"
	"github.com/openyuanrong/statusmap/mapping/rpcerr"
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

// NewDecoder returns a decoder that knows the platform's catalogues and those
// given; nil ones are ignored. It infers 3002 from a plain UNAVAILABLE and 3003 from
// INTERNAL, UNKNOWN and DATA_LOSS.
func NewDecoder(catalogs ...*Catalog) *Decoder {
	d := &Decoder{Infer: infer}
	for c := range Catalogs() {
		d.Catalogs = append(d.Catalogs, c)
	}
	for _, c := range catalogs {
		if c != nil {
			d.Catalogs = append(d.Catalogs, c)
		}
	}
	return d
}

// FromError returns the outermost platform error or gRPC status in err as an
// [Error], by a decoder that knows the platform's catalogues. It needs no
// interceptor. See [rpcerr.Decoder.FromError] for the outcomes.
func FromError(err error) (*Error, bool) {
	d := Decoder{Catalogs: platform[:], Infer: infer}
	return d.FromError(err)
}

// FromStatus returns the error that a status carries, by a decoder that knows the
// platform's catalogues. See [rpcerr.Decoder.FromStatus] for the outcomes.
func FromStatus(st *status.Status) (*Error, bool) {
	d := Decoder{Catalogs: platform[:], Infer: infer}
	return d.FromStatus(st)
}

// infer returns the code that a status with nothing but a gRPC code most likely
// stands for.
func infer(c codes.Code) rpcerr.Code {
	switch c {
	case codes.Unavailable:
		return sdk.InnerCommunication
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return sdk.InnerSystemError
	}
	return rpcerr.Code{}
}
