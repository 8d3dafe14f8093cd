package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// operationOf is an operation of the OpenAPI document, as far as the walk needs it.
type operationOf struct {
	Parameters []struct {
		Name, In string
		Required bool
	}
	Responses map[string]struct {
		Content map[string]any
	}
}

// metzAndNancy has people, reads, a visit, a statement, an alarm and terms at
// Metz, and a company at Nancy; ids are those of what is Metz's.
func metzAndNancy(t *testing.T, a *App) (ids map[string]string) {
	t.Helper()
	settle(t, a)
	metz, from := catalogue.SiteID("metz"), catalogue.Instant{Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	always := tenancy.Schedule{ID: "metz-hours", Site: &metz, Holidays: "open"}
	err := a.Rights.Apply(
		t.Context(),
		"test",
		change(tenancy.Tenant{ID: "orme", Name: "Orme", Site: "nancy", Kind: "company"}),
		change(tenancy.Member{ID: "nadia", Tenant: "orme", Name: "Nadia"}),
		change(
			tenancy.Lease{
				ID:             "zinc-lease",
				Tenant:         "zinc",
				Site:           "metz",
				Plan:           "cowork",
				StartsOn:       catalogue.Date(2020, 1, 1),
				Status:         tenancy.Active,
				RentCentsMonth: 77_700,
			},
		),
		change(always),
		change(tenancy.Plan{ID: "metz-plan", Site: &metz, Name: "Metz", Schedule: "metz-hours", VatPct: 20}),
		change(
			tenancy.Pass{
				ID:        "bob-pass",
				Host:      "bob",
				Name:      "Visitor",
				Spaces:    []catalogue.SpaceID{"metz-coworking"},
				ValidFrom: from.Time,
				ValidTo:   from.AddDate(0, 0, 7),
			},
		),
		change(
			tenancy.Event{
				ID:       "metz-event",
				Title:    "Soirée",
				Spaces:   []catalogue.SpaceID{"metz-coworking"},
				StartsAt: from.Time,
				EndsAt:   from.Add(time.Hour),
				Audience: "invited",
				Invited:  []tenancy.MemberID{"bob"},
			},
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	last := time.Now().UTC().AddDate(0, -1, 0)
	day := time.Date(last.Year(), last.Month(), 10, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	stays := stay(day, "09:00:00", "12:00:00")
	for i := range stays {
		stays[i].payload = []byte(strings.Replace(string(stays[i].payload), aliceUID, bobUID, 1))
	}
	publish(t,
		a,
		append(stays,
			sent{
				topic: "totem/v1/metz/metz-entrance-in/badge",
				payload: []byte(
					`{"id":"` + uuid.NewString() + `","at":"` + wire.FormatTime(time.Now()) + `","credential":"04DEAD01"}`,
				),
			},
			sent{
				topic:   "totem/v1/metz/metz-entrance-in/status",
				payload: []byte(`{"at":"` + wire.FormatTime(time.Now()) + `","online":false}`),
			},
			sent{topic: "totem/v1/metz/metz-entrance-in/badge", payload: []byte(`{"id":7}`)},
		),
	)
	admin := clientOf(t, a)
	issued := admin.must("POST", "/v1/statements", `{"month":"`+last.Format("2006-01")+`","tenant":"zinc"}`)
	var visits struct{ Items []struct{ ID string } }
	get(t, admin, "/v1/visits?member=bob", 200, &visits)
	if len(visits.Items) == 0 {
		t.Fatal("bob has no visit")
	}
	ids = map[string]string{
		"tenants":     "zinc",
		"members":     "bob",
		"credentials": "bob-card",
		"plans":       "metz-plan",
		"schedules":   "metz-hours",
		"leases":      "zinc-lease",
		"passes":      "bob-pass",
		"events":      "metz-event",
		"tokens":      "t-manager",
		"sites":       "metz",
		"devices":     "metz-entrance-in",
		"doors":       "metz-entrance",
		"visits":      visits.Items[0].ID,
		"statements":  issued["items"].([]any)[0].(map[string]any)["id"].(string),
		"alarms":      uuid.NewString(),
		"day":         day,
		"month":       last.Format("2006-01"),
	}
	var reads struct{ Items []struct{ ID string } }
	get(t, admin, "/v1/access/reads?member=bob", 200, &reads)
	ids["buildings"], ids["spaces"], ids["reads"] = "metz-blida", "metz-coworking", reads.Items[0].ID
	var alarms struct{ Items []struct{ ID string } }
	get(t, admin, "/v1/alarms", 200, &alarms)
	if len(alarms.Items) > 0 {
		ids["alarms"] = alarms.Items[0].ID
	}
	return ids
}

// TestNobodySeesOrChangesWhatIsOthers walks every operation of the OpenAPI
// document with every role that is held to a site or a tenant, over what is
// another's: no answer shows any of it, and none of it is changed.
func TestNobodySeesOrChangesWhatIsOthers(t *testing.T) {
	a := startApp(t, testConfig(t))
	ids := metzAndNancy(t, a)
	admin := clientOf(t, a)
	metz := []string{
		`"atelier"`,
		"atelier-lease",
		"zinc",
		"alice",
		"bob",
		"Soirée",
		"metz",
		"77700",
		ids["visits"],
		ids["statements"],
	}
	people := []string{
		"zinc",
		"bob",
		"orme",
		"nadia",
		"Nadia",
		"Soirée",
		"77700",
		ids["visits"],
		"metz-coworking-in",
		"metz-entrance-in",
	}
	roles := map[string]struct {
		client
		secrets []string
	}{
		"manager of Nancy": {admin.as("manager", `,"sites":["nancy"]`), metz},
		"billing of Nancy": {admin.as("billing", `,"sites":["nancy"]`), metz},
		"display of Nancy": {admin.as("display", `,"sites":["nancy"]`), metz},
		"tenant atelier":   {admin.as("tenant", `,"tenant":"atelier"`), people},
		"manager of no one": {
			client{t, admin.base, admin.must("PUT", "/v1/tokens/none", `{"role":"manager","sites":[]}`)["token"].(string)},
			append(metz, "orme", "nadia", "nancy"),
		},
	}
	open := map[string]string{
		"/v1/sites/{id}/key": "keys are public",
		"/v1/programme":      "is for everybody",
		"/v1/audit/verify":   "tells only whether the whole chain is intact",
	}
	ids["kind"] = "tenants"
	values := map[string]string{
		"member": "bob",
		"tenant": "zinc",
		"space":  "metz-coworking",
		"site":   "metz",
		"door":   "metz-entrance",
		"month":  ids["month"],
		"day":    ids["day"],
		"from":   ids["day"] + "T00:00:00Z",
		"to":     ids["day"] + "T23:00:00Z",
		"by":     "site",
		"every":  "1h",
		"device": "metz-entrance-in",
		"target": "lease/zinc-lease",
		"limit":  "1000",
	}
	before := everything(t, admin)
	for path, ops := range operationsOf(t, admin) {
		for method, op := range ops {
			method = strings.ToUpper(method)
			if open[path] != "" {
				continue
			}
			target := path
			if strings.Contains(path, "{id}") {
				parts := strings.Split(path, "/")
				id := ids[parts[2]]
				if parts[2] == "access" {
					id = ids["reads"]
				}
				if id == "" {
					t.Errorf("%s %s: the walk has no id for it", method, path)
				}
				target = strings.Replace(path, "{id}", id, 1)
			}
			needed, all := url.Values{}, url.Values{}
			for _, p := range op.Parameters {
				if v := values[p.Name]; p.In == "query" && v != "" {
					all.Set(p.Name, v)
					if p.Required || p.Name == "from" || p.Name == "to" || p.Name == "by" {
						needed.Set(p.Name, v)
					}
				}
			}
			for who, r := range roles {
				for _, q := range []url.Values{needed, all} {
					if status, body := r.glance(method, target+"?"+q.Encode(), bodies[method+" "+path]); status < 300 {
						for _, secret := range r.secrets {
							if strings.Contains(body, secret) {
								t.Errorf("%s: %s %s?%s says %q: %.300s", who, method, target, q.Encode(), secret, body)
							}
						}
						if method != "GET" && strings.Contains(path, "{id}") && !strings.Contains(path, "/session") {
							t.Errorf("%s: %s %s?%s was done: %d", who, method, target, q.Encode(), status)
						}
					}
				}
			}
		}
	}
	if after := everything(t, admin); after != before {
		t.Errorf("something of Metz was changed:\n%s\nwas\n%s", after, before)
	}
}

// bodies are sound ones, with which the owner would be obeyed.
var bodies = map[string]string{
	"PUT /v1/tenants/{id}":                `{"name":"Mine","site":"nancy","kind":"company"}`,
	"PUT /v1/members/{id}":                `{"tenant":"atelier","name":"Mine"}`,
	"PUT /v1/credentials/{id}":            `{"member":"bob","kind":"card","status":"revoked"}`,
	"PUT /v1/plans/{id}":                  `{"name":"Mine","includes":[],"roaming":false,"schedule":"always",` + terms + `}`,
	"PUT /v1/spaces/{id}/rent":            `{"rent_cents_m2_month":1,"from":"2026-01-01","reason":"mine"}`,
	"PUT /v1/schedules/{id}":              `{"windows":[],"holidays":"open"}`,
	"PUT /v1/leases/{id}":                 `{"tenant":"orme","site":"nancy","spaces":[],"plan":"cowork","starts_on":"2026-01-01","status":"active","rent_cents_month":0}`,
	"PUT /v1/passes/{id}":                 `{"host":"bob","name":"V","spaces":["metz-coworking"],"valid_from":"2026-01-01T00:00:00Z","valid_to":"2026-01-02T00:00:00Z"}`,
	"PUT /v1/events/{id}":                 `{"title":"T","spaces":["metz-coworking"],"starts_at":"2026-01-01T00:00:00Z","ends_at":"2026-01-02T00:00:00Z","audience":"public","invited":[]}`,
	"PUT /v1/tokens/{id}":                 `{"role":"admin"}`,
	"PUT /v1/sites/{id}/lockdown":         `{"active":true,"reason":"x"}`,
	"POST /v1/doors/{id}/unlock":          `{"seconds":3,"reason":"x"}`,
	"POST /v1/access/check":               `{"credential":"04B0B0B0","door":"metz-entrance","direction":"in"}`,
	"PUT /v1/visits/{id}/correction":      `{"from":"2026-01-01T00:00:00Z","to":"2026-01-01T01:00:00Z","reason":"x"}`,
	"POST /v1/statements":                 `{"month":"2026-01","dry_run":true}`,
	"PUT /v1/alarms/{id}/acknowledgement": `{}`,
	"POST /v1/import":                     "id,name,site,kind\nx,X,metz,company\n",
	"DELETE /v1/visits/{id}/correction":   "",
	"POST /v1/devices/{id}/secret":        "",
}

// operationsOf reads the OpenAPI document.
func operationsOf(t *testing.T, c client) map[string]map[string]operationOf {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]operationOf
	}
	if _, body := c.raw("GET", "/openapi.json", ""); json.Unmarshal(body, &doc) != nil || len(doc.Paths) < 30 {
		t.Fatalf("the OpenAPI document has %d paths", len(doc.Paths))
	}
	return doc.Paths
}

// glance asks, and reads for as long as an answer that ends would take.
func (c client) glance(method, path, body string) (int, string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 300*time.Millisecond)
	defer cancel()
	if !strings.Contains(path, "/stream") && !strings.Contains(path, "/watch") {
		ctx = c.t.Context()
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil && ctx.Err() == nil {
		c.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// everything returns the state of all that is not a stream of new things.
func everything(t *testing.T, c client) string {
	t.Helper()
	var b strings.Builder
	for _, path := range []string{"tenants", "members", "credentials", "plans", "schedules", "leases", "passes", "events", "visits", "statements", "sites/metz/lockdown"} {
		_, body := c.raw("GET", "/v1/"+path+"?limit=1000", "")
		b.Write(body)
	}
	return b.String()
}

func TestAnAnswerIsWrittenOverOnlyAsItWasRead(t *testing.T) {
	a := startApp(t, testConfig(t))
	settle(t, a)
	c := clientOf(t, a)
	_, header, _ := c.in("GET", "/v1/tenants/atelier", "", "")
	first := header.Get("ETag")
	if first == "" {
		t.Fatal("no ETag")
	}
	put := func(method, tag, name string) int {
		return c.with(method,
			"/v1/tenants/atelier",
			`{"name":"`+name+`","site":"metz","kind":"company"}`,
			http.Header{"If-Match": {tag}},
		).StatusCode
	}
	if s := put("PUT", first, "New"); s != 200 {
		t.Errorf("the state that was read: %d", s)
	}
	for _, method := range []string{"PUT", "DELETE"} {
		if s := put(method, first, "Lost"); s != 412 {
			t.Errorf("%s of a state that is gone: %d", method, s)
		}
	}
	if got := c.must("GET", "/v1/tenants/atelier", "")["name"]; got != "New" {
		t.Errorf("the name is %v", got)
	}
	if s := c.with(
		"PUT",
		"/v1/tenants/unheard",
		`{"name":"X","site":"metz","kind":"company"}`,
		http.Header{"If-Match": {first}},
	).StatusCode; s != 412 {
		t.Errorf("what is not there: %d", s)
	}
	if got := c.with("PATCH", "/v1/tenants/atelier", "", nil); got.StatusCode != http.StatusMethodNotAllowed ||
		got.Header.Get("Allow") != "GET, PUT, DELETE" {
		t.Errorf("PATCH: %d, Allow %q", got.StatusCode, got.Header.Get("Allow"))
	}
}

func TestNoPageRunsWhatIsWrittenIntoIt(t *testing.T) {
	a := startApp(t, testConfig(t))
	c := clientOf(t, a)
	for _, path := range []string{"/docs/", "/docs", "/healthz", "/v1/sites", "/nowhere"} {
		policy := c.with("GET", path, "", nil).Header.Get("Content-Security-Policy")
		if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") {
			t.Errorf("%s: %q", path, policy)
		}
		if strings.HasPrefix(path, "/docs") && !strings.Contains(policy, "script-src 'self' 'sha256-") {
			t.Errorf("%s: %q lets its own start script not run", path, policy)
		}
	}
}

// with sends headers, and returns the answer without its body.
func (c client) with(method, path, body string, header http.Header) *http.Response {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultTransport.RoundTrip(req) // redirections are answers too
	if err != nil {
		c.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}

func TestOfTwoWhoHaveReadTheSameOneIsTold(t *testing.T) {
	a := startApp(t, testConfig(t))
	settle(t, a)
	c := clientOf(t, a)
	for round := range 10 {
		_, header, _ := c.in("GET", "/v1/tenants/atelier", "", "")
		var taken atomic.Int32
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				body := fmt.Sprintf(`{"name":"Round %d of %d","site":"metz","kind":"company"}`, round, i)
				if c.with(
					"PUT",
					"/v1/tenants/atelier",
					body,
					http.Header{"If-Match": {header.Get("ETag")}},
				).StatusCode == http.StatusOK {
					taken.Add(1)
				}
			})
		}
		all.Wait()
		if n := taken.Load(); n != 1 {
			t.Fatalf("round %d: %d of six changes were made over one state", round, n)
		}
	}
}

func TestWhatAStatementOrATokenNamesStays(t *testing.T) {
	a := startApp(t, testConfig(t))
	ids := metzAndNancy(t, a)
	c := clientOf(t, a)
	c.must("PUT", "/v1/tokens/of-orme", `{"role":"tenant","tenant":"orme"}`)
	for _, path := range []string{"/v1/leases/zinc-lease", "/v1/plans/cowork", "/v1/tenants/zinc", "/v1/tenants/orme"} {
		if status, _ := c.ask("DELETE", path, ""); status != 409 {
			t.Errorf("DELETE %s: %d", path, status)
		}
	}
	get(t, c, "/v1/statements/"+ids["statements"], 200, nil)
	c.must("DELETE", "/v1/tokens/of-orme", "")
	c.must("DELETE", "/v1/members/nadia/data", "")
	c.must("DELETE", "/v1/tenants/orme", "")
	if status, _ := c.ask("PUT", "/v1/tokens/admin", `{"role":"display"}`); status != 409 {
		t.Errorf("a token takes its own role away: %d", status)
	}
	info, err := os.Stat(filepath.Join(a.cfg.Data, ledger.FileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the ledger is open to others: %v %v", info.Mode(), err)
	}
}
