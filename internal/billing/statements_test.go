package billing_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
)

type statement struct {
	ID, Month, Lease string
	Number           int
	Minutes          int64 `json:"billable_minutes"`
	Net              int64 `json:"net_cents"`
	Vat              int64 `json:"vat_cents"`
	Total            int64 `json:"total_cents"`
	Lines            []struct {
		Kind, Month, Cause string
		Minutes            int64
		Net                int64 `json:"net_cents"`
		Days               []struct {
			Day     string
			Minutes int64 `json:"billable_minutes"`
		}
	}
}

// issue issues a month for Alice's tenant.
func issue(t *testing.T, a *app.App, month string) statement {
	t.Helper()
	c := apptest.ClientOf(t, a)
	c.Must("POST", "/v1/statements", `{"month":"`+month+`","tenant":"atelier"}`)
	var page struct{ Items []statement }
	apptest.Get(t, c, "/v1/statements?tenant=atelier&month="+month, 200, &page)
	if len(page.Items) != 1 {
		t.Fatalf("%s: %+v", month, page)
	}
	return page.Items[0]
}

func TestLateReadsBecomeACorrectionOnTheNextStatement(t *testing.T) {
	first, late, next := apptest.Stay(
		"2026-09-07",
		"09:00:00",
		"11:30:00",
	), apptest.Stay(
		"2026-09-21",
		"14:00:00",
		"15:00:01",
	), apptest.Stay(
		"2026-10-25",
		"01:30:00",
		"04:00:00",
	)

	a := apptest.Start(t, apptest.Config(t))
	apptest.Priced(t, a)
	apptest.Publish(t, a, first)
	september := issue(t, a, "2026-09")
	// 150 minutes less 60, at 2.50 € an hour: 3.75 €; the rent 10 €; 20 %.
	if september.Net != 375+1000 || september.Vat != 275 || september.Minutes != 150 {
		t.Errorf("september: %+v", september)
	}
	if code, _ := apptest.ClientOf(
		t,
		a,
	).Ask(
		"POST",
		"/v1/statements",
		`{"month":"2026-09","tenant":"atelier"}`,
	); code != 409 {
		t.Errorf("issued again: %d", code)
	}
	apptest.Publish(t, a, late)
	apptest.Publish(t, a, next)
	october := issue(t, a, "2026-10")
	// The night of 25 October has an hour more: 01:30 to 04:00 is 3.5 hours.
	if october.Minutes != 210 {
		t.Errorf("october: %+v", october)
	}
	var correction int64
	for _, l := range october.Lines {
		if l.Kind == "correction" {
			correction += l.Net
			if l.Month != "2026-09" || l.Minutes != 75 || l.Cause != billing.CauseLate {
				t.Errorf("correction %+v", l)
			}
		}
	}
	if correction != 313 { // 165 minutes at 2.50 € are 6.875 €, half up, less 3.75 €
		t.Errorf("corrected by %d", correction)
	}
	var again statement
	apptest.Get(t, apptest.ClientOf(t, a), "/v1/statements/"+september.ID, 200, &again)
	if again.Net != september.Net || again.Total != september.Total || october.Number != september.Number+1 {
		t.Errorf("the first statement changed: %+v", again)
	}

	csv := string(apptest.GetCSV(t, apptest.ClientOf(t, a), "/v1/statements/"+october.ID+"?locale=fr"))
	want := "\ufeffrelevé;mois;locataire;bail;nature;mois concerné;minutes;montant HT;TVA;montant TTC;taux TVA;motif;jours\r\n" +
		october.ID + ";2026-10;atelier;atelier-lease;loyer;2026-10;0;10,00;;;20;;\r\n" +
		october.ID + ";2026-10;atelier;atelier-lease;dépassement;2026-10;150;6,25;;;20;;\r\n" +
		october.ID + ";2026-10;atelier;atelier-lease;correction;2026-09;75;3,13;0,63;3,76;20;badges arrivés après le relevé;2026-09-21 +75\r\n" +
		october.ID + ";2026-10;atelier;atelier-lease;TVA;2026-10;0;16,25;3,25;;20;;\r\n" +
		october.ID + ";2026-10;atelier;atelier-lease;total;2026-10;210;19,38;3,88;23,26;20;;\r\n"
	if csv != want {
		t.Errorf("in French:\n%s\nwant\n%s", csv, want)
	}

	hours := string(apptest.GetCSV(t, apptest.ClientOf(t, a), "/v1/hours?month=2026-10&by=day&tenant=atelier&locale=fr"))
	if want := "\ufefftenant;member;day;measured_seconds;corrected_seconds;billable_minutes;unleased_seconds;inferred_seconds\r\natelier;alice;2026-10-25;12600;12600;210;0;0\r\n"; hours != want {
		t.Errorf("hours for a French spreadsheet:\n%q\nwant\n%q", hours, want)
	}

	b := apptest.Start(t, apptest.Config(t))
	apptest.Priced(t, b)
	apptest.Publish(t, b, next)
	apptest.Publish(t, b, late)
	apptest.Publish(t, b, first)
	if s, o := issue(t, b, "2026-09"), issue(t, b, "2026-10"); s.Total+o.Total != september.Total+october.Total {
		t.Errorf("issued at the end %d + %d, one after another %d + %d", s.Total, o.Total, september.Total, october.Total)
	}
}

