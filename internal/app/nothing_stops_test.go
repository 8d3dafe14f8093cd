package app

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/visit"
	"github.com/lorntech/totem/internal/wire"
)

// say hands a message of a device in Metz to the pipeline, as its broker does, and waits for the commit.
func say(t *testing.T, a *App, device, what, body string, will bool) {
	t.Helper()
	payload := []byte(body)
	if !will {
		payload = fmt.Appendf(nil, `{"id":%q,%s}`, uuid.New(), body)
	}
	var acked atomic.Bool
	a.pipeline.Handle(
		t.Context(),
		ingest.Delivery{
			Topic:   "totem/v1/metz/" + device + "/" + what,
			Payload: payload,
			Will:    will,
			From:    device,
			Ack:     func() { acked.Store(true) },
		},
	)
	eventually(t, "the commit of "+what, acked.Load)
}

func atNow(ago time.Duration) string {
	return fmt.Sprintf(`"at":%q`, wire.FormatTime(time.Now().Add(-ago)))
}

// damage changes the ledger's file behind the service's back.
func damage(t *testing.T, a *App, query string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(a.cfg.Data, ledger.FileName)+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatal(err)
	}
}

func TestADayOfTheSeriesThatCannotBeReadIsMadeAgain(t *testing.T) {
	a := startApp(t, testConfig(t))
	say(t, a, "metz-coworking-count", "count", atNow(20*time.Minute)+`,"count":4`, false)
	if _, err := a.seriesCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	to := time.Now().UTC().Truncate(time.Minute)
	path := fmt.Sprintf(
		"/v1/usage?by=space&site=metz&from=%s&to=%s",
		to.Add(-15*time.Minute).Format(time.RFC3339),
		to.Format(time.RFC3339),
	)
	known := func() float64 {
		_, got := clientOf(t, a).ask("GET", path, "")
		for _, item := range got["items"].([]any) {
			if u := item.(map[string]any); u["key"] == "metz-coworking" {
				return u["known_hours"].(float64)
			}
		}
		return -1
	}
	if got := known(); got != 0.25 {
		t.Fatalf("%g hours are known, want 0.25", got)
	}
	damage(t, a, "UPDATE series_days SET body = x'ff' WHERE space = 'metz-coworking'")
	if status, _ := clientOf(t, a).ask("GET", path, ""); status != 200 {
		t.Errorf("usage answers %d where one day of one space cannot be read", status)
	}
	eventually(t, "the day is made again", func() bool { return known() == 0.25 })
}

func TestASpaceThatCannotBeMadeIsNamedAndTheOthersGoOn(t *testing.T) {
	a := startApp(t, testConfig(t))
	say(t, a, "metz-coworking-count", "count", atNow(20*time.Minute)+`,"count":4`, false)
	say(t, a, "metz-fablab-count", "count", atNow(20*time.Minute)+`,"count":2`, false)
	damage(t, a, "UPDATE observations SET body = '{' WHERE device = 'metz-coworking-count'")
	// The follower may have made the space before the damage: another message has it made again, after it.
	say(t, a, "metz-coworking-count", "count", atNow(19*time.Minute)+`,"count":4`, false)
	if _, err := a.seriesCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	faults := strings.Join(a.degraded(), "\n")
	if !strings.Contains(faults, "metz-coworking ") {
		t.Errorf("degraded: %q does not name the space", faults)
	}
	minutes, err := a.apiConfig().Series.Minutes(
		t.Context(),
		"metz-fablab",
		occupancy.MinuteOf(time.Now().Add(-10*time.Minute)),
		occupancy.MinuteOf(time.Now().Add(-5*time.Minute)),
	)
	if err != nil || len(minutes) == 0 || minutes[0].Peak != 2 {
		t.Errorf("the other space: %+v, %v", minutes, err)
	}
	damage(t, a, "UPDATE observations SET body = '{\"count\":4}' WHERE body = '{' AND device = 'metz-coworking-count'")
	if _, err := a.seriesCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := a.degraded(); len(got) != 0 {
		t.Errorf("it is still degraded: %v", got)
	}
}

