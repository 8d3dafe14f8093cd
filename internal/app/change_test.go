package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/broker/mosquittotest"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/series/influxtest"
	"github.com/lorntech/totem/internal/wire"
)

// What is no longer there leaves connections, lists, alarms and the broker's rules at once.
func TestWhatIsNoLongerThereLeaves(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	c := apptest.ClientOf(t, a)
	secret := c.Must("POST", "/v1/devices/metz-coworking-count/secret", "")
	dial := func() (*mqttclient.Client, error) {
		return mqttclient.Dial(
			t.Context(),
			a.MQTT.String(),
			"metz-coworking-count",
			secret["username"].(string),
			secret["password"].(string),
		)
	}
	sensor, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer sensor.Close()
	said := fmt.Appendf(nil, `{"id":%q,"at":%q,"online":true,"battery_pct":3}`, uuid.New(), wire.FormatTime(time.Now()))
	if err := sensor.Publish("totem/v1/metz/metz-coworking-count/status", said); err != nil {
		t.Fatal(err)
	}
	alarms := func() (n int) {
		for _, x := range c.Must("GET", "/v1/alarms?open=true", "")["items"].([]any) {
			if x.(map[string]any)["device"] == "metz-coworking-count" {
				n++
			}
		}
		return n
	}
	for end := time.Now().Add(20 * time.Second); alarms() == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no alarm of an empty battery")
		}
	}
	text := string(apptest.Must(os.ReadFile(apptest.ChangedCatalogue(t, "name: Accueil", "name: Accueil"))))
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "id: metz-coworking-count,") {
			lines = append(lines, line)
		}
	}
	body, _ := json.Marshal(map[string]string{"name": "less.yaml", "text": strings.Join(lines, "")})
	out := c.Must("PUT", "/v1/catalogue", string(body))
	if got := fmt.Sprint(
		out["differences"],
		out["touches"],
	); !strings.Contains(got, "device metz-coworking-count: removed") ||
		!strings.Contains(got, "minutes of metz-coworking") {
		t.Errorf("said: %s", got)
	}
	for end := time.Now().Add(20 * time.Second); alarms() != 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the alarm of what is gone stands")
		}
	}
	for _, d := range c.Must("GET", "/v1/devices?limit=1000", "")["items"].([]any) {
		if d.(map[string]any)["id"] == "metz-coworking-count" {
			t.Error("the device is listed")
		}
	}
	if again, err := dial(); err == nil {
		again.Close()
		t.Error("a device that is gone is let in")
	}
}

