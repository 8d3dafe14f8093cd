package app

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestReadinessIsListsOfFaults: a list without faults is empty, and not null.
func TestReadinessIsListsOfFaults(t *testing.T) {
	a, err := Start(t.Context(), testConfig(t), Options{Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopApp(t, a) })
	resp, err := http.Get("http://" + a.HTTP.String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if want := `{"degraded":[],"faults":[],"ok":true}`; err != nil || strings.TrimSpace(string(body)) != want {
		t.Errorf("%s, want %s: %v", body, want, err)
	}
}

// TestEveryStreamIsEndless: an operation that answers with events ends with the streams,
// before the service waits for the requests that end by themselves.
func TestEveryStreamIsEndless(t *testing.T) {
	a, err := Start(t.Context(), testConfig(t), Options{Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopApp(t, a) })
	resp, err := http.Get("http://" + a.HTTP.String() + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct{ Content map[string]any }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	streams := 0
	for path, operations := range doc.Paths {
		for _, op := range operations {
			if op.Responses["200"].Content["text/event-stream"] == nil {
				continue
			}
			if streams++; !endless(httptest.NewRequest(http.MethodGet, path, nil)) {
				t.Errorf("%s is taken for a request that ends", path)
			}
		}
	}
	if streams < 3 {
		t.Errorf("only %d streams were found", streams)
	}
}
