package billing_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

func TestErasingAPersonKeepsTheHoursOfTheDay(t *testing.T) {
	a, _ := apptest.StartAt(t, time.Date(2026, 10, 6, 17, 0, 0, 0, time.UTC))
	apptest.Priced(t, a)
	apptest.Publish(
		t,
		a,
		append(apptest.Stay("2026-10-05", "09:00:00", "10:00:00"), apptest.Stay("2026-10-06", "09:00:00", "17:00:00")...),
	)
	c := apptest.ClientOf(t, a)
	if status, _ := c.Ask("DELETE", "/v1/members/alice/data", ""); status != 204 {
		t.Fatal(status)
	}
	if got := hoursOf(t, c, "2026-10"); got != (counts{Measured: 9 * 3600, Corrected: 9 * 3600, Billable: 9 * 60}) {
		t.Errorf("%+v", got)
	}
	if body := c.Must("GET", "/v1/leases/atelier-lease", ""); len(body["members"].([]any)) != 0 {
		t.Errorf("the lease still names her: %v", body)
	}
}

type counts struct {
	Measured  int64 `json:"measured_seconds"`
	Corrected int64 `json:"corrected_seconds"`
	Billable  int64 `json:"billable_minutes"`
	Unleased  int64 `json:"unleased_seconds"`
}

// hoursOf returns the hours of Alice's tenant in a month.
func hoursOf(t *testing.T, c apptest.Client, month string) counts {
	t.Helper()
	var page struct{ Items []counts }
	apptest.Get(t, c, "/v1/hours?tenant=atelier&month="+month, 200, &page)
	if len(page.Items) != 1 {
		t.Fatalf("%+v", page)
	}
	return page.Items[0]
}

func TestTwoMonthsIssuedAtOnceCorrectAThirdOnce(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Priced(t, a)
	apptest.Publish(t, a, apptest.Stay("2026-08-07", "09:00:00", "12:00:00"))
	issue(t, a, "2026-08")
	apptest.Publish(t, a, apptest.Stay("2026-08-21", "14:00:00", "16:00:00"))
	c := apptest.ClientOf(t, a)
	var wait sync.WaitGroup
	for _, month := range []string{"2026-09", "2026-10"} {
		wait.Go(func() {
			if status, body := c.Raw("POST", "/v1/statements", `{"month":"`+month+`"}`); status != 200 {
				t.Errorf("%s: %d %s", month, status, body)
			}
		})
	}
	wait.Wait()
	var page struct{ Items []statement }
	apptest.Get(t, c, "/v1/statements", 200, &page)
	corrected := int64(0)
	for _, s := range page.Items {
		for _, l := range s.Lines {
			if l.Kind == "correction" {
				corrected += l.Minutes
			}
		}
	}
	if len(page.Items) != 3 || corrected != 120 {
		t.Errorf("120 minutes came late, %d were corrected: %+v", corrected, page.Items)
	}
}

