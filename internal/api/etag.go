package api

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
)

// MatchPath is a path to one thing, and of which state of it the caller knows.
type MatchPath struct {
	IDPath
	IfMatch string `header:"If-Match" doc:"The ETag of the state that is to be changed: 412 where it is another by now."`
}

// tagged is an answer with the tag of its state.
type tagged[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

// etag names a state of a record.
func etag(v any) string {
	sum := sha256.Sum256(mustJSON(v))
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// ifMatch returns a 412 where a caller knows another state than the one there is.
func ifMatch(header string, v any) error {
	if header == "" || strings.TrimSpace(header) == "*" {
		return nil
	}
	now := etag(v)
	for known := range strings.SplitSeq(header, ",") {
		if strings.TrimSpace(known) == now {
			return nil
		}
	}
	return problem(http.StatusPreconditionFailed, "it has changed since: read it again")
}