func TestACorrectionOfAVisitIsBilledAndUndone(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Priced(t, a)
	apptest.Publish(t, a, apptest.Stay("2026-10-06", "09:00:00", "12:00:00"))
	c := apptest.ClientOf(t, a)
	var visits struct{ Items []struct{ ID, Space string } }
	apptest.Get(t, c, "/v1/visits?member=alice&space=metz-coworking", 200, &visits)
	if len(visits.Items) != 1 {
		t.Fatalf("%+v", visits)
	}
	hours := func() (measured, corrected, billable float64) {
		var page struct {
			Items []struct {
				Measured  float64 `json:"measured_seconds"`
				Corrected float64 `json:"corrected_seconds"`
				Billable  float64 `json:"billable_minutes"`
			}
		}
		apptest.Get(t, c, "/v1/hours?month=2026-10&tenant=atelier&by=day", 200, &page)
		if len(page.Items) != 1 {
			t.Fatalf("%+v", page)
		}
		return page.Items[0].Measured, page.Items[0].Corrected, page.Items[0].Billable
	}
	path := "/v1/visits/" + visits.Items[0].ID + "/correction"
	same := c.Must("PUT", path, `{"from":"2026-10-06T06:00:00Z","to":"2026-10-06T09:00:00Z","reason":"looked again"}`)
	if said := fmt.Sprint(same["warnings"]); said != "[it changes no hours]" {
		t.Errorf("a correction to what was measured: %s", said)
	}
	told := c.Must("PUT", path, `{"from":"2026-10-06T07:00:00Z","to":"2026-10-06T08:00:00Z","reason":"left at ten"}`)
	if told["warnings"] != nil {
		t.Errorf("a correction that changes hours: %v", told["warnings"])
	}
	if m, x, b := hours(); m != 10800 || x != 3600 || b != 60 {
		t.Errorf("corrected: %v %v %v", m, x, b)
	}
	for _, wrong := range []string{`"from":"2026-10-06T07:00:00Z","to":"2026-11-06T08:00:00Z"`, `"from":"2026-10-06T08:00:00Z","to":"2026-10-06T07:00:00Z"`,
		`"from":"2099-10-06T07:00:00Z","to":"2099-10-06T08:00:00Z"`, `"from":"2026-10-06T07:00:00Z","to":"2026-10-06T08:00:00Z","reason":"  "`} {
		if code, answer := c.Ask(
			"PUT",
			path,
			`{`+wrong+`,"reason":"a slip"}`,
		); code != 422 &&
			!strings.Contains(wrong, "reason") {
			t.Errorf("%s: %d %v", wrong, code, answer)
		}
		if code, answer := c.Ask("PUT", path, `{`+wrong+`}`); code != 422 {
			t.Errorf("%s: %d %v", wrong, code, answer)
		}
	}
	if code, _ := c.Ask("DELETE", path, ""); code != 204 {
		t.Errorf("undo: %d", code)
	}
	if m, x, b := hours(); m != 10800 || x != 10800 || b != 180 {
		t.Errorf("undone: %v %v %v", m, x, b)
	}
}