func TestADeletedLeaseNeverWas(t *testing.T) {
	a, now := apptest.StartAt(t, time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC))
	rent := func(id tenancy.LeaseID) tenancy.Lease {
		return tenancy.Lease{
			ID:             id,
			Tenant:         "old",
			Site:           "metz",
			Plan:           "p",
			StartsOn:       catalogue.Date(2026, 8, 1),
			Status:         tenancy.Active,
			RentCentsMonth: 3100,
		}
	}
	if err := a.Rights.Apply(
		t.Context(),
		"test",
		apptest.Change(tenancy.Tenant{ID: "old", Name: "Old & Sons", Site: "metz", Kind: "company"}),
		apptest.Change(
			tenancy.Plan{
				ID:       "p",
				Name:     "Plan P",
				Includes: []catalogue.SpaceKind{catalogue.Coworking},
				Schedule: tenancy.Always,
				VatPct:   20,
			},
		),
		apptest.Change(rent("l")),
		apptest.Change(rent("slip")),
	); err != nil {
		t.Fatal(err)
	}
	c := apptest.ClientOf(t, a)
	c.Must("PUT", "/v1/tenants/other", `{"name":"Other","site":"metz","kind":"company"}`)
	if status, body := c.Ask(
		"PUT",
		"/v1/leases/l",
		`{"tenant":"other","site":"metz","spaces":[],"plan":"p","starts_on":"2026-09-01","status":"active","rent_cents_month":3100}`,
	); status != 422 {
		t.Errorf("a lease passed to another tenant: %d %v", status, body)
	}
	if status, _ := c.Ask("DELETE", "/v1/leases/slip", ""); status != 204 {
		t.Errorf("a lease on no statement: %d", status)
	}
	items := c.Must("POST", "/v1/statements", `{"month":"2026-09","tenant":"old"}`)["items"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["lease"] != "l" ||
		items[0].(map[string]any)["plan_name"] != "Plan P" ||
		items[0].(map[string]any)["rent_cents"] != 3100.0 {
		t.Errorf("%v", items)
	}
	now.Set(time.Date(2026, 10, 20, 8, 0, 0, 0, time.UTC))
	for _, path := range []string{"/v1/leases/l", "/v1/plans/p", "/v1/tenants/old"} {
		if status, body := c.Ask("DELETE", path, ""); status != 409 {
			t.Errorf("%s, which is on a statement: %d %v", path, status, body)
		}
	}
	c.Must(
		"PUT",
		"/v1/leases/l",
		`{"tenant":"old","site":"metz","spaces":[],"plan":"p","starts_on":"2026-08-01","ends_on":"2026-10-19","status":"active","rent_cents_month":3100}`,
	)
	now.Set(time.Date(2026, 11, 5, 8, 0, 0, 0, time.UTC))
	if s := c.Must("POST", "/v1/statements", `{"month":"2026-10","tenant":"old"}`)["items"].([]any)[0].(map[string]any); s["rent_cents"] != 1900.0 {
		t.Errorf("ended on the 19th: %v", s)
	}
	if status, _ := c.Ask("POST", "/v1/statements", `{"month":"2026-10","tenant":"never-heard-of"}`); status != 422 {
		t.Errorf("a tenant who never was: %d", status)
	}
}

func TestAnExplanationShowsEachWhatIsTheirs(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Priced(t, a)
	at := func(device catalogue.DeviceID, clock string) apptest.Sent {
		s := apptest.Stay("2026-10-06", clock, clock)[0]
		s.Topic = apptest.BadgeTopic(device)
		return s
	}
	apptest.Publish(t, a, []apptest.Sent{at("metz-coworking-in", "09:00:00"), at("metz-bureau-101-in", "11:00:00")})
	admin := apptest.ClientOf(t, a)
	clients := map[string]apptest.Client{
		"admin":   admin,
		"tenant":  admin.As("tenant", `,"tenant":"atelier"`),
		"billing": admin.As("billing", ""),
	}
	ask := func(c apptest.Client) (visits, reads int, status int) {
		var e struct {
			Visits []struct {
				First any `json:"first_read"`
				Last  any `json:"last_read"`
			}
		}
		status, body := c.Raw("GET", "/v1/hours/explain?member=alice&day=2026-10-06", "")
		if status == 200 {
			if err := json.Unmarshal(body, &e); err != nil {
				t.Fatal(err)
			}
		}
		for _, v := range e.Visits {
			for _, r := range []any{v.First, v.Last} {
				if r != nil {
					reads++
				}
			}
		}
		return len(e.Visits), reads, status
	}
	for who, want := range map[string]int{"admin": 2, "billing": 2, "tenant": 0} { // through which doors she went is not her employer's business
		if visits, reads, status := ask(clients[who]); status != 200 || visits != 1 || reads != want {
			t.Errorf("%s: %d, %d visits, %d reads, want %d", who, status, visits, reads, want)
		}
	}
	var page struct{ Items []struct{ Space string } }
	apptest.Get(t, clients["billing"], "/v1/visits?member=alice", 200, &page)
	for _, v := range page.Items {
		if !a.Network.Billable(catalogue.SpaceID(v.Space)) {
			t.Errorf("billing sees a visit to %s", v.Space)
		}
	}
	// She goes to another company: what was is the first's.
	if err := a.Rights.Apply(
		t.Context(),
		"test",
		rights.Change{Delete: &rights.Key{Kind: rights.KindLease, ID: "atelier-lease"}},
		apptest.Change(tenancy.Tenant{ID: "zinc", Name: "Zinc", Site: "nancy", Kind: "company"}),
		apptest.Change(tenancy.Member{ID: "alice", Tenant: "zinc", Name: "Alice"}),
	); err != nil {
		t.Fatal(err)
	}
	clients["zinc"] = admin.WithToken(
		admin.Must("PUT", "/v1/tokens/zinc", `{"role":"tenant","tenant":"zinc"}`)["token"].(string),
	)
	clients["nancy"] = admin.As("manager", `,"sites":["nancy"]`)
	for who, want := range map[string]int{"tenant": 1, "zinc": 0, "nancy": 0, "admin": 1} {
		if visits, _, status := ask(clients[who]); status != 200 || visits != want {
			t.Errorf("moved, %s: %d, %d visits, want %d", who, status, visits, want)
		}
	}
}

