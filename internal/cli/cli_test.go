package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/cli"
)

var update = flag.Bool("update", false, "write the golden files again")

// screen is a terminal with a width; 0: a pipe.
type screen struct {
	strings.Builder
	width int
}

func (s *screen) Columns() int { return s.width }

// answers serves the API's answers of testdata/api.json by path, and records
// the requests' bodies.
func answers(t *testing.T) (c cli.Client, bodies map[string]string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "api.json"))
	if err != nil {
		t.Fatal(err)
	}
	var byPath map[string]json.RawMessage
	if err := json.Unmarshal(data, &byPath); err != nil {
		t.Fatal(err)
	}
	bodies = map[string]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies[r.Method+" "+r.URL.Path] = string(body)
		answer, ok := byPath[r.URL.Path]
		switch {
		case r.Header.Get("Authorization") != "Bearer secret":
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"detail":"the token is unknown"}`)
		case !ok:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w,
				`{"detail":"not found","errors":[{"field":"space","message":"there is no space \"attic\""}]}`,
			)
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		case strings.HasSuffix(r.URL.Path, "/watch"):
			var events []json.RawMessage
			_ = json.Unmarshal(answer, &events)
			for _, e := range events {
				var one strings.Builder
				_ = json.NewEncoder(&one).Encode(e)
				_, _ = io.WriteString(w, "event: message\ndata: "+one.String()+"\n")
			}
		default:
			_, _ = w.Write(answer)
		}
	}))
	t.Cleanup(s.Close)
	return cli.Client{URL: s.URL, Token: "secret"}, bodies
}

func paris(t *testing.T) *time.Location {
	t.Helper()
	z, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestGolden shows every view in a pipe, in a terminal that is wide enough, and
// in one of 60 columns. The pipe gets what the wide terminal shows.
func TestGolden(t *testing.T) {
	c, _ := answers(t)
	zone := paris(t)
	time.Local = zone // totem devices watch shows this machine's time
	from := time.Date(2026, 11, 16, 0, 0, 0, 0, zone)
	sheet := filepath.Join(t.TempDir(), "leases.csv")
	if err := os.WriteFile(sheet, []byte("tenant;plan\nforge;flex\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	usage := func(by string) func(context.Context, io.Writer) error {
		return func(ctx context.Context, w io.Writer) error {
			return cli.Usage(ctx, c, w, cli.UsageQuery{From: from, To: from.AddDate(0, 0, 7), By: by})
		}
	}
	views := map[string]func(context.Context, io.Writer) error{
		"usage": usage("space"),
		"occupancy": func(ctx context.Context, w io.Writer) error {
			q := cli.OccupancyQuery{Space: "metz-cafe", Every: "1h", From: from, To: from.AddDate(0, 0, 1)}
			return cli.Occupancy(ctx, c, w, q)
		},
		"hours": func(ctx context.Context, w io.Writer) error {
			return cli.Hours(ctx, c, w, url.Values{"by": {"member"}})
		},
		"explain": func(ctx context.Context, w io.Writer) error {
			return cli.Explain(ctx, c, w, "nadia", "2026-11-20", "2026-11-30", zone)
		},
		"visits": func(ctx context.Context, w io.Writer) error { return cli.Visits(ctx, c, w, url.Values{}, zone) },
		"correct": func(ctx context.Context, w io.Writer) error {
			x := cli.Correction{From: from.Add(9 * time.Hour), To: from.Add(12 * time.Hour), Reason: "forgot"}
			return cli.Correct(ctx, c, w, "v1", x, zone)
		},
		"statements": func(ctx context.Context, w io.Writer) error { return cli.Statements(ctx, c, w, url.Values{}) },
		"issue": func(ctx context.Context, w io.Writer) error {
			return cli.Issue(ctx, c, w, cli.IssueRequest{Month: "2026-11", DryRun: true, AsKnown: "2026-11-05"})
		},
		"rents":    func(ctx context.Context, w io.Writer) error { return cli.Rents(ctx, c, w, url.Values{}) },
		"by-kind":  func(ctx context.Context, w io.Writer) error { return cli.Rents(ctx, c, w, url.Values{"by": {"kind"}}) },
		"charter":  func(ctx context.Context, w io.Writer) error { return cli.Charter(ctx, c, w) },
		"attended": func(ctx context.Context, w io.Writer) error { return cli.Attendance(ctx, c, w, "fete") },
		"watch": func(ctx context.Context, w io.Writer) error {
			err := cli.Watch(ctx, c, w, cli.WatchQuery{Device: "metz-desk-7", Rejected: true})
			if !errors.Is(err, cli.ErrStreamEnded) {
				t.Errorf("the end of the stream is not told: %v", err)
			}
			return nil
		},
		"import": func(ctx context.Context, w io.Writer) error {
			return cli.Import(ctx, c, w, sheet, url.Values{"dry_run": {"true"}})
		},
	}
	for name, show := range views {
		t.Run(name, func(t *testing.T) {
			for layout, width := range map[string]int{"wide": 200, "narrow": 60} {
				s := &screen{width: width}
				if err := show(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				golden(t, name+"."+layout, s.String())
			}
			pipe := &strings.Builder{}
			if err := show(t.Context(), pipe); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".wide", pipe.String())
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./internal/cli -update writes it again):\n%s", path, got)
	}
}

// TestTheWeekIsDrawnByTheHour: each hour of the week stands under its heading.
func TestTheWeekIsDrawnByTheHour(t *testing.T) {
	u := func(key string, open, used float64) string {
		text, _ := json.Marshal(map[string]any{"key": key, "open_hours": open, "utilisation": used})
		return string(text)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"items":[`+u("mon-08", 1, 0.2)+`,`+u("mon-09", 1, 1)+`,{"key":"tue-10","open_hours":1}]}`)
	}))
	defer s.Close()
	var out strings.Builder
	q := cli.UsageQuery{From: time.Unix(0, 0).UTC(), To: time.Unix(604800, 0).UTC(), By: "hour-of-week", Site: "metz"}
	if err := cli.Usage(t.Context(), cli.Client{URL: s.URL}, &out, q); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	heading, monday, tuesday := []rune(lines[2]), []rune(lines[3]), []rune(lines[4])
	at := func(line []rune, hour int) string { return string(line[5+3*hour : 7+3*hour]) }
	for _, x := range []struct {
		line []rune
		hour int
		want string
	}{{heading, 8, "08"}, {monday, 8, "░░"}, {monday, 9, "██"}, {monday, 10, "  "}, {tuesday, 10, "··"}} {
		if got := at(x.line, x.hour); got != x.want {
			t.Errorf("hour %d of %q is %q, not %q", x.hour, string(x.line), got, x.want)
		}
	}
}