// A space that is renamed stays the space that it was: leases, visits and their
// corrections, minutes, hours and doors go on, and its past is told under its
// present name.
func TestARenamedSpaceKeepsItsPast(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Priced(t, a)
	c := apptest.ClientOf(t, a)
	c.Must(
		"PUT",
		"/v1/plans/bureau",
		`{"id":"bureau","name":"Bureau","includes":[],"schedule":"always","included_minutes":0,"hourly_rate_cents":200,"rounding_minutes":0,"grace_minutes":0,"daily_cap_minutes":0,"vat_pct":20}`,
	)
	c.Must(
		"PUT",
		"/v1/leases/by-name",
		`{"id":"by-name","tenant":"atelier","site":"metz","spaces":["metz-coworking"],"plan":"bureau","starts_on":"2020-01-01","status":"active","members":["alice"],"rent_cents_month":0}`,
	)
	apptest.Publish(
		t,
		a,
		append(apptest.Stay("2026-10-06", "09:00:00", "12:00:00"), apptest.Stay("2026-11-03", "09:00:00", "11:00:00")...),
	)
	today := time.Now().UTC().Truncate(24 * time.Hour)
	apptest.Publish(t, a, apptest.Counted(today.AddDate(0, 0, -3), 10))
	visits := func(space string) []any {
		return c.Must("GET", "/v1/visits?member=alice&space="+space, "")["items"].([]any)
	}
	first := visits("metz-coworking")[0].(map[string]any)
	c.Must(
		"PUT",
		"/v1/visits/"+first["id"].(string)+"/correction",
		`{"from":"2026-10-06T07:00:00Z","to":"2026-10-06T11:00:00Z","reason":"stayed for lunch"}`,
	)
	used := func(key string) (hours any) {
		from, to := today.AddDate(0, 0, -10).Format(time.RFC3339), today.Format(time.RFC3339)
		for _, u := range c.Must("GET", "/v1/usage?by=space&site=metz&limit=1000&from="+from+"&to="+to, "")["items"].([]any) {
			if u := u.(map[string]any); u["key"] == key {
				hours = u["person_hours"]
			}
		}
		return hours
	}
	hours := func() (out string) {
		for _, m := range []string{"2026-10", "2026-11"} {
			for _, h := range c.Must("GET", "/v1/hours?by=tenant&tenant=atelier&month="+m, "")["items"].([]any) {
				h := h.(map[string]any)
				out += fmt.Sprint(h["measured_seconds"], " ", h["corrected_seconds"], " ", h["billable_minutes"], "; ")
			}
		}
		return out
	}
	want, wantHours := used("metz-coworking"), hours()
	if want == 0.0 || !strings.HasPrefix(wantHours, "10800 14400 240; 7200 7200 120") {
		t.Fatal(want, wantHours)
	}
	file := apptest.ChangedCatalogue(t, "{id: metz-coworking,", "{id: metz-plateau, was: metz-coworking,")
	text := string(apptest.Must(os.ReadFile(file)))
	for _, old := range []string{"parent: metz-coworking,", "to: metz-coworking}", "from: metz-coworking,", "space: metz-coworking,", "space: metz-coworking}"} {
		text = strings.ReplaceAll(text, old, strings.Replace(old, "metz-coworking", "metz-plateau", 1))
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	out := c.Must("PUT", "/v1/catalogue", apptest.ProposalOf(t, file, ""))
	if d := fmt.Sprint(out["differences"]); d != "[space metz-plateau: renamed, was metz-coworking]" ||
		len(out["touches"].([]any)) != 0 {
		t.Errorf("said: %s, %v", d, out["touches"])
	}
	check := func(when string) {
		t.Helper()
		if got := used("metz-plateau"); got != want || used("metz-coworking") != nil {
			t.Errorf("%s: used %v (and %v under the old name), not %v", when, got, used("metz-coworking"), want)
		}
		if got := hours(); got != wantHours {
			t.Errorf("%s: hours %s, not %s", when, got, wantHours)
		}
		got := visits("metz-plateau")
		if len(got) != 2 || got[0].(map[string]any)["id"] != first["id"] || got[0].(map[string]any)["correction"] == nil {
			t.Errorf("%s: visits %v", when, got)
		}
		if l := c.Must("GET", "/v1/leases/by-name", ""); fmt.Sprint(l["spaces"]) != "[metz-plateau]" {
			t.Errorf("%s: the lease gives %v", when, l["spaces"])
		}
		if v := c.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
			t.Errorf("%s: verify: %v", when, v)
		}
	}
	check("renamed")
	// A read that comes late makes the visit again, which keeps its id and its correction.
	apptest.Publish(t, a, apptest.Stay("2026-10-06", "09:30:00", "12:30:00")[1:])
	if got := visits("metz-plateau")[0].(map[string]any); got["id"] != first["id"] || got["correction"] == nil {
		t.Errorf("made again: %v", got)
	}
	// The lease opens the door of the renamed space, and what it gives can be put back.
	opens := c.Must(
		"POST",
		"/v1/access/check",
		`{"credential":"`+apptest.AliceUID+`","door":"metz-coworking-door","direction":"in","at":"2026-11-26T10:00:00Z"}`,
	)
	if opens["granted"] != true {
		t.Errorf("check: %v", opens)
	}
	put := c.Must("GET", "/v1/leases/by-name", "")
	c.Must("PUT", "/v1/leases/by-name", string(apptest.Must(json.Marshal(put))))
	if v := c.Must("GET", "/v1/leases/by-name/versions", "")["items"].([]any); len(v) != 1 {
		t.Errorf("put back as it is, it has %d versions", len(v))
	}
	// The old catalogue still says what it said.
	if status, body := c.Raw(
		"GET",
		"/v1/spaces?site=metz&limit=1000&at="+before.UTC().Format(time.RFC3339Nano),
		"",
	); status != 200 ||
		!strings.Contains(string(body), `"metz-coworking"`) {
		t.Errorf("as it was: %d", status)
	}
	apptest.Stop(t, a)
	cfg.Catalogue = file
	a = apptest.Start(t, cfg)
	c = apptest.ClientOf(t, a)
	if got := used("metz-plateau"); got != want || hours() == "" {
		t.Errorf("after a restart: %v", got)
	}
	// The old name belongs to that space.
	apptest.Edit(t, file, "{id: metz-plateau, was: metz-coworking,", "{id: metz-plateau,")
	apptest.Edit(
		t,
		file,
		"{id: metz-cafe, building: metz-blida",
		"{id: metz-coworking, building: metz-blida, floor: 0, name: New, kind: cafe, capacity: 3, area_m2: 5}\n  - {id: metz-cafe, building: metz-blida",
	)
	if status, answer := c.Ask("PUT", "/v1/catalogue", apptest.ProposalOf(t, file, "")); status != 422 ||
		!strings.Contains(fmt.Sprint(answer["errors"]), "is a former name of metz-plateau") {
		t.Errorf("a new space with the old name: %d %v", status, answer)
	}
	// It can have it back.
	text = strings.ReplaceAll(
		string(
			apptest.Must(
				os.ReadFile(apptest.ChangedCatalogue(t, "{id: metz-coworking,", "{id: metz-coworking, was: metz-plateau,")),
			),
		),
		"\r",
		"",
	)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Must("PUT", "/v1/catalogue", apptest.ProposalOf(t, file, ""))
	if got := used("metz-coworking"); got != want {
		t.Errorf("with its old name again: %v", got)
	}
	if got := visits("metz-coworking")[0].(map[string]any); got["id"] != first["id"] {
		t.Errorf("with its old name again: %v", got)
	}
}

