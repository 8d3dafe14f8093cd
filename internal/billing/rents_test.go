package billing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
)

// A rent is revised from a day on; an office counts by the days on which it was let.
func TestRentsAreRevisedAndOfficesCountWhileTheyAreLet(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	today := a.Network.Zone.At(time.Now()).Day
	from, to := a.Network.Zone.Start(today-30).Format(time.RFC3339), a.Network.Zone.Start(today).Format(time.RFC3339)
	path := "/v1/calibration?limit=1000&from=" + strings.ReplaceAll(from, "+", "%2B") + "&to=" + strings.ReplaceAll(to,
		"+",
		"%2B",
	)
	of := func(space string) map[string]any {
		t.Helper()
		for _, x := range c.Must("GET", path, "")["items"].([]any) {
			if x := x.(map[string]any); x["space"] == space {
				return x
			}
		}
		t.Fatalf("%s is not there", space)
		return nil
	}
	if x := of(
		"metz-bureau-105",
	); x["status"] != "not-let" || x["let_days"] != 0.0 || x["suggested_rent_cents_m2_month"] != nil ||
		x["rent_cents_m2_month"] != 1350.0 {
		t.Errorf("not let: %v", x)
	}
	// Two leases, a week each, one of two offices.
	lease := func(id, spaces string, first, last int, cents int) {
		c.Must(
			"PUT",
			"/v1/leases/"+id,
			fmt.Sprintf(
				`{"id":%q,"tenant":"atelier","site":"metz","spaces":[%s],"plan":"cowork","starts_on":%q,"ends_on":%q,"status":"active","members":null,"rent_cents_month":%d}`,
				id,
				spaces,
				today-30+catalogue.Day(first),
				today-30+catalogue.Day(last),
				cents,
			),
		)
	}
	lease("one", `"metz-bureau-105"`, 0, 6, 10000)
	lease("two", `"metz-bureau-105","metz-bureau-106"`, 20, 60, 48000)
	x := of("metz-bureau-105")
	if x["let_days"] != 17.0 || x["status"] != "insufficient-data" || x["leases_rent_cents_month"] != 36000.0 ||
		x["open_hours"].(float64) > 17*12 {
		t.Errorf("let: %v", x)
	}
	if x := of("metz-coworking"); x["let_days"] != nil || x["bound"] != nil || x["factor"] != nil {
		t.Errorf("a shared space: %v", x)
	}
	before := of("metz-coworking")["income_cents"].(float64)
	for body, field := range map[string]string{
		`{"rent_cents_m2_month":1200,"from":"2026-01-01"}`: "reason", `{"rent_cents_m2_month":1200,"from":"2026-01-01","reason":" "}`: "reason",
		`{"rent_cents_m2_month":0,"from":"2026-01-01","reason":"x"}`: "rent_cents_m2_month", `{"rent_cents_m2_month":1200,"from":"soon","reason":"x"}`: "from",
	} {
		if status, answer := c.Ask("PUT", "/v1/spaces/metz-coworking/rent", body); status != 422 ||
			!strings.Contains(fmt.Sprint(answer["errors"]), field) {
			t.Errorf("%s: %d %v", body, status, answer)
		}
	}
	if status, _ := c.Ask(
		"PUT",
		"/v1/spaces/nowhere/rent",
		`{"rent_cents_m2_month":1200,"from":"2026-01-01","reason":"x"}`,
	); status != 404 {
		t.Errorf("no such space: %d", status)
	}
	nancy := c.As("manager", `,"sites":["nancy"]`)
	if status, _ := nancy.Ask(
		"PUT",
		"/v1/spaces/metz-coworking/rent",
		`{"rent_cents_m2_month":1200,"from":"2026-01-01","reason":"x"}`,
	); status != 404 {
		t.Errorf("another site's manager: %d", status)
	}
	mid := today - 15
	c.Must(
		"PUT",
		"/v1/spaces/metz-coworking/rent",
		fmt.Sprintf(`{"rent_cents_m2_month":2300,"from":%q,"reason":"board of November"}`, mid),
	)
	x = of("metz-coworking")
	if x["rent_cents_m2_month"] != 2300.0 || x["revised"] != mid.String() {
		t.Errorf("revised: %v", x)
	}
	if is := x["income_cents"].(float64); is < before*1.4 || is > before*1.6 { // half of the time at twice the rent
		t.Errorf("income %v, before %v", is, before)
	}
	rent := func(at string) (cents any) {
		for _, sp := range c.Must("GET", "/v1/spaces?site=metz&limit=1000"+at, "")["items"].([]any) {
			if sp := sp.(map[string]any); sp["id"] == "metz-coworking" {
				cents = sp["rent_cents_m2_month"]
			}
		}
		return cents
	}
	if is, was := rent(""), rent("&at="+a.Network.Zone.Start(mid-1).UTC().Format(time.RFC3339)); is != 2300.0 ||
		was != 1150.0 {
		t.Errorf("the rent is %v, and was %v", is, was)
	}
	list := c.Must("GET", "/v1/spaces/metz-coworking/rent", "")["items"].([]any)
	if len(list) != 2 || list[1].(map[string]any)["by"] != "admin" || list[0].(map[string]any)["from"] != nil {
		t.Errorf("%v", list)
	}
	if v := c.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
	// A changed file that was told later holds over it.
	file := apptest.ChangedCatalogue(t,
		"capacity: 40, area_m2: 220, rent_cents_m2_month: 1150",
		"capacity: 40, area_m2: 220, rent_cents_m2_month: 1200",
	)
	c.Must("PUT", "/v1/catalogue", apptest.ProposalOf(t, file, ""))
	if is := rent(""); is != 1200.0 {
		t.Errorf("after a changed file: %v", is)
	}
	if v := c.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
}
