package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lorntech/totem/internal/apptest"
)

func TestWhatIsProbablyASlipMustBeAccepted(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	c := apptest.ClientOf(t, a)
	const file, path = "nom;comprend;tarif horaire;TVA\nNomade;coworking;3,00;0,2\n", "/v1/import?name=plans.csv"
	dry := c.Must("POST", path+"&dry_run=true", file)
	warnings := dry["warnings"].([]any)
	if len(warnings) != 1 {
		t.Fatalf("%v", dry)
	}
	if w := warnings[0].(map[string]any); w["line"] != 2.0 || w["column"] != "TVA" || w["value"] != "0,2" ||
		w["text"] == "" {
		t.Errorf("%v", w)
	}
	if status, body := c.Raw("POST", path, file); status != 409 || !strings.Contains(string(body), "0,2") {
		t.Errorf("not accepted: %d %s", status, body)
	}
	if status, _ := c.Raw("GET", "/v1/plans/nomade", ""); status != 404 {
		t.Errorf("it was imported: %d", status)
	}
	c.Must("POST", path+"&accept=warnings", file)
	if status, _ := c.Raw("GET", "/v1/plans/nomade", ""); status != 200 {
		t.Errorf("it was accepted and not imported: %d", status)
	}
}

// A dry run of an import says what its leases and plans do before they are made.
func TestADryRunOfAnImportSaysWhatItsLeasesDo(t *testing.T) {
	_, now, c := apptest.Landlord(t)
	apptest.Put(c, 4500, "")
	c.Must("POST", "/v1/statements", `{"month":"2026-05"}`)
	now.Set(now.Load().AddDate(0, 0, 1))
	file := "id,tenant,site,spaces,plan,starts_on,status,rent\nl,t,metz,metz-bureau-102,p,2026-01-01,active,50.00\nnew,t,metz,metz-bureau-103,q,2026-06-01,active,10.00\n"
	r := c.Must("POST", "/v1/import?name=leases.csv&dry_run=true", file)
	would, _ := r["would"].(map[string]any)
	if would == nil {
		t.Fatalf("%v", r)
	}
	doors := would["doors"].([]any)
	if len(doors) != 2 || !strings.Contains(fmt.Sprint(doors[0]), "metz-bureau-102-door") ||
		!strings.Contains(fmt.Sprint(doors[1]), "metz-coworking-door") {
		t.Errorf("doors: %v", doors)
	}
	// The changed rent holds from today, the 2nd of July; the new lease from June on.
	if got := fmt.Sprint(
		would["months"],
		would["corrections"],
	); got != "[map[month:2026-06 net_cents_after:5500 net_cents_before:4500] map[month:2026-07 net_cents_after:5984 net_cents_before:4500]] []" {
		t.Errorf("months: %v", got)
	}
	if status, _ := c.Ask("GET", "/v1/leases/new", ""); status != 404 {
		t.Errorf("a dry run made the lease: %d", status)
	}
	if done := c.Must("POST", "/v1/import?name=leases.csv", file); done["would"] != nil {
		t.Errorf("%v", done["would"])
	}
}