// A moved sensor, another closing time and a new name come to InfluxDB as they
// are in the ledger; under the old name nothing is known any more.
func TestInfluxDBIsToldOfAPastThatChanged(t *testing.T) {
	influxtest.Need(t)
	server := influxtest.Start(t)
	cfg := apptest.Config(t)
	apptest.ToInflux(&cfg, server)
	a := apptest.Start(t, cfg)
	c := apptest.ClientOf(t, a)
	today := time.Now().UTC().Truncate(24 * time.Hour)
	from, to := today.AddDate(0, 0, -9), today
	apptest.Publish(
		t,
		a,
		append(apptest.Counted(today.AddDate(0, 0, -7), 10), apptest.Counted(today.AddDate(0, 0, -3), 4)...),
	)
	same := func(when string) {
		t.Helper()
		if _, err := a.SeriesCaughtUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		apptest.Shipped(t, a)
		influx := series.NewInflux(a.Network, a.Config.Influx())
		defer influx.Close()
		var out bytes.Buffer
		days, differ, err := admin.Compare(t.Context(), a.Catalogues, a.Ledger, influx, from, to, &out)
		if err != nil || days < 6 || differ > 0 {
			t.Errorf("%s: %d days, %d sums differ, %v\n%s", when, days, differ, err, out.String())
		}
	}
	same("at first")
	file := apptest.ChangedCatalogue(t,
		apptest.CounterLine,
		strings.Replace(apptest.CounterLine, "space: metz-coworking", "space: metz-accueil", 1),
	)
	apptest.Edit(t, file, `to: "20:00"}`, `to: "17:00"}`)
	c.Must("PUT", "/v1/catalogue", apptest.ProposalOf(t, file, today.AddDate(0, 0, -5).Format(time.DateOnly)))
	same("moved five days ago, and closed earlier since")
	apptest.Edit(t, file, "{id: metz-accueil,", "{id: metz-welcome, was: metz-accueil,")
	text := string(apptest.Must(os.ReadFile(file)))
	for _, old := range []string{"parent: metz-accueil,", "to: metz-accueil}", "from: metz-accueil,", "space: metz-accueil,", "space: metz-accueil}"} {
		text = strings.ReplaceAll(text, old, strings.Replace(old, "metz-accueil", "metz-welcome", 1))
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Must("PUT", "/v1/catalogue", apptest.ProposalOf(t, file, ""))
	same("renamed")
	influx := series.NewInflux(a.Network, a.Config.Influx())
	defer influx.Close()
	days, err := influx.Days(t.Context(), from, to)
	if err != nil || days["metz-accueil"] != (occupancy.Sum{}) || days["metz-welcome"].Known == 0 {
		t.Errorf("under the old name %+v, under the new one %+v, %v", days["metz-accueil"], days["metz-welcome"], err)
	}
}

// Where people are goes by the doors as they are told to have been.
func TestAReHungDoorTellsWhereItsPeopleAre(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	now := time.Now().UTC()
	apptest.Publish(t,
		a,
		[]apptest.Sent{
			{
				Topic: "totem/v1/metz/metz-coworking-in/badge",
				Payload: fmt.Appendf(nil,
					`{"id":%q,"at":%q,"credential":%q,"offline":{"granted":true,"reason":"lease","list":"1"}}`,
					uuid.New(),
					wire.FormatTime(now.Add(-time.Minute)),
					apptest.AliceUID,
				),
			},
		},
	)
	in := func(space string) bool {
		for _, p := range c.Must("GET", "/v1/buildings/metz-blida/rollcall", "")["people"].([]any) {
			if p := p.(map[string]any); p["member"] == "alice" {
				return p["space"] == space
			}
		}
		return false
	}
	apptest.Eventually(t, "Alice in the coworking", func() bool { return in("metz-coworking") })
	file := apptest.ChangedCatalogue(t,
		"{id: metz-coworking-door, from: metz-hall, to: metz-coworking}",
		"{id: metz-coworking-door, from: metz-hall, to: metz-cafe}",
	)
	apptest.Edit(t, file, "anti_passback: alert}", "}") // which needs a reader out of it
	c.Must("PUT", "/v1/catalogue", apptest.ProposalOf(t, file, now.Add(-time.Hour).Format(time.RFC3339)))
	apptest.Eventually(t, "Alice in the café", func() bool { return in("metz-cafe") })
	apptest.Eventually(t, "her visit there", func() bool {
		list := c.Must("GET", "/v1/visits?member=alice&space=metz-cafe", "")["items"].([]any)
		return len(list) == 1 && len(c.Must("GET", "/v1/visits?member=alice&space=metz-coworking", "")["items"].([]any)) == 0
	})
}

// without returns the built-in catalogue without the lines that say something.
func without(t *testing.T, what string) string {
	t.Helper()
	var kept strings.Builder
	for line := range strings.Lines(string(apptest.Must(os.ReadFile(apptest.ChangedCatalogue(t, "name: Accueil", "name: Accueil"))))) {
		if !strings.Contains(line, what) {
			kept.WriteString(line)
		}
	}
	return string(apptest.Must(json.Marshal(map[string]string{"name": "less.yaml", "text": kept.String()})))
}

// A space goes once nothing that runs or is to come gives it; what has ended
// keeps its name, and can be put back as it is.
func TestASpaceGoesOnceNothingGivesIt(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	lease := func(more string) {
		c.Must(
			"PUT",
			"/v1/leases/atelier-bureau",
			`{"id":"atelier-bureau","tenant":"atelier","site":"epinal","spaces":["epinal-coworking"],"plan":"cowork","starts_on":"2026-01-01","status":"active","members":null,"rent_cents_month":1000`+more+`}`,
		)
	}
	lease("")
	c.Must(
		"PUT",
		"/v1/events/fete",
		fmt.Sprintf(
			`{"id":"fete","title":"F","spaces":["epinal-coworking"],"starts_at":%q,"ends_at":%q,"audience":"public","invited":[]}`,
			time.Now().Add(-time.Hour).Format(time.RFC3339),
			time.Now().Add(time.Hour).Format(time.RFC3339),
		),
	)
	less := without(t, "epinal-coworking")
	for _, q := range []string{"", "?dry_run=true"} {
		status, answer := c.Ask("PUT", "/v1/catalogue"+q, less)
		if got := fmt.Sprint(
			answer["errors"],
		); status != 422 || !strings.Contains(got, "lease atelier-bureau gives epinal-coworking") ||
			!strings.Contains(got, "event fete gives epinal-coworking") {
			t.Errorf("%s: %d %v", q, status, answer)
		}
	}
	if status, _ := c.Ask("GET", "/v1/leases/atelier-bureau", ""); status != 200 || len(a.Catalogues.Changes()) != 1 {
		t.Error("a catalogue that was refused is not without effect")
	}
	lease(`,"ends_on":"2026-02-01"`)
	c.Must("DELETE", "/v1/events/fete", "")
	c.Must("PUT", "/v1/catalogue", less)
	put := c.Must("GET", "/v1/leases/atelier-bureau", "")
	if fmt.Sprint(put["spaces"]) != "[epinal-coworking]" {
		t.Errorf("%v", put)
	}
	c.Must("PUT", "/v1/leases/atelier-bureau", string(apptest.Must(json.Marshal(put))))
	if status, _ := c.Ask(
		"PUT",
		"/v1/leases/another",
		strings.Replace(string(apptest.Must(json.Marshal(put))), "atelier-bureau", "another", 1),
	); status != 422 {
		t.Errorf("a new lease of a space that is gone: %d", status)
	}
	if v := c.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
	// A site that tenants are of stays; a service does not start without it either.
	c.Must("PUT", "/v1/tenants/vosges", `{"id":"vosges","name":"Vosges","site":"epinal","kind":"company"}`)
	noSite := without(t, "epinal")
	if status, answer := c.Ask("PUT", "/v1/catalogue", noSite); status != 422 {
		t.Errorf("a site that is somebody's: %d %v", status, answer)
	}
	apptest.Stop(t, a)
	a = apptest.Start(t, cfg) // and it starts again with what is gone
	if a.Network.Space("epinal-coworking") != nil {
		t.Error("the space is back")
	}
}

// Whoever asks while the catalogue changes waits a moment, and is answered.
func TestRequestsAreAnsweredWhileTheCatalogueChanges(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	stop := make(chan struct{})
	var asking sync.WaitGroup
	var asked atomic.Int64
	for i := range 6 {
		asking.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				status, answer := c.Ask("GET", "/v1/spaces?site=metz", "")
				if i%2 == 0 {
					status, answer = c.Ask(
						"PUT",
						fmt.Sprintf("/v1/tenants/t-%d", i),
						fmt.Sprintf(`{"id":"t-%d","name":"N%d","site":"metz","kind":"company"}`, i, n),
					)
				}
				if asked.Add(1); status != 200 {
					t.Errorf("%d %v", status, answer)
				}
			}
		})
	}
	file := apptest.ChangedCatalogue(t, "name: Accueil", "name: A0")
	for i := range 8 {
		apptest.Edit(t, file, fmt.Sprintf("name: A%d", i), fmt.Sprintf("name: A%d", i+1))
		c.Must("PUT", "/v1/catalogue", apptest.ProposalOf(t, file, ""))
		before := asked.Load()
		apptest.Eventually(t, "answers", func() bool { return asked.Load() > before+20 })
	}
	close(stop)
	asking.Wait()
	if v := c.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
}