func TestAnAnswerSaysUpToWhenItHoldsWhileVisitsCannotBeMade(t *testing.T) {
	a := startApp(t, testConfig(t))
	settle(t, a)
	d := openDoor(t, a, a.MQTT.String())
	a.follower.Postpone(visit.Subject{Member: "alice"}, errors.New("a fault for the test"))
	d.badge(badgeNow(uuid.New(), aliceUID))
	d.badge(badgeNow(uuid.New(), remiUID))
	var visits struct {
		Items []struct{ Member string }
		AsOf  *time.Time `json:"as_of"`
	}
	get(t, clientOf(t, a), "/v1/visits", 200, &visits)
	if visits.AsOf == nil || len(visits.Items) != 1 || visits.Items[0].Member != "remi" {
		t.Errorf("visits while Alice's cannot be made: %+v", visits)
	}
	if there, err := a.ledger.Presences(t.Context(), time.Now()); err != nil || len(there) != 2 {
		t.Errorf("where people are is known at once: %+v, %v", there, err)
	}
	if status, header, _ := clientOf(t, a).in(
		"POST",
		"/v1/statements",
		`{"month":"2026-01"}`,
		"",
	); status != 503 ||
		header.Get("Retry-After") == "" {
		t.Errorf("issuing on less than everything: %d, Retry-After %q", status, header.Get("Retry-After"))
	}
	if got := strings.Join(a.degraded(), " "); !strings.Contains(got, "visits") || strings.Contains(got, "alice") {
		t.Errorf("degraded: %q", got)
	}
	a.follower.Resume(visit.Subject{Member: "alice"})
	visits.AsOf, visits.Items = nil, nil
	get(t, clientOf(t, a), "/v1/visits", 200, &visits)
	if visits.AsOf != nil || len(visits.Items) != 2 {
		t.Errorf("visits afterwards: %+v", visits)
	}
}

// A week of late reads of many people costs one pass over each, and who badges
// today is first.
func TestVisitsOfManyLateReadsAreMadeInOnePass(t *testing.T) {
	a := startApp(t, testConfig(t))
	settle(t, a)
	monday := time.Now().Add(-7 * 24 * time.Hour)
	for i := range 2000 { // in and in again: nothing ever shows that she left
		at := wire.FormatTime(monday.Add(time.Duration(i) * 5 * time.Minute))
		payload := fmt.Appendf(nil,
			`{"id":%q,"at":%q,"credential":%q,"offline":{"granted":true,"reason":"lease","list":"1"}}`,
			uuid.New(),
			at,
			aliceUID,
		)
		a.pipeline.Handle(
			t.Context(),
			ingest.Delivery{Topic: badgeTopic(reader), Payload: payload, From: "g", Ack: func() {}},
		)
	}
	openDoor(t, a, a.MQTT.String()).badge(badgeNow(uuid.New(), remiUID))
	eventually(t, "Rémi is there", func() bool {
		there, err := a.ledger.Presences(t.Context(), time.Now())
		return err == nil && len(there) > 0
	})
	if asOf, err := a.follower.CaughtUp(t.Context()); err != nil || !asOf.IsZero() {
		t.Fatal(asOf, err)
	}
	if left, err := a.ledger.Touched(t.Context(), 10); err != nil || len(left) != 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}

func TestTheLastStatusOrWillThatArrivedCounts(t *testing.T) {
	a := startApp(t, testConfig(t))
	online := func() string {
		d := a.live.Devices()[reader]
		if d.Online == nil {
			return "never said"
		}
		return fmt.Sprint(*d.Online)
	}
	say(t, a, string(reader), "status", atNow(0)+`,"online":true`, false)
	say(t, a, string(reader), "status", `{"online":false}`, true)
	eventually(t, "offline by its will", func() bool { return online() == "false" })
	say(t, a, string(reader), "status", atNow(2*time.Second)+`,"online":true`, false) // its clock is slow
	eventually(t, "online after the reconnect", func() bool { return online() == "true" })
	if _, err := a.seriesCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, silent, err := a.ledger.Readers(
		t.Context(),
		[]catalogue.DeviceID{reader},
		time.Now().Add(-time.Hour),
		time.Now().Add(time.Minute),
	)
	if err != nil || len(silent) != 0 && silent[len(silent)-1].To.IsZero() {
		t.Errorf("to the series it is silent for ever: %+v, %v", silent, err)
	}
}