func TestARefusalNamesItsFields(t *testing.T) {
	c, _ := answers(t)
	err := cli.Attendance(t.Context(), c, io.Discard, "nowhere")
	if err == nil || err.Error() != `404 Not Found: not found; space there is no space "attic"` {
		t.Errorf("%v", err)
	}
	c.Token = "wrong"
	if err := cli.Charter(t.Context(), c, io.Discard); err == nil ||
		!strings.Contains(err.Error(), "the token is unknown") {
		t.Errorf("%v", err)
	}
	c.URL = "http://127.0.0.1:1"
	err = cli.Charter(t.Context(), c, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "no service answers at http://127.0.0.1:1 (see --url") {
		t.Errorf("%v", err)
	}
}

// TestAllPagesAreRead: a list that has a next page is read to its end.
func TestAllPagesAreRead(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") == "" {
			_, _ = io.WriteString(w, `{"items":[1,2],"next":"2"}`)
			return
		}
		_, _ = io.WriteString(w, `{"items":[3],"next":null}`)
	}))
	defer s.Close()
	got, err := cli.List[int](t.Context(), cli.Client{URL: s.URL}, "/v1/n", url.Values{})
	if err != nil || len(got) != 3 || got[2] != 3 {
		t.Errorf("%v %v", got, err)
	}
}

func TestAnUndoneCorrectionIsDeleted(t *testing.T) {
	c, bodies := answers(t)
	var out strings.Builder
	if err := cli.Undo(t.Context(), c, &out, "v1"); err != nil {
		t.Fatal(err)
	}
	if _, sent := bodies["DELETE /v1/visits/v1/correction"]; !sent || out.String() != "v1 counts as it was measured.\n" {
		t.Errorf("%v %q", bodies, out.String())
	}
}

// TestAnExportIsWholeOrNotThere: a file that exists is not replaced by half an
// export, and only its owner may read one.
func TestAnExportIsWholeOrNotThere(t *testing.T) {
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "half")
	}))
	defer broken.Close()
	file := filepath.Join(t.TempDir(), "all.zip")
	if err := os.WriteFile(file, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cli.Export(t.Context(), cli.Client{URL: broken.URL}, io.Discard, file); err == nil {
		t.Error("half an export was taken")
	}
	if got, _ := os.ReadFile(file); string(got) != "before" {
		t.Errorf("the file holds %q", got)
	}
	whole := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "whole") }),
	)
	defer whole.Close()
	if err := cli.Export(t.Context(), cli.Client{URL: whole.URL}, io.Discard, file); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if got, _ := os.ReadFile(file); err != nil || string(got) != "whole" || info.Mode().Perm() != 0o600 {
		t.Errorf("%q %v %v", got, info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(left) != 1 {
		t.Errorf("%v %v", left, err)
	}
}

func TestAmountsAreExact(t *testing.T) {
	for text, want := range map[string]int64{"11.50": 1150, "11,5": 1150, "0.01": 1, "12": 1200} {
		if got, err := cli.Cents(text); err != nil || got != want {
			t.Errorf("%s: %d %v", text, got, err)
		}
	}
	for _, text := range []string{"", "eleven", "1.005", "1e3", "1/2", "0x10", "1_0", "99999999999999999999"} {
		if got, err := cli.Cents(text); err == nil {
			t.Errorf("%q is taken as %d", text, got)
		}
	}
}

func TestASetRentIsToldInSentences(t *testing.T) {
	c, bodies := answers(t)
	set, err := c.SetRent(t.Context(), "metz-cafe", 1250, "2027-01-01", "board")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	set.Show(&out, "metz-cafe")
	want := "metz-cafe costs 12.50 € per m² and month from 2027-01-01 on; on the day before it is 11.50 €.\n" +
		"Replaced: 13.00 € from 2027-02-01 on.\n"
	if out.String() != want {
		t.Error(out.String())
	}
	if got := bodies["PUT /v1/spaces/metz-cafe/rent"]; got != `{"from":"2027-01-01","reason":"board","rent_cents_m2_month":1250}` {
		t.Error(got)
	}
}

func TestACatalogueIsAppliedOrTried(t *testing.T) {
	c, bodies := answers(t)
	got, err := c.ApplyCatalogue(t.Context(), map[string]string{"text": "sites: []"}, true)
	if err != nil || got.N != 2 || len(got.Differences) != 1 {
		t.Errorf("%+v %v", got, err)
	}
	if bodies["PUT /v1/catalogue"] != `{"text":"sites: []"}` {
		t.Error(bodies)
	}
}