// A day that is billed keeps its hours when the network goes to another time zone.
func TestAnotherTimeZoneLeavesPastDaysAsTheyWere(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Priced(t, a)
	c := apptest.ClientOf(t, a)
	apptest.Publish(
		t,
		a,
		append(apptest.Stay("2026-10-06", "22:30:00", "23:59:00"), apptest.Stay("2026-10-07", "00:30:00", "02:00:00")...),
	)
	c.Must("POST", "/v1/statements", `{"month":"2026-10"}`)
	said := func() string {
		_, hours := c.Raw("GET", "/v1/hours?by=day&month=2026-10", "")
		_, why := c.Raw("GET", "/v1/hours/explain?member=alice&day=2026-10-07", "")
		_, dry := c.Raw("POST", "/v1/statements", `{"month":"2026-11","dry_run":true}`)
		return string(hours) + string(why) + string(dry)
	}
	before := said()
	if !strings.Contains(before, `"measured_seconds":5340`) || !strings.Contains(before, `"measured_seconds":5400`) {
		t.Fatal(before)
	}
	file := apptest.ChangedCatalogue(t, "timezone: Europe/Paris", "timezone: America/Cayenne")
	c.Must("PUT", "/v1/catalogue", apptest.ProposalOf(t, file, ""))
	if after := said(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// What a reader kept counts where it hung then, also when it is no longer there;
// and whoever was in a space that is gone is in what it lay in.
func TestARemovedReadersPastIsNotLost(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Priced(t, a)
	c := apptest.ClientOf(t, a)
	now := time.Now().UTC()
	badge := func(device string, at time.Time) apptest.Sent {
		return apptest.Sent{
			Topic: "totem/v1/epinal/" + device + "/badge",
			Payload: fmt.Appendf(nil,
				`{"id":%q,"at":%q,"credential":%q,"offline":{"granted":true,"reason":"lease","list":"1"}}`,
				uuid.New(),
				wire.FormatTime(at),
				apptest.AliceUID,
			),
		}
	}
	apptest.Publish(t, a, []apptest.Sent{badge("epinal-coworking-in", now.Add(-time.Minute))})
	in := func() any {
		for _, p := range c.Must("GET", "/v1/buildings/epinal-gare/rollcall", "")["people"].([]any) {
			if p := p.(map[string]any); p["member"] == "alice" {
				return p["space"]
			}
		}
		return nil
	}
	apptest.Eventually(t, "Alice in the coworking", func() bool { return in() == "epinal-coworking" })
	c.Must("PUT", "/v1/catalogue", without(t, "epinal-coworking"))
	apptest.Eventually(t, "Alice in what the coworking lay in", func() bool { return in() == "epinal-hall" })
	day := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	apptest.Publish(
		t,
		a,
		[]apptest.Sent{badge("epinal-coworking-in", day), badge("epinal-coworking-out", day.Add(2*time.Hour))},
	)
	visits := c.Must("GET", "/v1/visits?member=alice&space=epinal-coworking&from=2026-11-24T00:00:00Z&to=2026-11-25T00:00:00Z", "")["items"].([]any)
	if len(visits) != 1 || visits[0].(map[string]any)["ended"] != "badge" {
		t.Errorf("kept reads of a removed reader: %v", visits)
	}
	rejects := func() int { return len(c.Must("GET", "/v1/rejects", "")["items"].([]any)) }
	before := rejects()
	apptest.Publish(t,
		a,
		[]apptest.Sent{
			badge("epinal-coworking-in", time.Now()),
			{Topic: "totem/v1/epinal/epinal-coworking-in/status", Payload: []byte(`{"online":false}`)},
		},
	)
	apptest.Eventually(t, "what it says now is rejected", func() bool { return rejects() == before+2 })
	if v := c.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
}

// While visits and minutes are being made, a space is renamed again and again:
// nothing is left under a former name.
func TestRenamingWhileVisitsAreMadeLosesNone(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Priced(t, a)
	c := apptest.ClientOf(t, a)
	var all []apptest.Sent
	for day := 1; day <= 30; day++ {
		all = append(all, apptest.Stay(fmt.Sprintf("2026-10-%02d", day), "09:00:00", "12:00:00")...)
	}
	plain := string(apptest.Must(os.ReadFile(apptest.ChangedCatalogue(t, "name: Accueil", "name: Accueil"))))
	named := func(id, was string) string {
		text := strings.Replace(plain, "{id: metz-coworking,", "{id: "+id+", was: "+was+",", 1)
		for _, old := range []string{"parent: metz-coworking,", "to: metz-coworking}", "from: metz-coworking,", "space: metz-coworking,", "space: metz-coworking}"} {
			text = strings.ReplaceAll(text, old, strings.Replace(old, "metz-coworking", id, 1))
		}
		return string(apptest.Must(json.Marshal(map[string]string{"name": "r.yaml", "text": text})))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 6 {
			apptest.Publish(t, a, all[i*10:(i+1)*10])
		}
	}()
	id := "metz-coworking"
	for i, going := 0, true; going || i < 8; i++ {
		next := []string{"metz-plateau", "metz-coworking"}[i%2]
		c.Must("PUT", "/v1/catalogue", named(next, id))
		id = next
		select {
		case <-done:
			going = false
		default:
		}
	}
	<-done
	seconds := 0.0
	for _, h := range c.Must("GET", "/v1/hours?by=tenant&tenant=atelier&month=2026-10", "")["items"].([]any) {
		seconds += h.(map[string]any)["measured_seconds"].(float64)
	}
	if seconds != 30*3*3600 {
		t.Errorf("%v seconds of %d", seconds, 30*3*3600)
	}
	if v := c.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
}

// An outside broker keeps nothing of a device that is no longer there.
func TestAnOutsideBrokerKeepsNothingOfWhatIsGone(t *testing.T) {
	if !mosquittotest.Wanted() {
		t.Skipf("not run: needs Mosquitto; set %s=1 (.ci/run and make integration do)", mosquittotest.Variable)
	}
	m := mosquittotest.Start(t)
	cfg := apptest.Config(t)
	cfg.MQTTURL = "mqtt://" + m.Addr
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	apptest.Eventually(t, "connected", func() bool { return a.Broker.Ready() == nil })
	const reader = "totem/v1/epinal/epinal-coworking-in/"
	retained := func() (topics []string) {
		c, err := mqttclient.Dial(t.Context(), m.Addr, "looks-"+uuid.NewString(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var mu sync.Mutex
		for _, what := range []string{"status", "allowlist"} {
			if err := c.Subscribe(t.Context(), reader+what, func(topic string, p []byte) {
				mu.Lock()
				defer mu.Unlock()
				if len(p) > 0 {
					topics = append(topics, topic)
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(100 * time.Millisecond) // what is retained comes with the subscription, or not at all
		mu.Lock()
		defer mu.Unlock()
		return topics
	}
	c, err := mqttclient.Dial(t.Context(), m.Addr, "epinal-coworking-in", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.PublishRetained(
		reader+"status",
		fmt.Appendf(nil, `{"id":%q,"at":%q,"online":true}`, uuid.New(), wire.FormatTime(time.Now())),
	); err != nil {
		t.Fatal(err)
	}
	apptest.Eventually(t, "status and list retained", func() bool { return len(retained()) == 2 })
	apptest.ClientOf(t, a).Must("PUT", "/v1/catalogue", without(t, "epinal-coworking"))
	apptest.Eventually(t, "nothing retained", func() bool { return len(retained()) == 0 })
}
