package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/occupancy"
)

func TestRolesMayWhatTheRulesSay(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	clients := map[string]apptest.Client{
		"admin":     c,
		"manager":   c.As("manager", `,"sites":["metz"]`),
		"elsewhere": {},
		"billing":   c.As("billing", ""),
		"tenant": c.As(
			"tenant",
			`,"tenant":"atelier"`,
		),
		"display":  c.As("display", ""),
		"nobody":   c.WithToken(""),
		"stranger": c.WithToken("not-a-token"),
	}
	other := c
	other.Must("PUT", "/v1/tokens/other", `{"role":"manager","sites":["nancy"]}`)
	clients["elsewhere"] = c.WithToken(
		other.Must("PUT", "/v1/tokens/other", `{"role":"manager","sites":["nancy"]}`)["token"].(string),
	)
	const all = "admin manager elsewhere billing tenant display"
	for _, x := range []struct{ method, path, body, may string }{
		{"GET", "/v1/sites", "", all}, {"GET", "/v1/spaces", "", all}, {"GET", "/v1/sites/metz/key", "", all}, {"GET", "/v1/availability", "", all},
		{"GET", "/v1/devices", "", "admin manager elsewhere"}, {"GET", "/v1/doors", "", "admin manager elsewhere"},
		{"GET", "/v1/tenants", "", "admin manager elsewhere billing tenant"}, {"GET", "/v1/tenants/atelier", "", "admin manager billing tenant"}, {"GET", "/v1/tenants/zinc", "", "admin manager billing"},
		{"GET", "/v1/members", "", "admin manager elsewhere tenant"}, {"GET", "/v1/members/alice", "", "admin manager tenant"}, {"GET", "/v1/members/bob", "", "admin manager"},
		{"GET", "/v1/credentials/alice-card", "", "admin manager tenant"}, {"GET", "/v1/credentials/bob-card", "", "admin manager"},
		{"GET", "/v1/leases", "", "admin manager elsewhere billing"}, {"GET", "/v1/leases/zinc-lease", "", "admin manager billing"},
		{"GET", "/v1/plans", "", "admin manager elsewhere billing"}, {"GET", "/v1/schedules", "", "admin manager elsewhere billing"}, {"GET", "/v1/events", "", "admin manager elsewhere"},
		{"GET", "/v1/passes", "", "admin manager elsewhere tenant"}, {"GET", "/v1/visits", "", "admin manager elsewhere billing tenant"}, {"GET", "/v1/access/reads", "", "admin manager elsewhere"},
		{"GET", "/v1/rejects", "", "admin manager elsewhere"}, {"GET", "/v1/alarms", "", "admin manager elsewhere"}, {"GET", "/v1/audit/verify", "", "admin manager elsewhere"},
		{"GET", "/v1/audit?target=lease/zinc-lease", "", "admin"}, {"GET", "/v1/tokens", "", "admin"}, {"PUT", "/v1/tokens/new", `{"role":"display"}`, "admin"}, {"DELETE", "/v1/tokens/new", "", "admin"},
		{"POST", "/v1/devices/metz-entrance-in/secret", "", "admin"},
		{"POST", "/v1/access/check", `{"credential":"04A1B2C3","door":"metz-entrance","direction":"in"}`, "admin manager"},
		{"POST", "/v1/doors/metz-entrance/unlock", `{"seconds":3,"reason":"test"}`, "admin manager"}, {"PUT", "/v1/sites/metz/lockdown", `{"active":false}`, "admin manager"},
		{"PUT", "/v1/tenants/new", `{"name":"N","site":"metz","kind":"company"}`, "admin manager billing"},
		{"PUT", "/v1/members/new", `{"tenant":"atelier","name":"N","email":"n@example.org"}`, "admin manager tenant"}, {"PUT", "/v1/members/new2", `{"tenant":"zinc","name":"N"}`, "admin manager"},
		{"PUT", "/v1/members/staff-WHO", `{"tenant":"atelier","name":"N","staff_sites":["metz"]}`, "admin manager"},
		{"PUT", "/v1/passes/p1", `{"host":"alice","name":"V","spaces":["metz-coworking"],"valid_from":"2026-01-01T00:00:00Z","valid_to":"2026-02-01T00:00:00Z"}`, "admin manager tenant"},
		{"PUT", "/v1/passes/p2", `{"host":"alice","name":"V","spaces":["metz-fablab"],"valid_from":"2026-01-01T00:00:00Z","valid_to":"2026-02-01T00:00:00Z"}`, "admin manager"},
		{"GET", "/v1/members/alice/data", "", "admin manager"}, {"GET", "/v1/members/bob/data", "", "admin manager"},
		{"GET", "/v1/hours?month=2026-01", "", "admin manager elsewhere billing tenant"}, {"GET", "/v1/hours?month=2026-01&tenant=atelier", "", "admin manager elsewhere billing tenant"},
		{"GET", "/v1/hours?month=2026-01&tenant=zinc", "", "admin manager elsewhere billing"},
		{"GET", "/v1/hours/explain?member=alice&day=2026-01-05", "", "admin manager billing tenant"}, {"GET", "/v1/hours/explain?member=bob&day=2026-01-05", "", "admin manager billing"},
		{"POST", "/v1/statements", `{"month":"2026-01","dry_run":true}`, "admin billing"}, {"GET", "/v1/statements", "", "admin billing tenant"}, {"GET", "/v1/accounting", "", "admin billing"},
		{"GET", "/v1/calibration?from=2026-01-05T00:00:00Z&to=2026-01-06T00:00:00Z", "", "admin manager elsewhere billing"}, {"GET", "/v1/charter", "", "admin manager elsewhere billing"},
		{"GET", "/v1/export", "", "admin"}, {"POST", "/v1/import?kind=tenants&dry_run=true", "id,name,site,kind\nx,X,metz,company\n", "admin"},
		{"GET", "/v1/usage?from=2026-01-05T00:00:00Z&to=2026-01-06T00:00:00Z&by=site", "", "admin manager elsewhere"},
	} {
		for who, cl := range clients {
			status, answer := cl.Ask(x.method, strings.ReplaceAll(x.path, "WHO", who), x.body)
			switch may := slices.Contains(strings.Fields(x.may), who); {
			case who == "nobody" || who == "stranger":
				if status != http.StatusUnauthorized && status != http.StatusTooManyRequests {
					t.Errorf("%s %s as %s: %d", x.method, x.path, who, status)
				}
			case may && status >= 300 && (x.method != "DELETE" || status != 404):
				t.Errorf("%s %s as %s: %d %v, want it allowed", x.method, x.path, who, status, answer)
			case !may && status != 403 && status != 404 && status != 422:
				t.Errorf("%s %s as %s: %d, want it refused", x.method, x.path, who, status)
			}
		}
	}
}

