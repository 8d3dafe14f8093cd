package api

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
)

// MatchPath is the path of one thing, and the state of it that the caller
// knows.
type MatchPath struct {
	IDPath
	IfMatch string `header:"If-Match" doc:"The ETag of the state to be changed: 412 where the state has changed since."`
}

// tagged is an answer with the ETag of its state.
type tagged[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

// etag returns the ETag of a record's state.
func etag(v any) string {
	sum := sha256.Sum256(mustJSON(v))
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// ifMatch returns a 412 where the caller knows another state than the current
// one.
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