func TestAlarmsEndByArrivalAndNeverBeforeTheyBegan(t *testing.T) {
	a := startApp(t, testConfig(t))
	alarms := func() map[ingest.AlarmKind]ingest.Alarm {
		list, err := a.ledger.Alarms(t.Context(), ledger.AlarmFilter{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		m := map[ingest.AlarmKind]ingest.Alarm{}
		for _, al := range list {
			m[al.Kind] = al
		}
		return m
	}
	boot := uuid.New()
	number := func(n int) string { return fmt.Sprintf(`,"boot":%q,"seq":%d`, boot, n) }
	say(t, a, "metz-coworking-count", "count", atNow(time.Hour)+`,"count":1`+number(1), false)
	say(t, a, "metz-coworking-count", "count", atNow(0)+`,"count":1`+number(3), false)
	eventually(t, "the gap", func() bool { return alarms()[ingest.AlarmGap].ID != "" })
	say(t, a, "metz-coworking-count", "count", atNow(30*time.Minute)+`,"count":1`+number(2), false)
	eventually(t, "its end", func() bool { return alarms()[ingest.AlarmGap].ClearedAt != nil })
	if g := alarms()[ingest.AlarmGap]; g.ClearedAt.Before(g.Since) {
		t.Errorf("a gap since %s was cleared at %s", g.Since, g.ClearedAt)
	}
	say(t, a, string(reader), "door", atNow(time.Minute)+`,"state":"forced"`, false)
	eventually(t, "forced", func() bool { return alarms()[ingest.AlarmDoorForced].ID != "" })
	say(t, a, string(reader), "door", atNow(time.Hour)+`,"state":"closed"`, false) // of before
	say(t, a, string(reader), "door", atNow(2*time.Hour)+`,"state":"held"`, false)
	time.Sleep(100 * time.Millisecond) // what would be raised or cleared is by then
	if got := alarms(); got[ingest.AlarmDoorForced].ClearedAt != nil || got[ingest.AlarmDoorHeld].ID != "" {
		t.Errorf("late door states changed what a later one said: %+v", got)
	}
}

func TestAlarmsOfWhatLeftTheCatalogueAreClosed(t *testing.T) {
	cfg := testConfig(t)
	a := startApp(t, cfg)
	err := a.ledger.Write(t.Context(), func(tx *ledger.Tx) error {
		return tx.PutAlarm(
			ingest.Alarm{
				ID:     "silent-gone-1",
				Kind:   ingest.AlarmSilent,
				Site:   "metz",
				Device: "gone",
				Since:  time.Now().Add(-time.Hour),
			},
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	stopApp(t, a)
	a = startApp(t, cfg)
	eventually(t, "it is closed", func() bool {
		list, err := a.ledger.Alarms(t.Context(), ledger.AlarmFilter{ID: "silent-gone-1", Limit: 1})
		return err == nil && len(list) == 1 && list[0].ClearedAt != nil &&
			strings.Contains(list[0].Detail, "left the catalogue")
	})
}

// A stream that is cut within its first answer must not be resumed behind it.
func TestOnlyTheLastEventOfTheFirstAnswerCarriesAnID(t *testing.T) {
	a := startApp(t, testConfig(t))
	lines := openStream(t, a, a.Admin, "/v1/availability/stream?site=metz")
	var ids []int
	n := 0
	for line := range lines {
		if strings.HasPrefix(line, "id: ") {
			ids = append(ids, n)
		}
		if strings.HasPrefix(line, "data: ") {
			n++
		}
		if line == ": ready" {
			break
		}
	}
	if n < 10 || len(ids) != 1 || ids[0] != n-1 {
		t.Errorf("%d events, ids before those numbered %v", n, ids)
	}
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	a := startApp(t, testConfig(t))
	c := clientOf(t, a)
	for name, end := range map[string]func(){
		"deleted":  func() { c.must("DELETE", "/v1/tokens/screen", "") },
		"replaced": func() { c.must("PUT", "/v1/tokens/screen", `{"role":"display"}`) },
		"expired":  func() {},
	} {
		t.Run(name, func(t *testing.T) {
			body := `{"role":"display"}`
			if name == "expired" {
				body = fmt.Sprintf(`{"role":"display","expires_at":%q}`, wire.FormatTime(time.Now().Add(time.Second)))
			}
			token := c.must("PUT", "/v1/tokens/screen", body)["token"].(string)
			lines := openStream(t, a, token, "/v1/availability/stream")
			for line := range lines {
				if line == ": ready" {
					break
				}
			}
			end()
			select {
			case <-drained(lines):
			case <-time.After(8 * time.Second):
				t.Error("the stream goes on")
			}
		})
	}
}

func drained(lines <-chan string) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range lines {
		}
	}()
	return done
}

// openStream reads a stream's lines until it or the test ends.
func openStream(t *testing.T, a *App, token, path string) <-chan string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.HTTP.String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(err, res)
	}
	t.Cleanup(func() { res.Body.Close() })
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(res.Body); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines
}