func TestListsComeInPages(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	c := apptest.ClientOf(t, a)
	for _, list := range []string{"/v1/spaces?limit=50", "/v1/availability?limit=7"} {
		seen := map[string]bool{}
		for path := list; path != ""; {
			answer := c.Must("GET", path, "")
			for _, x := range answer["items"].([]any) {
				x := x.(map[string]any)
				id, _ := x["id"].(string)
				if id == "" {
					id = x["space"].(string)
				}
				if seen[id] {
					t.Errorf("%s: %s comes twice", path, id)
				}
				seen[id] = true
			}
			path = ""
			if next, ok := answer["next"].(string); ok {
				path = list + "&cursor=" + next
			}
		}
		if len(seen) != len(a.Network.Spaces) {
			t.Errorf("%s: %d spaces in pages, %d in the catalogue", list, len(seen), len(a.Network.Spaces))
		}
	}
	if n := len(c.Must("GET", "/v1/availability", "")["items"].([]any)); n != min(100, len(a.Network.Spaces)) {
		t.Errorf("%d spaces where no limit is asked for", n)
	}
	if status, _ := c.Ask("GET", "/v1/availability?cursor=bm93aGVyZQ", ""); status != 422 {
		t.Errorf("a cursor of nowhere: %d", status)
	}
}

