package web_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lorntech/totem/dashboards/web"
)

func ask(h http.Handler, method, path, encoding string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestThePageIsSentForEveryView(t *testing.T) {
	for _, view := range web.Views() {
		res := ask(web.Page(), http.MethodGet, "/"+view, "")
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), "<!doctype html>") ||
			res.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("/%s: %d %v %q", view, res.StatusCode, res.Header, body[:min(60, len(body))])
		}
	}
}

func TestPartsAreTheSamePlainAndCompressed(t *testing.T) {
	names := web.Names()
	if len(names) < 5 {
		t.Fatalf("only %d parts", len(names))
	}
	compressed := 0
	for _, name := range names {
		plain, err := io.ReadAll(ask(web.Files(), http.MethodGet, name, "").Body)
		if err != nil || len(plain) == 0 {
			t.Fatalf("%s: %d bytes, %v", name, len(plain), err)
		}
		res := ask(web.Files(), http.MethodGet, name, "gzip, br")
		body := io.Reader(res.Body)
		if res.Header.Get("Content-Encoding") == "gzip" {
			compressed++
			if body, err = gzip.NewReader(res.Body); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if got, err := io.ReadAll(body); err != nil || string(got) != string(plain) {
			t.Errorf("%s: %d bytes compressed, %d plain: %v", name, len(got), len(plain), err)
		}
		if forever := strings.Contains(res.Header.Get("Cache-Control"), "immutable"); forever !=
			strings.HasPrefix(name, "/assets/") {
			t.Errorf("%s is kept: %s", name, res.Header.Get("Cache-Control"))
		}
		head := ask(web.Files(), http.MethodHead, name, "")
		if body, err := io.ReadAll(head.Body); err != nil || len(body) != 0 || head.Header.Get("Content-Length") == "" {
			t.Errorf("HEAD %s: %d bytes, %v", name, len(body), head.Header)
		}
	}
	if compressed == 0 {
		t.Error("nothing is sent compressed")
	}
	if res := ask(web.Files(), http.MethodGet, "/assets/nothing.js", ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("a part that is not there: %d", res.StatusCode)
	}
}
