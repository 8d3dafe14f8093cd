package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/ledger"
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
	Roles    []string `json:"x-roles"`
	Security []any
}

// TestWhoMayCallEachOperation holds the roles of every operation to
// testdata/roles.txt: a new endpoint is red here until somebody has written down
// who may call it. What each role sees of it, other tests tell.
func TestWhoMayCallEachOperation(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	want, err := os.ReadFile(filepath.Join("testdata", "roles.txt"))
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for line := range strings.Lines(string(want)) {
		written[strings.TrimSpace(line)] = true
	}
	for path, ops := range operationsOf(t, apptest.ClientOf(t, a)) {
		for method, op := range ops {
			who := strings.Join(op.Roles, " ")
			if len(op.Security) == 0 {
				who = "everybody"
			}
			line := strings.ToUpper(method) + " " + path + ": " + who
			if !written[line] {
				t.Errorf("testdata/roles.txt does not have: %s", line)
			}
			delete(written, line)
		}
	}
	for line := range written {
		t.Errorf("testdata/roles.txt has what the API has not: %s", line)
	}
}

// TestNobodySeesOrChangesWhatIsOthers walks every operation of the OpenAPI
// document with every role that is held to a site or a tenant, over what is
// another's: no answer shows any of it, and none of it is changed.
func TestNobodySeesOrChangesWhatIsOthers(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	ids := apptest.MetzAndNancy(t, a)
	admin := apptest.ClientOf(t, a)
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
		ids["webhooks"],
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
		apptest.Client
		secrets []string
	}{
		"manager of Nancy": {admin.As("manager", `,"sites":["nancy"]`), metz},
		"billing of Nancy": {admin.As("billing", `,"sites":["nancy"]`), metz},
		"display of Nancy": {admin.As("display", `,"sites":["nancy"]`), metz},
		"tenant atelier":   {admin.As("tenant", `,"tenant":"atelier"`), people},
		"manager of no one": {
			admin.WithToken(admin.Must("PUT", "/v1/tokens/none", `{"role":"manager","sites":[]}`)["token"].(string)),
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
					if status, body := r.Glance(method, target+"?"+q.Encode(), bodies[method+" "+path]); status < 300 {
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
	"PUT /v1/plans/{id}":                  `{"name":"Mine","includes":[],"roaming":false,"schedule":"always",` + apptest.Terms + `}`,
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
	"PUT /v1/webhooks/{id}":               `{"url":"https://example.org/","sites":["nancy"]}`,
}

// operationsOf reads the OpenAPI document.
func operationsOf(t *testing.T, c apptest.Client) map[string]map[string]operationOf {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]operationOf
	}
	if _, body := c.Raw("GET", "/openapi.json", ""); json.Unmarshal(body, &doc) != nil || len(doc.Paths) < 30 {
		t.Fatalf("the OpenAPI document has %d paths", len(doc.Paths))
	}
	return doc.Paths
}

// everything returns the state of all that is not a stream of new things.
func everything(t *testing.T, c apptest.Client) string {
	t.Helper()
	var b strings.Builder
	for _, path := range []string{"tenants", "members", "credentials", "plans", "schedules", "leases", "passes", "events", "visits", "statements", "sites/metz/lockdown", "webhooks"} {
		_, body := c.Raw("GET", "/v1/"+path+"?limit=1000", "")
		b.Write(body)
	}
	return b.String()
}

func TestAnAnswerIsWrittenOverOnlyAsItWasRead(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	_, header, _ := c.In("GET", "/v1/tenants/atelier", "", "")
	first := header.Get("ETag")
	if first == "" {
		t.Fatal("no ETag")
	}
	put := func(method, tag, name string) int {
		return c.With(method,
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
	if got := c.Must("GET", "/v1/tenants/atelier", "")["name"]; got != "New" {
		t.Errorf("the name is %v", got)
	}
	if s := c.With(
		"PUT",
		"/v1/tenants/unheard",
		`{"name":"X","site":"metz","kind":"company"}`,
		http.Header{"If-Match": {first}},
	).StatusCode; s != 412 {
		t.Errorf("what is not there: %d", s)
	}
	if got := c.With("PATCH", "/v1/tenants/atelier", "", nil); got.StatusCode != http.StatusMethodNotAllowed ||
		got.Header.Get("Allow") != "GET, PUT, DELETE" {
		t.Errorf("PATCH: %d, Allow %q", got.StatusCode, got.Header.Get("Allow"))
	}
}

func TestNoPageRunsWhatIsWrittenIntoIt(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	c := apptest.ClientOf(t, a)
	for _, path := range []string{"/docs/", "/docs", "/healthz", "/v1/sites", "/nowhere"} {
		policy := c.With("GET", path, "", nil).Header.Get("Content-Security-Policy")
		if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") {
			t.Errorf("%s: %q", path, policy)
		}
		if strings.HasPrefix(path, "/docs") && !strings.Contains(policy, "script-src 'self' 'sha256-") {
			t.Errorf("%s: %q lets its own start script not run", path, policy)
		}
	}
}

func TestOfTwoWhoHaveReadTheSameOneIsTold(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	for round := range 10 {
		_, header, _ := c.In("GET", "/v1/tenants/atelier", "", "")
		var taken atomic.Int32
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				body := fmt.Sprintf(`{"name":"Round %d of %d","site":"metz","kind":"company"}`, round, i)
				if c.With(
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
	a := apptest.Start(t, apptest.Config(t))
	ids := apptest.MetzAndNancy(t, a)
	c := apptest.ClientOf(t, a)
	c.Must("PUT", "/v1/tokens/of-orme", `{"role":"tenant","tenant":"orme"}`)
	for _, path := range []string{"/v1/leases/zinc-lease", "/v1/plans/cowork", "/v1/tenants/zinc", "/v1/tenants/orme"} {
		if status, _ := c.Ask("DELETE", path, ""); status != 409 {
			t.Errorf("DELETE %s: %d", path, status)
		}
	}
	apptest.Get(t, c, "/v1/statements/"+ids["statements"], 200, nil)
	c.Must("DELETE", "/v1/tokens/of-orme", "")
	c.Must("DELETE", "/v1/members/nadia/data", "")
	c.Must("DELETE", "/v1/tenants/orme", "")
	if status, _ := c.Ask("PUT", "/v1/tokens/admin", `{"role":"display"}`); status != 409 {
		t.Errorf("a token takes its own role away: %d", status)
	}
	if a.Config.DatabaseURL != "" {
		return // it has no file
	}
	info, err := os.Stat(filepath.Join(a.Config.Data, ledger.FileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the ledger is open to others: %v %v", info.Mode(), err)
	}
}
