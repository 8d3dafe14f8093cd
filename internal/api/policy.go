package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
)

const policyHeader = "Content-Security-Policy"

var inlined = regexp.MustCompile(`(?s)<(script|style)(\s[^>]*)?>(.+?)</`)

// policy returns the Content-Security-Policy of a page: scripts and styles from
// this server, and those written into the page now, by their hashes.
func policy(page []byte) string {
	hashes := map[string][]string{}
	for _, m := range inlined.FindAllSubmatch(page, -1) {
		sum := sha256.Sum256(m[3])
		kind, hash := string(m[1]), " 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'"
		if !slices.Contains(hashes[kind], hash) {
			hashes[kind] = append(hashes[kind], hash)
		}
	}
	var b bytes.Buffer
	b.WriteString("default-src 'none'; connect-src 'self'; font-src 'self'; img-src 'self' data:; manifest-src 'self'")
	for _, kind := range []string{"script", "style"} {
		b.WriteString("; " + kind + "-src 'self'")
		for _, h := range hashes[kind] {
			b.WriteString(h)
		}
	}
	b.WriteString("; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	return b.String()
}

// strictPolicy is for answers that write no scripts or styles into a page.
var strictPolicy = policy(nil)

// wholePage buffers a page until its policy is known.
type wholePage struct {
	http.ResponseWriter
	status int
	page   bytes.Buffer
}

// WriteHeader implements [http.ResponseWriter].
func (p *wholePage) WriteHeader(status int) { p.status = status }

// Write implements [http.ResponseWriter].
func (p *wholePage) Write(b []byte) (int, error) { return p.page.Write(b) }

// ownPolicy serves a page that has scripts and styles written into it.
func ownPolicy(page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held := &wholePage{ResponseWriter: w, status: http.StatusOK}
		page.ServeHTTP(held, r)
		w.Header().Set(policyHeader, policy(held.page.Bytes()))
		w.WriteHeader(held.status)
		_, _ = w.Write(held.page.Bytes()) // an error here means that the client has gone
	})
}