func TestBadRequestsNameTheField(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	const day = `"starts_on":"2026-01-02"`
	for _, x := range []struct {
		method, path, body string
		status             int
		field              string
	}{
		{"PUT", "/v1/tenants/x", `{"name":"X","site":"mars","kind":"company"}`, 422, "site"},
		{"PUT", "/v1/tenants/x", `{"name":"X","site":"metz","kind":"zoo"}`, 422, "kind"},
		{"PUT", "/v1/tenants/x", `{"name":"X","site":"metz","kind":"company","colour":1}`, 422, "colour"},
		{"PUT", "/v1/tenants/X", `{"name":"X","site":"metz","kind":"company"}`, 422, "id"},
		{"PUT", "/v1/tenants/x", `{"id":"y","name":"X","site":"metz","kind":"company"}`, 422, "id"},
		{"PUT", "/v1/tenants/x", `{`, 400, ""},
		{"PUT", "/v1/members/x", `{"tenant":"nobody","name":"X"}`, 422, "tenant"},
		{"PUT", "/v1/members/x", `{"tenant":"atelier","name":"X","email":"no address"}`, 422, "email"},
		{"PUT", "/v1/members/x", `{"tenant":"atelier","name":"X","roles":["king"]}`, 422, "roles[0]"},
		{"PUT", "/v1/credentials/x", `{"member":"alice","kind":"card","status":"active","uid":"04A1B2C3"}`, 409, "uid"},
		{"PUT", "/v1/credentials/x", `{"member":"alice","kind":"card","status":"active","uid":"nonsense"}`, 422, "uid"},
		{"PUT", "/v1/credentials/x", `{"member":"alice","kind":"card","status":"active"}`, 422, "uid"},
		{"PUT", "/v1/credentials/alice-card", `{"member":"bob","kind":"card","status":"active"}`, 409, "member"},
		{"PUT", "/v1/credentials/x", `{"member":"alice","kind":"card","status":"active","uid":"0499","valid_from":"2026-02-01T00:00:00Z","valid_to":"2026-01-01T00:00:00Z"}`, 422, "valid_to"},
		{"PUT", "/v1/schedules/x", `{"windows":[{"days":["mon"],"from":"08:00","to":"25:00"}],"holidays":"open"}`, 422, "windows[0].to"},
		{"PUT", "/v1/schedules/x", `{"windows":[{"days":["mon"],"from":"08:00","to":"07:00"}],"holidays":"open"}`, 422, "windows[0].to"},
		{"PUT", "/v1/schedules/always", `{"windows":[],"holidays":"open"}`, 409, "id"},
		{"PUT", "/v1/plans/x", `{"name":"X","schedule":"never",` + apptest.Terms + `}`, 422, "schedule"},
		{"PUT", "/v1/plans/x", `{"name":"X","schedule":"always",` + strings.Replace(apptest.Terms, `"included_minutes":0`, `"included_minutes":-1`, 1) + `}`, 422, "included_minutes"},
		{"PUT", "/v1/leases/x", `{"tenant":"atelier","site":"metz","plan":"cowork","status":"active","rent_cents_month":0,"spaces":[],` + day + `,"ends_on":"2026-01-01"}`, 422, "ends_on"},
		{"PUT", "/v1/leases/x", `{"tenant":"atelier","site":"metz","plan":"cowork","status":"active","rent_cents_month":0,"spaces":["attic"],` + day + `}`, 422, "spaces[0]"},
		{"PUT", "/v1/leases/x", `{"tenant":"atelier","site":"metz","plan":"cowork","status":"active","rent_cents_month":0,"members":["bob"],` + day + `}`, 422, "members[0]"},
		{"PUT", "/v1/leases/x", `{"tenant":"atelier","site":"metz","plan":"cowork","status":"active","rent_cents_month":0}`, 422, "starts_on"},
		{"PUT", "/v1/events/x", `{"title":"X","spaces":["metz-hall"],"starts_at":"2026-01-01T10:00:00Z","ends_at":"2026-01-01T09:00:00Z","audience":"public"}`, 422, "ends_at"},
		{"PUT", "/v1/passes/x", `{"host":"nobody","name":"V","spaces":["metz-hall"],"valid_from":"2026-01-01T00:00:00Z","valid_to":"2026-02-01T00:00:00Z"}`, 422, "host"},
		{"DELETE", "/v1/tenants/atelier", "", 409, ""}, {"DELETE", "/v1/plans/cowork", "", 409, ""}, {"DELETE", "/v1/leases/none", "", 404, ""},
		{"POST", "/v1/access/check", `{"credential":"04","door":"none","direction":"in"}`, 422, "door"},
		{"POST", "/v1/doors/metz-entrance/unlock", `{"seconds":0,"reason":"x"}`, 422, "seconds"}, {"POST", "/v1/doors/metz-entrance/unlock", `{"seconds":5}`, 422, "reason"},
		{"GET", "/v1/spaces?limit=0", "", 422, "limit"}, {"GET", "/v1/spaces?limit=1001", "", 422, "limit"}, {"GET", "/v1/spaces?site=mars", "", 422, "site"}, {"GET", "/v1/visits?space=attic", "", 422, "space"},
		{"GET", "/v1/visits?from=yesterday", "", 422, "from"}, {"GET", "/v1/access/reads?cursor=!", "", 422, "cursor"}, {"GET", "/v1/sites?colour=red", "", 422, "colour"},
		{"PUT", "/v1/visits/" + uuid.NewString() + "/correction", `{"from":"2026-01-01T10:00:00Z","to":"2026-01-01T11:00:00Z"}`, 422, "reason"},
		{"PUT", "/v1/visits/" + uuid.NewString() + "/correction", `{"from":"2026-01-01T10:00:00Z","to":"2026-01-01T11:00:00Z","reason":"x"}`, 404, ""},
		{"GET", "/v1/none", "", 404, ""}, {"PATCH", "/v1/sites", "", 405, ""}, {"PUT", "/v1/tokens/x", `{"role":"tenant"}`, 422, "tenant"}, {"PUT", "/v1/alarms/none/acknowledgement", "", 404, ""},
	} {
		status, answer := c.Ask(x.method, x.path, x.body)
		field := ""
		if errs, ok := answer["errors"].([]any); ok && len(errs) > 0 {
			field, _ = errs[0].(map[string]any)["field"].(string)
		}
		if status != x.status || field != x.field {
			t.Errorf("%s %s %s: %d %q, want %d %q: %v", x.method, x.path, x.body, status, field, x.status, x.field, answer)
		}
	}
}

