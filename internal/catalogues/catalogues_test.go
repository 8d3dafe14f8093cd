package catalogues_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// personHours of two spaces on a day.
func personHours(t *testing.T, a *app.App, day time.Time) string {
	t.Helper()
	var page struct {
		Items []struct {
			Key         string
			KnownHours  float64 `json:"known_hours"`
			PersonHours float64 `json:"person_hours"`
		}
	}
	from, to := day.Format(time.RFC3339), day.Add(24*time.Hour).Format(time.RFC3339)
	apptest.Get(
		t,
		apptest.ClientOf(t, a),
		"/v1/usage?by=space&site=metz&kind=&limit=1000&from="+from+"&to="+to,
		200,
		&page,
	)
	out := ""
	for _, u := range page.Items {
		if u.Key == "metz-coworking" || u.Key == "metz-accueil" {
			out += fmt.Sprintf("%s %.2f %.2f; ", u.Key, u.KnownHours, u.PersonHours)
		}
	}
	return out
}

func TestAMovedSensorTakesNoHistoryAlong(t *testing.T) {
	cfg := apptest.Config(t)
	today := time.Now().UTC().Truncate(24 * time.Hour)
	before, moved, after := today.AddDate(0, 0, -5), today.AddDate(0, 0, -3), today.AddDate(0, 0, -2)
	a := apptest.Start(t, cfg)
	apptest.Publish(t, a, append(apptest.Counted(before, 10), apptest.Counted(after, 4)...))
	if got := personHours(t, a, after); got != "metz-accueil 0.00 0.00; metz-coworking 2.17 8.67; " {
		t.Fatalf("before anybody says that it was moved: %s", got)
	}
	apptest.Stop(t, a)

	cfg.Catalogue = apptest.ChangedCatalogue(t,
		apptest.CounterLine,
		strings.Replace(apptest.CounterLine, "space: metz-coworking", "space: metz-accueil", 1),
	)
	cfg.CatalogueSince = moved.Format(time.DateOnly)
	a = apptest.Start(t, cfg)
	check := func(when string) {
		t.Helper()
		if got := personHours(t, a, before); got != "metz-accueil 0.00 0.00; metz-coworking 2.17 21.67; " {
			t.Errorf("%s, the day before it was moved: %s", when, got)
		}
		if got := personHours(t, a, after); got != "metz-accueil 2.17 8.67; metz-coworking 0.00 0.00; " {
			t.Errorf("%s, the day after: %s", when, got)
		}
	}
	check("told of the move")
	// What arrives late counts where it hung then.
	late := before.Add(15 * time.Hour)
	apptest.Publish(t,
		a,
		[]apptest.Sent{
			{
				Topic:   "totem/v1/metz/metz-coworking-count/count",
				Payload: []byte(fmt.Sprintf(`{"id":%q,"at":%q,"count":6}`, uuid.New(), wire.FormatTime(late))),
			},
		},
	)
	if got := personHours(t, a, before); got != "metz-accueil 0.00 0.00; metz-coworking 2.67 24.67; " {
		t.Errorf("with what came late: %s", got)
	}
	if v := apptest.ClientOf(t, a).Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
	apptest.Stop(t, a)
	list, err := admin.CatalogueHistory(t.Context(), cfg.Ledger())
	if err != nil || len(list) != 2 || list[0].Since.Unix() != 0 ||
		!list[1].Since.Equal(list[1].Network.Zone.Start(catalogue.Date(moved.Year(), moved.Month(), moved.Day()))) {
		t.Errorf("%+v, %v", list, err)
	}
	// A rebuild from nothing comes to the same.
	if err := admin.RebuildSeries(t.Context(), cfg, time.Unix(0, 0), time.Now(), discardOut{}, discardOut{}); err != nil {
		t.Fatal(err)
	}
	a = apptest.Start(t, cfg)
	if got := personHours(t, a, before); got != "metz-accueil 0.00 0.00; metz-coworking 2.67 24.67; " {
		t.Errorf("rebuilt: %s", got)
	}
	if got := personHours(t, a, after); got != "metz-accueil 2.17 8.67; metz-coworking 0.00 0.00; " {
		t.Errorf("rebuilt, the day after: %s", got)
	}
}

type discardOut struct{}

func (discardOut) Write(b []byte) (int, error) { return len(b), nil }

