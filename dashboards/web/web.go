// Package web holds the page: what `npm run build` makes of this folder's
// sources, embedded, so that the binary serves it and Go alone builds the
// binary.
//
// It is one page for every view: the browser shows the view that the address
// names, and asks the API for the content. This package knows nothing of the
// service.
package web

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed all:dist
var built embed.FS

// Views returns the first path elements of the addresses that the page answers
// to.
func Views() []string {
	return []string{
		"",
		"site",
		"portes",
		"usage",
		"baux",
		"facturation",
		"locataire",
		"hall",
		"programme",
		"rassemblement",
		"regards",
		"charte",
		"appareils",
		"connexion",
	}
}

// file is one embedded file, ready to be sent.
type file struct {
	mediaType string
	plain     []byte
	zipped    []byte // nil: compression saves nothing
}

var files = sync.OnceValue(func() map[string]file {
	all := map[string]file{}
	dist, err := fs.Sub(built, "dist")
	if err != nil {
		panic(err) // dist is embedded: without it nothing compiles
	}
	err = fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(dist, name)
		if err != nil {
			return err
		}
		f := file{mediaType: mime.TypeByExtension(path.Ext(name)), plain: b}
		if strings.HasSuffix(name, ".webmanifest") {
			f.mediaType = "application/manifest+json"
		}
		if !strings.HasSuffix(name, ".png") {
			f.zipped = zip(b)
		}
		all[name] = f
		return nil
	})
	if err != nil {
		panic(err) // embedded files can be read
	}
	return all
})

func zip(b []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is valid
	_, _ = w.Write(b)                                       // writing to memory cannot fail
	_ = w.Close()
	if out.Len() >= len(b) {
		return nil
	}
	return out.Bytes()
}

// Page serves the page, whatever view of it is asked for.
func Page() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { send(w, r, "index.html") })
}

// Files serves the page's parts: /assets/…, icons, the manifest.
func Files() http.Handler {
	return http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { send(w, r, strings.TrimPrefix(r.URL.Path, "/")) },
	)
}

// Names returns the paths that Files serves.
func Names() []string {
	var names []string
	for name := range files() {
		if name != "index.html" {
			names = append(names, "/"+name)
		}
	}
	return names
}

func send(w http.ResponseWriter, r *http.Request, name string) {
	f, ok := files()[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "assets/") { // their names contain a hash of their content
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Vary", "Accept-Encoding")
	body := f.plain
	if f.zipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.zipped
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // an error here means that the client has gone
	}
}