func TestTooManyWrongTokensAreHeldOff(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	c := apptest.ClientOf(t, a)
	c.Token = "wrong"
	for range 100 {
		if status, _ := c.Ask("GET", "/v1/sites", ""); status == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("a hundred wrong tokens were all answered")
}

func TestStreamTellsOfChangesAndResumes(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	c := apptest.ClientOf(t, a)
	holds := func(people int) {
		d.Send("metz-coworking-count", "count", fmt.Sprintf(`"count":%d`, people))
		apptest.Eventually(t, fmt.Sprint(people, " people"), func() bool {
			return slices.ContainsFunc(a.Live.Availability(), func(s occupancy.SpaceAvailability) bool {
				return s.Space == "metz-coworking" && s.Count != nil && *s.Count == people
			})
		})
	}
	holds(5)
	id, _ := c.Follow(t,
		"",
		func(string, any) bool { return true },
	) // the last of the whole state: the only one with an id
	holds(6)
	if _, others := c.Follow(t,
		id,
		func(space string, count any) bool { return space == "metz-coworking" && count == 6.0 },
	); others != 0 {
		t.Errorf("%d events of other spaces came before what was missed", others)
	}
}

func TestDeviceConnectsWithItsSecretUntilItIsReplaced(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	c := apptest.ClientOf(t, a)
	s := c.Must("POST", "/v1/devices/metz-entrance-in/secret", "")
	dial := func(password string) (*mqttclient.Client, error) {
		return mqttclient.Dial(t.Context(), a.MQTT.String(), "metz-entrance-in", "metz-entrance-in", password)
	}
	dev, err := dial(s["password"].(string))
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	if _, err := dial("wrong"); err == nil {
		t.Error("a wrong password was let in")
	}
	c.Must("POST", "/v1/devices/metz-entrance-in/secret", "")
	select {
	case <-dev.Done():
	case <-time.After(5 * time.Second):
		t.Error("the session of the former secret goes on")
	}
	if _, err := dial(s["password"].(string)); err == nil {
		t.Error("the former secret was let in")
	}
}

func TestPassOpensByItsTokenUntilItIsDeleted(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	c := apptest.ClientOf(t, a)
	token := c.Must("PUT", "/v1/passes/visitor", `{"host":"alice","name":"V","spaces":["metz-hall"],"valid_from":"2020-01-01T00:00:00Z","valid_to":"2100-01-01T00:00:00Z"}`)["token"].(string)
	if got := d.Badge(apptest.BadgeNow(uuid.New(), "qr:"+token)); !got.Granted || got.Reason != "pass" {
		t.Errorf("%+v", got)
	}
	c.Must("DELETE", "/v1/passes/visitor", "")
	if got := d.Badge(apptest.BadgeNow(uuid.New(), "qr:"+token)); got.Granted || got.Reason != "credential-revoked" {
		t.Errorf("deleted: %+v", got)
	}
}

func TestErasedPersonLeavesNoTraceAndTheChainHolds(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	c := apptest.ClientOf(t, a)
	d.Badge(apptest.BadgeNow(uuid.New(), apptest.AliceUID))
	data := c.Must("GET", "/v1/members/alice/data", "")
	if len(data["reads"].([]any)) != 1 || len(data["visits"].([]any)) != 1 || len(data["credentials"].([]any)) != 1 {
		t.Errorf("data: %v", data)
	}
	c.Must("DELETE", "/v1/members/alice/data", "")
	if status, _ := c.Ask("GET", "/v1/members/alice", ""); status != 404 {
		t.Errorf("the member is still there: %d", status)
	}
	if got := d.Badge(apptest.BadgeNow(uuid.New(), apptest.AliceUID)); got.Reason != "unknown-credential" {
		t.Errorf("her badge: %+v", got)
	}
	if v := c.Must("GET", "/v1/audit/verify", ""); v["ok"] != true || v["erased"].(float64) < 3 {
		t.Errorf("verify: %v", v)
	}
	if items := c.Must("GET", "/v1/access/reads", "")["items"].([]any); items[0].(map[string]any)["member"] != nil {
		t.Errorf("read: %v", items[0])
	}
}

func TestOpenAPIDescribesEveryPath(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	doc := apptest.ClientOf(t, a).Must("GET", "/openapi.json", "")
	paths := doc["paths"].(map[string]any)
	if doc["openapi"] != "3.1.0" {
		t.Errorf("openapi %v", doc["openapi"])
	}
	for _, p := range []string{"/v1/sites", "/v1/buildings", "/v1/spaces", "/v1/doors", "/v1/devices", "/v1/sites/{id}/key", "/v1/access/check", "/v1/access/reads", "/v1/doors/{id}/unlock",
		"/v1/sites/{id}/lockdown", "/v1/availability", "/v1/availability/stream", "/v1/visits", "/v1/visits/{id}/correction", "/v1/rejects", "/v1/alarms", "/v1/alarms/{id}/acknowledgement",
		"/v1/audit/verify", "/v1/tokens/{id}", "/v1/devices/{id}/secret", "/v1/members/{id}/data", "/v1/tenants/{id}", "/v1/members/{id}", "/v1/credentials/{id}", "/v1/plans/{id}",
		"/v1/schedules/{id}", "/v1/leases/{id}", "/v1/passes/{id}", "/v1/events/{id}", "/v1/events/{id}/attendance", "/v1/occupancy", "/v1/usage", "/v1/hours", "/v1/hours/explain",
		"/v1/statements", "/v1/statements/{id}", "/v1/accounting", "/v1/calibration", "/v1/charter", "/v1/import", "/v1/export", "/v1/webhooks/{id}"} {
		if paths[p] == nil {
			t.Errorf("%s is missing", p)
		}
	}
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	lists := 0
	for path, ops := range paths {
		get, ok := ops.(map[string]any)["get"].(map[string]any)
		if !ok || !isList(get, schemas) {
			continue
		}
		lists++
		var takes []string
		for _, p := range get["parameters"].([]any) {
			takes = append(takes, p.(map[string]any)["name"].(string))
		}
		if !slices.Contains(takes, "limit") || !slices.Contains(takes, "cursor") {
			t.Errorf("%s is a list and takes only %v", path, takes)
		}
	}
	if lists < 25 {
		t.Errorf("only %d lists were found", lists)
	}
}

// isList reports whether an operation answers with a page of items.
func isList(op, schemas map[string]any) bool {
	content, _ := op["responses"].(map[string]any)["200"].(map[string]any)["content"].(map[string]any)
	body, _ := content["application/json"].(map[string]any)
	schema, _ := body["schema"].(map[string]any)
	ref, _ := schema["$ref"].(string)
	named, _ := schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
	fields, _ := named["properties"].(map[string]any)
	return fields["items"] != nil && fields["next"] != nil
}

func TestDeletedPassOutlivesItsHostWithoutNames(t *testing.T) {
	cfg := apptest.Config(t)
	a, err := app.Start(t.Context(), cfg, app.Options{Log: apptest.Discard(), Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	token := c.Must("PUT", "/v1/passes/visitor", `{"host":"alice","name":"Zoltan Visitor","spaces":["metz-hall"],"valid_from":"2020-01-01T00:00:00Z","valid_to":"2100-01-01T00:00:00Z"}`)["token"].(string)
	c.Must("DELETE", "/v1/members/alice/data", "")
	apptest.Stop(t, a)

	b := apptest.Start(t, cfg)
	if got := apptest.OpenDoor(t, b, b.MQTT.String()).Badge(apptest.BadgeNow(uuid.New(), "qr:"+token)); got.Granted ||
		got.Reason != "credential-revoked" {
		t.Errorf("%+v", got)
	}
	err = b.Ledger.Records(t.Context(), func(r ledger.Record) error {
		if s := string(r.Body); strings.Contains(s, "Zoltan") || strings.Contains(s, "alice") {
			t.Errorf("%s %s still says %s", r.Kind, r.ID, s)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if v := apptest.ClientOf(t, b).Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
}