func TestACatalogueSinceADayToComeIsRefused(t *testing.T) {
	cfg := apptest.Config(t)
	apptest.Stop(t, apptest.Start(t, cfg))
	cfg.Catalogue = apptest.ChangedCatalogue(t,
		apptest.CounterLine,
		strings.Replace(apptest.CounterLine, "space: metz-coworking", "space: metz-accueil", 1),
	)
	for since, says := range map[string]string{"2099-01-01": "lies in the future", "soon": "is not a day"} {
		cfg.CatalogueSince = since
		if _, err := app.Start(
			t.Context(),
			cfg,
			app.Options{Log: apptest.Discard()},
		); err == nil ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("since %s: %v", since, err)
		}
	}
}

// A coworking that becomes a meeting room takes nothing back from what was issued.
func TestARoomThatChangedItsKindIsBilledByWhatItWas(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Priced(t, a)
	apptest.Publish(t, a, apptest.Stay("2026-10-06", "09:00:00", "12:00:00"))
	issued := apptest.ClientOf(t, a).Must("POST", "/v1/statements", `{"month":"2026-10","tenant":"atelier"}`)["items"].([]any)[0].(map[string]any)
	if issued["billable_minutes"] != 180.0 {
		t.Fatalf("%v", issued)
	}
	apptest.Stop(t, a)
	const space = "{id: metz-coworking, building: metz-blida, floor: 0, name: Coworking, kind: coworking,"
	cfg.Catalogue = apptest.ChangedCatalogue(t, space, strings.Replace(space, "kind: coworking", "kind: meeting-room", 1))
	cfg.CatalogueSince = "2026-11-01"
	a = apptest.Start(t, cfg)
	c := apptest.ClientOf(t, a)
	apptest.Publish(t, a, apptest.Stay("2026-11-03", "09:00:00", "12:00:00"))
	hours := func(month string) string {
		out := ""
		for _, h := range c.Must("GET", "/v1/hours?by=tenant&tenant=atelier&month="+month, "")["items"].([]any) {
			h := h.(map[string]any)
			out += fmt.Sprint(h["measured_seconds"], " ", h["billable_minutes"], ";")
		}
		return out
	}
	if got := hours("2026-10"); got != "10800 180;" {
		t.Errorf("October, when it was a coworking: %s", got)
	}
	if got := hours("2026-11"); got != "" && got != "0 0;" {
		t.Errorf("November, when it was a meeting room: %s", got)
	}
	for _, s := range c.Must("POST", "/v1/statements", `{"month":"2026-11","tenant":"atelier","dry_run":true}`)["items"].([]any) {
		for _, l := range s.(map[string]any)["lines"].([]any) {
			if l.(map[string]any)["kind"] == "correction" {
				t.Errorf("October is corrected: %v", l)
			}
		}
	}
}

// Told of one move after the other, and of an earlier one: the file that the
// service runs with is the one that holds now.
func TestTheCatalogueOfTheServiceHoldsNow(t *testing.T) {
	cfg := apptest.Config(t)
	apptest.Stop(t, apptest.Start(t, cfg))
	today := time.Now().UTC().Truncate(24 * time.Hour)
	for i, space := range []string{"metz-accueil", "metz-hall"} {
		cfg.Catalogue = apptest.ChangedCatalogue(t,
			apptest.CounterLine,
			strings.Replace(apptest.CounterLine, "space: metz-coworking", "space: "+space, 1),
		)
		cfg.CatalogueSince = today.AddDate(0, 0, -2-i).Format(time.DateOnly) // the second from before the first
		for range 2 {
			a := apptest.Start(t, cfg)
			versions := a.Catalogues.Versions()
			if last := versions[len(versions)-1]; len(versions) != 2 ||
				(*last.Value).Device("metz-coworking-count").Space != catalogue.SpaceID(space) {
				t.Errorf("%s: %d versions hold", space, len(versions))
			}
			apptest.Stop(t, a)
		}
	}
}

