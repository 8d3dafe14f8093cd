package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lorntech/totem/internal/apptest"
)

func TestBodiesAreReadStrictly(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	const tenant = `{"name":"X","site":"metz","kind":"company"}`
	for _, x := range []struct {
		name, path, body, field string
	}{
		{"a key in another case", "/v1/tenants/x", `{"name":"X","site":"metz","kind":"company","Name":"Y"}`, "Name"},
		{"a key twice", "/v1/tenants/x", `{"name":"X","name":"Y","site":"metz","kind":"company"}`, "name"},
		{"a key twice, once escaped", "/v1/tenants/x", `{"name":"X","n\u0061me":"Y","site":"metz","kind":"company"}`, "name"},
		{"a key twice within a list", "/v1/schedules/x", `{"holidays":"open","windows":[{"days":["mon"],"from":"08:00","to":"09:00","to":"10:00"}]}`, "to"},
		{"not UTF-8", "/v1/tenants/x", "{\"name\":\"X\xff\",\"site\":\"metz\",\"kind\":\"company\"}", ""},
		{"NUL", "/v1/tenants/x", `{"name":"X\u0000","site":"metz","kind":"company"}`, "name"},
		{"a lone surrogate", "/v1/tenants/x", `{"name":"\ud800","site":"metz","kind":"company"}`, "name"},
		{"a newline in a name", "/v1/tenants/x", `{"name":"X\nY","site":"metz","kind":"company"}`, "name"},
		{"an empty name", "/v1/tenants/x", `{"name":" ","site":"metz","kind":"company"}`, "name"},
		{"null for what is needed", "/v1/tenants/x", `{"name":null,"site":"metz","kind":"company"}`, "name"},
		{"what is needed left out", "/v1/tenants/x", `{"name":"X","kind":"company"}`, "site"},
		{"a number left out", "/v1/plans/x", strings.Replace(`{"name":"X","includes":[],"roaming":false,"schedule":"always",`+apptest.Terms+`}`, `"vat_pct":20`, `"inferred_cap_minutes":0`, 1), "vat_pct"},
		{"a rent that overflows", "/v1/leases/x", `{"tenant":"atelier","site":"metz","spaces":[],"plan":"cowork","starts_on":"2026-01-01","status":"active","rent_cents_month":4611686018427387904}`, "rent_cents_month"},
		{"a lease of another age", "/v1/leases/x", `{"tenant":"atelier","site":"metz","spaces":[],"plan":"cowork","starts_on":"0001-01-01","status":"active","rent_cents_month":0}`, "starts_on"},
		{"a VAT of more than everything", "/v1/plans/x", `{"name":"X","includes":[],"roaming":false,"schedule":"always",` + strings.Replace(apptest.Terms, `"vat_pct":20`, `"vat_pct":101`, 1) + `}`, "vat_pct"},
	} {
		status, body := c.Raw("PUT", x.path, x.body)
		if status != 422 && status != 400 || !strings.Contains(string(body), x.field) {
			t.Errorf("%s: %d %s, want it refused for %q", x.name, status, body, x.field)
		}
	}
	for _, body := range []string{`{"seconds":5,"Seconds":99999999,"reason":"x"}`, `{"seconds":5,"reason":"x","Reason":""}`} {
		if status, got := c.Raw("POST", "/v1/doors/metz-entrance/unlock", body); status != 422 {
			t.Errorf("%s: %d %s", body, status, got)
		}
	}
	if status, body := c.Raw("PUT", "/v1/tenants/x", tenant); status != 200 {
		t.Errorf("a sound body: %d %s", status, body)
	}
	// What may be left out or null is.
	for _, x := range [][2]string{
		{"/v1/members/x", `{"tenant":"atelier","name":"X","email":""}`},
		{"/v1/credentials/x", `{"member":"x","kind":"card","uid":"04000001","status":"active","valid_from":null}`},
		{"/v1/schedules/x", `{"site":null,"holidays":"open"}`},
		{"/v1/plans/x", `{"name":"X","schedule":"x",` + apptest.Terms + `}`},
		{"/v1/leases/x", `{"tenant":"x","site":"metz","plan":"x","starts_on":"2026-01-01","ends_on":null,"status":"active","members":null,"rent_cents_month":0}`},
		{"/v1/tokens/x", `{"role":"billing","sites":[]}`},
	} {
		if status, got := c.Raw("PUT", x[0], x[1]); status != 200 {
			t.Errorf("%s %s: %d %s", x[0], x[1], status, got)
		}
		// What is answered can be put back.
		if x[0] != "/v1/tokens/x" {
			_, got := c.Raw("GET", x[0], "")
			if status, again := c.Raw("PUT", x[0], string(got)); status != 200 {
				t.Errorf("%s: what was answered cannot be put back: %d %s\n%s", x[0], status, again, got)
			}
		}
	}
}

// A body costs no more than its bytes, however it is nested and whatever it holds.
func TestABodyIsNoBurden(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	var many strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&many, `"a%d":1,`, i)
	}
	for what, body := range map[string]string{
		"deep lists":   `{"name":` + strings.Repeat("[", 500_000),
		"deep objects": `{"name":` + strings.Repeat(`{"a":`, 150_000),
		"many keys":    `{` + many.String() + `"name":"x"}`,
		"many faults":  `{"windows":[` + strings.Repeat(`{"a":1},`, 100_000) + `{}],"holidays":"open"}`,
	} {
		status, answer := c.Raw("PUT", "/v1/schedules/x", body)
		if status != 422 && status != 400 || len(answer) > 20_000 {
			t.Errorf("%s: %d, %d bytes", what, status, len(answer))
		}
	}
}

func TestAManagerActsInItsSites(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	manager := c.WithToken(c.Must("PUT", "/v1/tokens/m", `{"role":"manager","sites":["metz"]}`)["token"].(string))
	plan := func(site, more string) string {
		return fmt.Sprintf(
			`{"name":"P","site":%s,"includes":["coworking"],"schedule":"always",%s%s}`,
			site,
			apptest.Terms,
			more,
		)
	}
	lease := func(site, plan string) string {
		return fmt.Sprintf(
			`{"tenant":"atelier","site":%q,"spaces":[],"plan":%q,"starts_on":"2026-01-01","status":"active","rent_cents_month":0}`,
			site,
			plan,
		)
	}
	for _, x := range []struct {
		who        apptest.Client
		path, body string
		want       int
	}{
		{manager, "/v1/plans/own", plan(`"metz"`, `,"roaming":false`), 200},
		{manager, "/v1/plans/own", plan(`"metz"`, `,"roaming":true`), 422},
		{c, "/v1/plans/own", plan(`"metz"`, `,"roaming":true`), 422},
		{manager, "/v1/plans/net", plan("null", ""), 403},
		{manager, "/v1/plans/theirs", plan(`"nancy"`, ""), 403},
		{manager, "/v1/plans/cowork", plan("null", ""), 403}, // the network's
		{manager, "/v1/plans/cowork", plan(`"metz"`, ""), 403},
		{manager, "/v1/schedules/s", `{"site":"metz","windows":[],"holidays":"open"}`, 200},
		{manager, "/v1/schedules/s2", `{"windows":[],"holidays":"open"}`, 403},
		{c, "/v1/schedules/n", `{"site":"nancy","windows":[],"holidays":"open"}`, 200},
		{c, "/v1/plans/p2", strings.Replace(plan(`"metz"`, ""), "always", "n", 1), 422},
		{c, "/v1/plans/p2", strings.Replace(plan("null", ""), "always", "s", 1), 422},
		{c, "/v1/leases/l1", lease("nancy", "own"), 422},
		{c, "/v1/leases/l1", lease("metz", "own"), 200},
		{c, "/v1/plans/own", plan(`"nancy"`, ""), 409},
	} {
		if status, body := x.who.Raw("PUT", x.path, x.body); status != x.want {
			t.Errorf("PUT %s %s: %d %s, want %d", x.path, x.body, status, body, x.want)
		}
	}
	if status, _ := manager.Ask("GET", "/v1/plans/cowork", ""); status != 200 {
		t.Errorf("a manager reads the network's plans: %d", status)
	}
}