func TestAMonthIsIssuedOnceByHoweverMany(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Priced(t, a)
	c := apptest.ClientOf(t, a)
	var wait sync.WaitGroup
	var once, refused atomic.Int32
	for range 8 {
		wait.Go(func() {
			switch status, body := c.Raw("POST", "/v1/statements", `{"month":"2026-09"}`); status {
			case 200:
				once.Add(1)
			case 409:
				refused.Add(1)
			default:
				t.Errorf("%d %s", status, body)
			}
		})
	}
	wait.Wait()
	var page struct{ Items []statement }
	apptest.Get(t, c, "/v1/statements", 200, &page)
	if once.Load() != 1 || refused.Load() != 7 || len(page.Items) != 1 || page.Items[0].Number != 1 {
		t.Errorf("issued %d times, refused %d times: %+v", once.Load(), refused.Load(), page.Items)
	}
}

func TestACorrectionNamesItsCausesAndDays(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Priced(t, a)
	apptest.Publish(t, a, apptest.Stay("2026-09-07", "09:00:00", "12:00:00"))
	issue(t, a, "2026-09")
	c := apptest.ClientOf(t, a)
	// corrections are those that October's statements would carry.
	corrections := func() (said []string) {
		var page struct{ Items []statement }
		status, body := c.Raw("POST", "/v1/statements", `{"month":"2026-10","tenant":"atelier","dry_run":true}`)
		if err := json.Unmarshal(body, &page); err != nil || status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		for _, s := range page.Items {
			for _, l := range s.Lines {
				if l.Kind == "correction" {
					said = append(said, fmt.Sprintf("%s %s: %d min, %s %v", s.Lease, l.Month, l.Minutes, l.Cause, l.Days))
				}
			}
		}
		return said
	}
	expect := func(when string, want ...string) {
		t.Helper()
		if got := corrections(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	var visits struct{ Items []struct{ ID string } }
	apptest.Get(t, c, "/v1/visits?member=alice&space=metz-coworking", 200, &visits)
	path := "/v1/visits/" + visits.Items[0].ID + "/correction"

	expect("nothing happened")
	c.Must("PUT", path, `{"from":"2026-09-07T07:00:00Z","to":"2026-09-07T08:00:00Z","reason":"left at ten"}`)
	expect("corrected", "atelier-lease 2026-09: -120 min, "+billing.CauseCorrected+" [{2026-09-07 -120}]")
	c.Ask("DELETE", path, "")
	expect("undone")
	apptest.Publish(t, a, apptest.Stay("2026-09-21", "14:00:00", "15:00:00"))
	expect("late", "atelier-lease 2026-09: 60 min, "+billing.CauseLate+" [{2026-09-21 60}]")
	c.Must("PUT", path, `{"from":"2026-09-07T07:00:00Z","to":"2026-09-07T08:00:00Z","reason":"left at ten"}`)
	expect(
		"both",
		"atelier-lease 2026-09: -60 min, "+billing.CauseLate+", "+billing.CauseCorrected+" [{2026-09-07 -120} {2026-09-21 60}]",
	)
	issue(t, a, "2026-10")

	if err := a.Rights.Apply(
		t.Context(),
		"test",
		rights.Change{
			Put: tenancy.Plan{
				ID:       "free",
				Name:     "Free",
				Includes: []catalogue.SpaceKind{catalogue.Coworking},
				Schedule: tenancy.Always,
				VatPct:   20,
			},
		},
		rights.Change{
			Put: tenancy.Lease{
				ID:       "gift",
				Tenant:   "atelier",
				Site:     "metz",
				Plan:     "free",
				StartsOn: catalogue.Date(2026, 9, 20),
				Status:   tenancy.Active,
			},
		},
	); err != nil {
		t.Fatal(err)
	}
	var page struct{ Items []statement }
	_, body := c.Raw("POST", "/v1/statements", `{"month":"2026-11","tenant":"atelier","dry_run":true}`)
	if err := json.Unmarshal(body, &page); err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(page.Items,
		func(s statement) bool { return s.Lease == "atelier-lease" },
	); i < 0 || len(page.Items[i].Lines) != 3 || page.Items[i].Lines[2].Cause != billing.CauseTerms ||
		page.Items[i].Lines[2].Minutes != -60 {
		t.Errorf("a lease that takes its hours over: %s", body)
	}
}

func TestHoursOutliveTheirReads(t *testing.T) {
	a, now := apptest.StartAt(t, time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC))
	apptest.Priced(t, a)
	visits := func() string {
		var page struct {
			Items []struct{ From, To, Ended string }
		}
		apptest.Get(t, apptest.ClientOf(t, a), "/v1/visits?member=alice&space=metz-coworking", 200, &page)
		return fmt.Sprint(page.Items)
	}
	apptest.Publish(t, a, apptest.Stay("2026-03-02", "09:00:00", "12:00:00"))
	const made = "{2026-03-02T08:00:00.000Z 2026-03-02T11:00:00.000Z badge}"
	now.Set(time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC))
	if err := a.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if reads := apptest.ClientOf(t, a).Must("GET", "/v1/access/reads", ""); len(reads["items"].([]any)) != 0 ||
		visits() != "["+made+"]" {
		t.Errorf("after three months: %v, visits %s", reads, visits())
	}
	// Late ones add what there was not, in whatever order they come.
	late := apptest.Stay("2026-03-02", "14:00:00", "15:00:00")
	apptest.Publish(t, a, late[:1])
	apptest.Publish(t, a, late[1:])
	apptest.Publish(t, a, apptest.Stay("2026-03-02", "11:00:00", "11:30:00"))
	if want := "[" + made + " {2026-03-02T13:00:00.000Z 2026-03-02T14:00:00.000Z badge}]"; visits() != want {
		t.Errorf("after late reads: %s, want %s", visits(), want)
	}
}

func TestAPlansChangePricesOnlyTheDaysFromItsOwnOn(t *testing.T) {
	a, now := apptest.StartAt(t, time.Date(2026, 10, 20, 8, 0, 0, 0, time.UTC))
	apptest.Priced(t, a)
	apptest.Publish(t, a, apptest.Stay("2026-10-06", "09:00:00", "12:00:00"))
	now.Set(time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC))
	before := apptest.ClientOf(
		t,
		a,
	).Must(
		"POST",
		"/v1/statements",
		`{"month":"2026-10","tenant":"atelier","dry_run":true}`,
	)
	apptest.ClientOf(t, a).Must(
		"PUT",
		"/v1/plans/cowork",
		`{"name":"Coworking","includes":["coworking"],"roaming":false,"schedule":"always","included_minutes":0,"hourly_rate_cents":9900,"rounding_minutes":60,"grace_minutes":0,"daily_cap_minutes":0,"vat_pct":20}`,
	)
	after := apptest.ClientOf(t, a).Must("POST", "/v1/statements", `{"month":"2026-10","tenant":"atelier","dry_run":true}`)
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("a change of today priced October:\n%v\n%v", before, after)
	}
}