func TestADeletedMemberCanStillBeErased(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Priced(t, a)
	apptest.Publish(t, a, apptest.Stay("2026-10-06", "09:00:00", "12:00:00"))
	c := apptest.ClientOf(t, a)
	for _, path := range []string{"/v1/credentials/alice-card", "/v1/leases/atelier-lease", "/v1/members/alice"} {
		if status, body := c.Ask("DELETE", path, ""); status != 204 {
			t.Fatalf("%s: %d %v", path, status, body)
		}
	}
	if data := c.Must("GET", "/v1/members/alice/data", ""); len(data["reads"].([]any)) != 2 ||
		len(data["visits"].([]any)) == 0 {
		t.Errorf("%v", data)
	}
	if status, body := c.Ask("DELETE", "/v1/members/alice/data", ""); status != 204 {
		t.Errorf("%d %v", status, body)
	}
	if status, body := c.Ask("GET", "/v1/members/alice/data", ""); status != 404 {
		t.Errorf("erased: %d %v", status, body)
	}
	if reads := c.Must("GET", "/v1/access/reads?member=alice", ""); len(reads["items"].([]any)) != 0 {
		t.Errorf("%v", reads)
	}
}

func TestWhatBillingAsksForInOtherForms(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Priced(t, a)
	c := apptest.ClientOf(t, a)
	for _, q := range []string{"target=NaN", "elasticity=NaN", "max_change=NaN", "index_cap=NaN", "index_cap=x"} {
		if status, body := c.Raw(
			"GET",
			"/v1/calibration?from=2026-10-01T00:00:00Z&to=2026-10-02T00:00:00Z&"+q,
			"",
		); status != 422 {
			t.Errorf("%s: %d %s", q, status, body)
		}
	}
	_, _, table := c.In("POST", "/v1/statements?locale=fr", `{"month":"2026-09"}`, "text/csv")
	body := string(table)
	if want := "s-000001;2026-09;atelier;atelier-lease;total;2026-09;0;10,00;2,00;12,00;20;;"; !slices.Contains(
		strings.Split(body, "\r\n"),
		want,
	) {
		t.Errorf("issued as CSV:\n%s", body)
	}
	if status, body := c.Raw("GET", "/v1/accounting?from=2026-11-30&to=2026-11-01", ""); status != 422 {
		t.Errorf("a period the wrong way round: %d %s", status, body)
	}
	for query, name := range map[string]string{"month=2026-09": "SANS-SIREN-FEC" + time.Now().In(a.Network.Zone.Location()).Format("20060102") + ".txt", "to=2026-10-31": "SANS-SIREN-FEC20261031.txt"} {
		if _, header, _ := c.In("GET", "/v1/accounting?"+query, "", ""); !strings.Contains(
			header.Get("Content-Disposition"),
			name,
		) {
			t.Errorf("%s is called %s", query, header.Get("Content-Disposition"))
		}
	}
	page := c.Must("GET", "/v1/charter?limit=1", "")
	if len(page["items"].([]any)) != 1 || page["next"] == nil {
		t.Errorf("a page of one: %v", page)
	}
	if csv := string(apptest.GetCSV(t, c, "/v1/charter?locale=fr")); !strings.Contains(csv, "metz;coworking;true;") {
		t.Errorf("the charter as CSV: %.300s", csv)
	}
}

