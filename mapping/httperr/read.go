package httperr

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/openyuanrong/statusmap/mapping"
)

// MaxBody bounds how much of a body is read in search of an error, and the bodies that
// [Write] makes: 1 MiB. Of a JSON object that is longer only status and headers count.
const MaxBody = 1 << 20

// maxText bounds how much of a plain text becomes a message, in bytes.
const maxText = 4096

// FromResponse returns the error that an HTTP response carries, and whether it carries one,
// by [Parse]. As there, catalogues replace the platform's, and the first that lists a
// number decides. It does not close the body, and puts back what it has read, so resp.Body
// can still be read from its beginning. Nil carries no error.
//
// It reads no more than it needs, and at most [MaxBody]: to the end of the first JSON
// object, or the first 4 KiB of a text. Below status 400, where most bodies are no errors,
// it looks only into these:
//
//   - those of a JSON type. It waits for the first object of a stream of JSON objects;
//   - those of no type or of text/plain that say their length. Services that write JSON and
//     name no type send such bodies, while streams have no length.
//
// From status 400 it looks into every body except text/event-stream and multipart, which
// are streams of other things; into most types only far enough to see that there is no JSON
// object. A text, of no type or text/plain, is the message, so it waits for its end, or for
// the first 4 KiB. That bounds what is read in size, but not in time: a response that never
// ends is up to the context of the request.
//
// A body that is still encoded, because the request asked for gzip itself, is not looked
// into.
func FromResponse(resp *http.Response, catalogs ...*mapping.Catalog) (*mapping.Error, bool) {
	if resp == nil {
		return nil, false
	}
	r := newReader(resp.StatusCode, resp.Header, catalogs)
	if resp.Body != nil && r.wants(resp.ContentLength) {
		seen := &recorder{from: resp.Body}
		r.read(seen)
		resp.Body = readCloser{io.MultiReader(&seen.read, seen.rest()), resp.Body}
	}
	return r.error()
}

// wants reports whether a body of that length is to be looked into, -1 if nobody knows it.
func (r *reader) wants(length int64) bool {
	if encoding := r.header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return false
	}
	kind := r.mediaType()
	if r.status >= 400 {
		return kind != "text/event-stream" && !strings.HasPrefix(kind, "multipart/")
	}
	return !r.saysFine() && (kind == "application/json" || strings.HasSuffix(kind, "+json") ||
		(kind == "" || kind == "text/plain") && length > 0)
}

// mediaType returns the type of the body without its parameters, "" if there is none.
func (r *reader) mediaType() string {
	t, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	return t
}

// read fills in what the body says.
func (r *reader) read(body *recorder) {
	limited := io.LimitReader(body, MaxBody)
	if r.fields.decode(json.NewDecoder(limited)) == nil {
		r.fields.normalize()
		return
	}
	r.fields = fields{}
	if kind := r.mediaType(); r.status >= 400 && (kind == "" || kind == "text/plain") {
		_, _ = io.CopyN(io.Discard, limited, int64(maxText-body.read.Len()))
		whole := body.read.Bytes()
		r.text = string(bytes.TrimSpace(whole[:min(len(whole), maxText)]))
	}
}

// A recorder keeps what is read through it, and the error that ended it.
type recorder struct {
	from io.Reader
	read bytes.Buffer
	err  error
}

func (r *recorder) Read(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.from.Read(b)
	r.read.Write(b[:n])
	r.err = err
	return n, err
}

// rest reads on where the recorder has stopped.
func (r *recorder) rest() io.Reader {
	if r.err != nil {
		return failingReader{r.err}
	}
	return r.from
}

type readCloser struct {
	io.Reader
	io.Closer
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }
