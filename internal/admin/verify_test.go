package admin_test

import (
	"database/sql"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/apptest"
)

// TestWhatDecidesIsHeldToItsActs changes by SQL, one thing at a time, what
// decides: each is found, and what was not touched holds.
func TestWhatDecidesIsHeldToItsActs(t *testing.T) {
	cfg := apptest.Config(t)
	cfg.DatabaseURL = "" // it keeps copies of SQLite's file
	a := apptest.Start(t, cfg)
	ids := apptest.MetzAndNancy(t, a)
	c := apptest.ClientOf(t, a)
	c.Must(
		"PUT",
		"/v1/visits/"+ids["visits"]+"/correction",
		`{"from":"`+ids["day"]+`T07:00:00Z","to":"`+ids["day"]+`T09:00:00Z","reason":"she said so"}`,
	)
	c.Must("PUT", "/v1/tokens/m", `{"role":"manager","sites":["metz"]}`)
	c.Must("POST", "/v1/devices/metz-entrance-in/secret", "")
	c.Must("PUT", "/v1/sites/epinal/lockdown", `{"active":true,"reason":"x"}`)
	c.Must("PUT", "/v1/tenants/gone", `{"name":"G","site":"metz","kind":"company"}`)
	c.Must("DELETE", "/v1/tenants/gone", "")
	c.Must("PUT", "/v1/members/ghost", `{"tenant":"zinc","name":"Ghost","email":""}`)
	c.Must(
		"PUT",
		"/v1/passes/of-ghost",
		`{"host":"ghost","name":"V","spaces":["metz-coworking"],"valid_from":"2026-01-01T00:00:00Z","valid_to":"2026-01-02T00:00:00Z"}`,
	)
	c.Must("DELETE", "/v1/passes/of-ghost", "")
	c.Must("DELETE", "/v1/members/ghost", "")
	c.Must("PUT", "/v1/members/erased", `{"tenant":"zinc","name":"Erased","email":""}`)
	c.Must("DELETE", "/v1/members/erased/data", "")
	c.Must(
		"PUT",
		"/v1/plans/cowork",
		`{"name":"Coworking","includes":["coworking"],"schedule":"always",`+strings.Replace(apptest.Terms,
			`"hourly_rate_cents":1`,
			`"hourly_rate_cents":300`,
			1,
		)+`,"effective_from":"2099-01-01"}`,
	)
	if answer := c.Must("GET", "/v1/audit/verify", ""); answer["ok"] != true {
		t.Fatalf("nothing was touched: %v", answer)
	}
	apptest.Stop(t, a)
	db := apptest.Database(t, cfg)
	holds := func() (bool, string) {
		found, err := admin.VerifyAudit(t.Context(), cfg, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		return found.OK, found.Why
	}
	if ok, why := holds(); !ok {
		t.Fatal(why)
	}
	for what, query := range map[string]string{
		"a member made staff":        `UPDATE records SET body = json_set(body, '$.staff_sites', json('["metz"]')) WHERE kind = 'member' AND id = 'bob'`,
		"a badge of another's hash":  `UPDATE records SET body = (SELECT json_set(r.body, '$.lookup', json_extract(o.body, '$.lookup')) FROM records r, records o WHERE r.id = 'bob-card' AND o.id = 'alice-card') WHERE id = 'bob-card'`,
		"a revoked badge made good":  `UPDATE records SET body = json_set(body, '$.status', 'lost') WHERE id = 'bob-card'`,
		"a lease deleted":            `DELETE FROM records WHERE kind = 'lease' AND id = 'atelier-lease'`,
		"a lease slipped in":         `INSERT INTO records SELECT 'lease', 'mine', body FROM records WHERE id = 'atelier-lease'`,
		"a plan that was cheaper":    `UPDATE terms SET body = json_set(body, '$.hourly_rate_cents', 1) WHERE kind = 'plan' AND id = 'cowork'`,
		"a plan that begins later":   `UPDATE terms SET day = 20000 WHERE kind = 'plan' AND id = 'cowork' AND n = 2`,
		"a version taken away":       `DELETE FROM terms WHERE kind = 'plan' AND id = 'cowork' AND n = 2`,
		"a version slipped in":       `INSERT INTO terms (kind, id, n, day, body, at, actor, entry) SELECT kind, id, 9, 20000, json_set(body, '$.hourly_rate_cents', 7), at, actor, 0 FROM terms WHERE kind = 'plan' LIMIT 1`,
		"a version made gone":        `UPDATE terms SET gone_at = 1, gone_entry = 1 WHERE kind = 'plan' AND id = 'cowork' AND n = 2`,
		"a version that is back":     `UPDATE terms SET gone_at = NULL, gone_entry = 0 WHERE gone_at IS NOT NULL`,
		"a secret at Mosquitto":      `UPDATE device_secrets SET mosquitto = 'x'`,
		"a plan made cheaper":        `UPDATE records SET body = json_set(body, '$.hourly_rate_cents', 1) WHERE kind = 'plan' AND id = 'cowork'`,
		"a pass made longer":         `UPDATE records SET body = json_set(body, '$.valid_to', '2036-01-01T00:00:00Z') WHERE kind = 'pass' AND id = 'bob-pass'`,
		"an event made public":       `UPDATE records SET body = json_set(body, '$.audience', 'public') WHERE kind = 'event'`,
		"a deleted tenant is back":   `INSERT INTO records VALUES ('tenant', 'gone', '{"id":"gone","name":"G","site":"metz","kind":"company"}')`,
		"a token made admin":         `UPDATE tokens SET role = 'admin' WHERE id = 'm'`,
		"a token of more sites":      `UPDATE tokens SET sites = '["metz","nancy"]' WHERE id = 'm'`,
		"a token of another secret":  `UPDATE tokens SET hash = x'00112233' WHERE id = 'm'`,
		"a token slipped in":         `INSERT INTO tokens VALUES ('spy', 'admin', '[]', '', x'0011', NULL)`,
		"a device's secret":          `UPDATE device_secrets SET hash = x'0011'`,
		"a correction":               `UPDATE corrections SET to_at = to_at + 3600000`,
		"a correction taken away":    `DELETE FROM corrections`,
		"a statement":                `UPDATE statements SET body = json_set(body, '$.total_cents', 1)`,
		"a statement taken away":     `DELETE FROM statements`,
		"a lockdown ended":           `UPDATE lockdowns SET to_at = 1`,
		"a visit made longer":        `UPDATE visits SET to_at = to_at + 3600000 WHERE member = 'bob'`,
		"a visit taken away":         `DELETE FROM visits WHERE member = 'bob' AND space = 'metz-coworking'`,
		"an act taken from the past": `UPDATE acts SET actor = 'nobody' WHERE seq = (SELECT min(seq) FROM acts)`,
	} {
		for _, q := range []string{"VACUUM INTO '" + filepath.Join(cfg.Data, "kept.db") + "'", query} {
			if _, err := db.Exec(q); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		if ok, _ := holds(); ok {
			t.Errorf("%s: it verifies as ok", what)
		}
		restore(t, db, cfg.Data)
	}
	if ok, why := holds(); !ok {
		t.Errorf("all is as it was: %s", why)
	}
}

// A site that closes earlier from now on has not made its past visits false.
func TestAChangedCatalogueIsNoAlteration(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.MetzAndNancy(t, a)
	apptest.Stop(t, a)
	text, err := os.ReadFile("../catalogue/lorntech.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Catalogue = filepath.Join(t.TempDir(), "later.yaml")
	changed := strings.ReplaceAll(string(text), "\"22:00\"", "\"11:00\"")
	if changed == string(text) {
		t.Fatal("nothing was changed")
	}
	if err := os.WriteFile(cfg.Catalogue, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // with a service that has never run by it, and after one that has
		if found, err := admin.VerifyAudit(t.Context(), cfg, io.Discard); err != nil || !found.OK {
			t.Errorf("%+v %v", found, err)
		}
		apptest.Stop(t, apptest.Start(t, cfg))
	}
}

// restore puts every table back as it was kept.
func restore(t *testing.T, db *sql.DB, dir string) {
	t.Helper()
	kept := filepath.Join(dir, "kept.db")
	db.SetMaxOpenConns(1)
	for _, q := range []string{"ATTACH '" + kept + "' AS kept", "PRAGMA foreign_keys = 0"} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"records", "tokens", "device_secrets", "corrections", "statements", "lockdowns", "visits", "acts", "terms"} {
		for _, q := range []string{"DELETE FROM main." + table, "INSERT INTO main." + table + " SELECT * FROM kept." + table} {
			if _, err := db.Exec(q); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := db.Exec("DETACH kept"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(kept); err != nil {
		t.Fatal(err)
	}
}
