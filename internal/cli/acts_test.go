package cli_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/cli"
)

// said runs a command against a service that answers by path, and returns what it prints.
func said(t *testing.T, answers map[string]string, run func(cli.Client, io.Writer) error) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			http.Error(w, `{"detail":"there is nothing at `+r.Method+" "+r.URL.Path+`"}`, http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer s.Close()
	var out strings.Builder
	if err := run(cli.Client{URL: s.URL}, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestWhyIsSaidInWords(t *testing.T) {
	form := cli.Form{Zone: time.UTC}
	got := said(
		t,
		map[string]string{
			"POST /v1/access/explain": `{"granted":false,"reason":"outside-hours","rule":"no-right","member":"eva",
		"tried":[{"right":"lease","lease":"forge-1","space":"metz-cafe","from":"2026-01-01T00:00:00Z","to":null,"failed":"outside-hours"}]}`,
		},
		func(c cli.Client, w io.Writer) error { return c.Explain(t.Context(), w, cli.Question{Door: "d"}, form) },
	)
	want := "Refused, to eva: outside-hours. A right leads through this door, but not at this time.\n" +
		"right  of       space      from                 to  opens, or why not\n" +
		"lease  forge-1  metz-cafe  2026-01-01 00:00:00      outside-hours\n"
	if got != want {
		t.Errorf("%s", got)
	}
}

func TestListsAreTablesJSONAndCSV(t *testing.T) {
	list := map[string]string{
		"GET /v1/alarms": `{"items":[{"id":"a","kind":"silent","since":"2026-11-30T08:00:00Z","detail":"it\u001b[2J has, sent","site":"metz","device":"d"}],"next":null}`,
	}
	for _, c := range []struct {
		form cli.Form
		want string
	}{
		{cli.Form{Zone: time.FixedZone("", 3600)}, "2026-11-30 09:00:00  silent  metz  d                    it [2J has, sent"},
		{cli.Form{CSV: true}, "2026-11-30T08:00:00Z,silent,metz,d,,,\"it [2J has, sent\",,,a\n"},
		{cli.Form{JSON: true}, `"kind": "silent"`},
	} {
		got := said(
			t,
			list,
			func(cl cli.Client, w io.Writer) error {
				return cl.ShowList(t.Context(), w, cli.Alarms, url.Values{}, c.form)
			},
		)
		if !strings.Contains(got, c.want) {
			t.Errorf("%+v:\n%s", c.form, got)
		}
	}
	none := map[string]string{"GET /v1/rejects": `{"items":[],"next":null}`}
	if got := said(t, none, func(c cli.Client, w io.Writer) error {
		return c.ShowList(t.Context(), w, cli.Rejects, url.Values{}, cli.Form{Zone: time.UTC})
	}); got != "None.\n" {
		t.Errorf("%q", got)
	}
}

// An act that is redirected is not done: the command says so instead of asking.
func TestARedirectedActIsNotDone(t *testing.T) {
	s := httptest.NewServer(http.RedirectHandler("https://user:secret@elsewhere.example/", http.StatusMovedPermanently))
	defer s.Close()
	err := cli.Client{URL: s.URL}.RevokeToken(t.Context(), io.Discard, "t")
	if err == nil || !strings.Contains(err.Error(), "--url") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}