// Closing times, opening hours, kinds and doors are those of their time.
func TestThePastGoesByTheCatalogueOfItsTime(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Priced(t, a)
	for _, day := range []string{"2026-10-06", "2026-11-03"} { // Tuesdays, and nobody badged out
		apptest.Publish(t, a, apptest.Stay(day, "09:00:00", "12:00:00")[:1])
	}
	visits := func() (out string) {
		for _, v := range apptest.ClientOf(t, a).Must("GET", "/v1/visits?member=alice&space=metz-coworking", "")["items"].([]any) {
			v := v.(map[string]any)
			out += fmt.Sprint(v["from"], " ", v["to"], " ", v["ended"], "; ")
		}
		return out
	}
	if got := visits(); got != "2026-10-06T07:00:00.000Z 2026-10-06T18:00:00.000Z closing; 2026-11-03T08:00:00.000Z 2026-11-03T19:00:00.000Z closing; " {
		t.Fatal(got)
	}
	apptest.Stop(t, a)

	// From November on Metz closes at six, the coworking is a meeting room that holds
	// ten, and its door leads to the café.
	cfg.Catalogue = apptest.ChangedCatalogue(t, `to: "20:00"}`, `to: "18:00"}`)
	apptest.Edit(t,
		cfg.Catalogue,
		"name: Coworking, kind: coworking, parent: metz-hall, capacity: 40",
		"name: Coworking, kind: meeting-room, parent: metz-hall, capacity: 10",
	)
	apptest.Edit(t,
		cfg.Catalogue,
		"{id: metz-fablab-door, from: metz-hall, to: metz-fablab}",
		"{id: metz-fablab-door, from: metz-cafe, to: metz-fablab}",
	)
	cfg.CatalogueSince = "2026-11-01"
	a = apptest.Start(t, cfg)
	if got := visits(); got != "2026-10-06T07:00:00.000Z 2026-10-06T18:00:00.000Z closing; 2026-11-03T08:00:00.000Z 2026-11-03T17:00:00.000Z closing; " {
		t.Error("visits:", got)
	}
	c := apptest.ClientOf(t, a)
	open := func(from, to, by, key string) (hours any) {
		for _, u := range c.Must("GET", "/v1/usage?site=metz&by="+by+"&from="+from+"T00:00:00%2B01:00&to="+to+"T00:00:00%2B01:00", "")["items"].([]any) {
			if u := u.(map[string]any); u["key"] == key {
				hours = u["open_hours"]
			}
		}
		return hours
	}
	for _, w := range []struct {
		from, to, by, key string
		hours             any
	}{
		{"2026-10-27", "2026-10-28", "space", "metz-coworking", 12.0}, {"2026-11-03", "2026-11-04", "space", "metz-coworking", 10.0},
		{"2026-10-30", "2026-11-03", "space", "metz-coworking", 22.0}, // a Friday and a Monday
		{"2026-10-30", "2026-11-03", "kind", "auditorium", 22.0},
		{"2026-10-27", "2026-10-28", "kind", "coworking", 4 * 12.0}, {"2026-11-03", "2026-11-04", "kind", "coworking", 3 * 10.0},
		{"2026-11-03", "2026-11-04", "kind", "meeting-room", 4 * 10.0},
	} {
		if got := open(w.from, w.to, w.by, w.key); got != w.hours {
			t.Errorf("open hours of %v: %v", w, got)
		}
	}
	door := func(at string) (from any) {
		for _, d := range c.Must("GET", "/v1/doors?site=metz&limit=1000"+at, "")["items"].([]any) {
			if d := d.(map[string]any); d["id"] == "metz-fablab-door" {
				from = d["from"]
			}
		}
		return from
	}
	if was, is := door("&at=2026-10-31T22:59:59Z"), door(""); was != "metz-hall" || is != "metz-cafe" {
		t.Errorf("the door led from %v, and leads from %v", was, is)
	}
	for _, path := range []string{"/v1/spaces?site=metz&kind=coworking", "/v1/devices?site=metz"} {
		was, is := c.Must("GET", path+"&limit=1000&at=2026-10-31T22:59:59Z", ""), c.Must("GET", path+"&limit=1000", "")
		if len(was["items"].([]any)) < len(is["items"].([]any)) {
			t.Errorf("%s: %d, now %d", path, len(was["items"].([]any)), len(is["items"].([]any)))
		}
	}
	// What hours are billed of is as it was: October's three hours of nobody's leaving, none of November's.
	for month, want := range map[string]string{"2026-10": "39600", "2026-11": ""} {
		got := ""
		for _, h := range c.Must("GET", "/v1/hours?by=tenant&tenant=atelier&month="+month, "")["items"].([]any) {
			got += fmt.Sprint(h.(map[string]any)["measured_seconds"])
		}
		if got != want && (want != "" || got != "0") {
			t.Errorf("hours of %s: %s", month, got)
		}
	}
	if v := c.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
}