// TestStatementsAddUpWhateverComesWhen lives the same months twice: once
// everything is there before anything is issued; once badges come, visits are
// corrected and months are issued in any order. Both come to the same money.
func TestStatementsAddUpWhateverComesWhen(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	a := apptest.Start(t, apptest.Config(t))
	c := apptest.ClientOf(t, a)
	for n := range rounds {
		seed := uint64(time.Now().UnixNano())
		rng := rand.New(rand.NewPCG(seed, 2))
		plan := tenancy.Plan{
			ID:              tenancy.PlanID(fmt.Sprintf("plan-%d", n)),
			Name:            "P",
			Includes:        []catalogue.SpaceKind{catalogue.Coworking},
			Schedule:        tenancy.Always,
			HourlyRateCents: 1 + rng.IntN(500),
			IncludedMinutes: rng.IntN(700),
			RoundingMinutes: []int{0, 7, 15}[rng.IntN(3)],
			VatPct:          []float64{20, 5.5}[rng.IntN(2)],
		}
		type stayed struct{ from, to time.Time }
		var stays []stayed
		for range 3 + rng.IntN(10) {
			from := time.Date(2026, time.Month(7+rng.IntN(3)), 1+rng.IntN(30), 8, rng.IntN(60), rng.IntN(60), 0, time.UTC)
			stays = append(stays, stayed{from, from.Add(time.Duration(1+rng.IntN(8*3600)) * time.Second)})
		}
		corrected := rng.IntN(len(stays))
		var sums [2]struct{ net, vat, minutes int64 }
		for twin := range sums {
			id := fmt.Sprintf("twin-%d-%d", n, twin)
			uid := fmt.Sprintf("0%d%06X", twin+1, n)
			if err := a.Rights.Apply(
				t.Context(),
				"test",
				apptest.Change(tenancy.Tenant{ID: tenancy.TenantID(id), Name: "T", Site: "metz", Kind: "company"}),
				apptest.Change(tenancy.Member{ID: tenancy.MemberID(id), Tenant: tenancy.TenantID(id), Name: "M"}),
				apptest.Credential(t, a.Keys, id, tenancy.MemberID(id), uid),
				apptest.Change(plan),
				apptest.Change(
					tenancy.Lease{
						ID:             tenancy.LeaseID(id),
						Tenant:         tenancy.TenantID(id),
						Site:           "metz",
						Plan:           plan.ID,
						StartsOn:       catalogue.Date(2026, 7, 10),
						Status:         tenancy.Active,
						RentCentsMonth: 1003,
					},
				),
			); err != nil {
				t.Fatal(err)
			}
			badge := func(device catalogue.DeviceID, at time.Time) func() {
				return func() {
					apptest.Publish(t,
						a,
						[]apptest.Sent{
							{
								Topic: apptest.BadgeTopic(device),
								Payload: fmt.Appendf(nil,
									`{"id":%q,"at":%q,"credential":%q,"offline":{"granted":true,"reason":"lease","list":"1"}}`,
									uuid.NewString(),
									wire.FormatTime(at),
									uid,
								),
							},
						},
					)
				}
			}
			var steps, months []func()
			for _, s := range stays {
				steps = append(steps, badge("metz-coworking-in", s.from), badge("metz-coworking-out", s.to))
			}
			for _, month := range []string{"2026-07", "2026-08", "2026-09"} {
				months = append(months, func() { c.Must("POST", "/v1/statements", `{"month":"`+month+`","tenant":"`+id+`"}`) })
			}
			correct := func() {
				var page struct{ Items []struct{ ID, From string } }
				apptest.Get(t, c, "/v1/visits?limit=1000&space=metz-coworking&member="+id, 200, &page)
				for _, v := range page.Items {
					if v.From == wire.FormatTime(stays[corrected].from) {
						c.Must(
							"PUT",
							"/v1/visits/"+v.ID+"/correction",
							fmt.Sprintf(
								`{"from":%q,"to":%q,"reason":"r"}`,
								wire.FormatTime(stays[corrected].from),
								wire.FormatTime(stays[corrected].from.Add(42*time.Minute)),
							),
						)
					}
				}
			}
			if twin == 0 {
				steps = append(append(steps, correct), months...)
			} else {
				steps = append(steps, months...)
				rng.Shuffle(len(steps), func(i, k int) { steps[i], steps[k] = steps[k], steps[i] })
				steps = append(steps, correct)
			}
			for _, step := range append(steps, func() { c.Must("POST", "/v1/statements", `{"month":"2026-10","tenant":"`+id+`"}`) }) {
				step()
			}
			var page struct{ Items []statement }
			apptest.Get(t, c, "/v1/statements?limit=1000&tenant="+id, 200, &page)
			for _, s := range page.Items {
				sums[twin].net, sums[twin].vat, sums[twin].minutes = sums[twin].net+s.Net, sums[twin].vat+s.Vat,
					sums[twin].minutes+s.Minutes
				for _, l := range s.Lines {
					if l.Kind == "correction" {
						sums[twin].minutes += l.Minutes
						if l.Cause == "" || l.Cause == billing.CauseOther {
							t.Errorf("seed %d: the cause of %+v is not known", seed, l)
						}
					}
				}
			}
		}
		if sums[0] != sums[1] || sums[0].net == 0 {
			t.Errorf("seed %d: at the end %+v, one after another %+v", seed, sums[0], sums[1])
		}
	}
}
