// Package apptest starts whole services for the tests of other packages, and
// plays their clients, readers and sensors:
//
//	a := apptest.Start(t, apptest.Config(t))
//	apptest.Settle(t, a)
//	c := apptest.ClientOf(t, a)
//	c.Must("GET", "/v1/spaces", "")
package apptest

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/ledger/pgtest"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/series/influxtest"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// The tests' world: Alice's company has leased an office in Metz around the
// clock, Bob's lease is suspended, Rémi is staff and responder.
const (
	AliceUID = "04A1B2C3"
	BobUID   = "04B0B0B0"
	RemiUID  = "04E8E8E8E8E8E8"
	Reader   = catalogue.DeviceID("metz-entrance-in")
)

// Config returns the settings of a service with an empty data folder of its own.
func Config(t *testing.T) app.Config {
	t.Helper()
	return app.Config{
		Data:        t.TempDir(),
		DatabaseURL: pgtest.Elsewhere(t),
		HTTP:        "127.0.0.1:0",
		MQTTListen:  "127.0.0.1:0",
		AdminToken:  "an-admin-token-for-tests",
	}
}

// ToInflux makes a service send its series to an InfluxDB.
func ToInflux(cfg *app.Config, s *influxtest.Server) {
	cfg.InfluxURL, cfg.InfluxToken, cfg.InfluxOrg, cfg.InfluxBucket = s.URL, s.Token, s.Org, s.Bucket
}

// Database opens the ledger's database behind the service's back: SQLite's file,
// or the database in PostgreSQL.
func Database(t *testing.T, cfg app.Config) *sql.DB {
	t.Helper()
	driver, place := "sqlite", filepath.Join(cfg.Data, ledger.FileName)+"?_pragma=busy_timeout(10000)"
	if cfg.DatabaseURL != "" {
		driver, place = "pgx", cfg.DatabaseURL
	}
	db, err := sql.Open(driver, place)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Start starts a service, and ends it with the test.
func Start(t *testing.T, cfg app.Config) *app.App {
	t.Helper()
	a, err := app.Start(t.Context(), cfg, app.Options{Log: Discard(), Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Stop(t, a) })
	return a
}

// Stop ends a service before its test ends.
func Stop(t *testing.T, a *app.App) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := a.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// Credential returns the change that gives a member an active card.
func Credential(t *testing.T, k *keys.Ring, id string, m tenancy.MemberID, uid string) rights.Change {
	t.Helper()
	c, err := wire.ParseCredential(uid)
	if err != nil {
		t.Fatal(err)
	}
	return rights.Change{
		Put: tenancy.Credential{ID: tenancy.CredentialID(id), Member: m, Kind: "card", Status: tenancy.Active,
			Lookup: wire.HashCredential(k.Lookup(), c), ForList: wire.HashCredential(k.List(), c)},
	}
}

// Settle moves the tests' tenants and members into Metz.
func Settle(t *testing.T, a *app.App) {
	t.Helper()
	day := catalogue.Date(2020, 1, 1)
	changes := []rights.Change{
		{Put: tenancy.Tenant{ID: "atelier", Name: "Atelier", Site: "metz", Kind: "company"}},
		{Put: tenancy.Tenant{ID: "zinc", Name: "Zinc", Site: "metz", Kind: "company"}},
		{Put: tenancy.Member{ID: "alice", Tenant: "atelier", Name: "Alice", Email: "alice@example.org"}},
		{Put: tenancy.Member{ID: "bob", Tenant: "zinc", Name: "Bob", Email: "bob@example.org"}},
		{
			Put: tenancy.Member{
				ID:         "remi",
				Tenant:     "atelier",
				Name:       "Rémi",
				Email:      "remi@example.org",
				Roles:      []tenancy.MemberRole{tenancy.Responder},
				StaffSites: []catalogue.SiteID{"metz"},
			},
		},
		Credential(t, a.Keys, "alice-card", "alice", AliceUID),
		Credential(t, a.Keys, "bob-card", "bob", BobUID),
		Credential(t, a.Keys, "remi-card", "remi", RemiUID),
		{
			Put: tenancy.Plan{
				ID:              "cowork",
				Name:            "Coworking",
				Includes:        []catalogue.SpaceKind{catalogue.Coworking},
				Schedule:        tenancy.Always,
				HourlyRateCents: 250,
				VatPct:          20,
			},
		},
		{
			Put: tenancy.Lease{
				ID:       "atelier-lease",
				Tenant:   "atelier",
				Site:     "metz",
				Plan:     "cowork",
				StartsOn: day,
				Status:   tenancy.Active,
				Members:  []tenancy.MemberID{"alice"},
			},
		},
		{
			Put: tenancy.Lease{
				ID:       "zinc-lease",
				Tenant:   "zinc",
				Site:     "metz",
				Plan:     "cowork",
				StartsOn: day,
				Status:   tenancy.Suspended,
			},
		},
	}
	if err := a.Rights.Apply(t.Context(), "test", changes...); err != nil {
		t.Fatal(err)
	}
}

// BadgeTopic returns the topic on which a reader in Metz publishes its badges.
func BadgeTopic(d catalogue.DeviceID) string { return "totem/v1/metz/" + string(d) + "/badge" }

// BadgeNow returns the payload of a badge shown this moment.
func BadgeNow(id uuid.UUID, uid string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"at":%q,"credential":%q}`, id, wire.FormatTime(time.Now()), uid)
}

// Discard returns a logger that drops everything.
func Discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Change returns the change that puts a record.
func Change(v any) rights.Change { return rights.Change{Put: v} }

// Await takes from c until one fits.
func Await[T any](t *testing.T, c <-chan T, fits func(T) bool) {
	t.Helper()
	deadline := time.After(Patience)
	for {
		select {
		case v := <-c:
			if fits(v) {
				return
			}
		case <-deadline:
			t.Fatal("did not come in time")
		}
	}
}

// Deletion returns the change that deletes a record.
func Deletion(kind rights.Kind, id string) rights.Change {
	return rights.Change{Delete: &rights.Key{Kind: kind, ID: id}}
}

// Clock is what a service takes for now.
type Clock struct{ atomic.Pointer[time.Time] }

// Set sets what the service takes for now.
func (c *Clock) Set(at time.Time) { c.Store(&at) }

// StartAt starts a service whose clock a test sets.
func StartAt(t *testing.T, now time.Time) (*app.App, *Clock) {
	t.Helper()
	c := &Clock{}
	c.Set(now)
	a, err := app.Start(
		t.Context(),
		Config(t),
		app.Options{Log: Discard(), Anonymous: true, Now: func() time.Time { return *c.Load() }},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Stop(t, a) })
	return a, c
}

// ChangedCatalogue returns the built-in one with something replaced.
func ChangedCatalogue(t *testing.T, old, with string) string {
	t.Helper()
	text := string(catalogue.DefaultText())
	if !strings.Contains(text, old) {
		t.Fatalf("the catalogue has no %q", old)
	}
	file := filepath.Join(t.TempDir(), "changed.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(text, old, with, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// ProposalOf returns a catalogue file as it is sent.
func ProposalOf(t *testing.T, file, since string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{"name": "new.yaml", "text": string(text), "since": since})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Must returns v, and panics where there is an error.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// WaitReady waits until a service is connected to its broker.
func WaitReady(t *testing.T, a *app.App) {
	t.Helper()
	Eventually(t, "the broker", func() bool { return a.Broker.Ready() == nil })
}

// realDevices is a catalogue whose devices speak their own payloads.
const realDevices = `
network: LORnTECH
timezone: Europe/Paris
sites:
  - {id: metz, name: TCRM-Blida, city: Metz, holidays: fr-moselle, opening: [{days: [mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "24:00"}]}
buildings:
  - {id: blida, site: metz, name: TCRM-Blida}
spaces:
  - {id: hall, building: blida, floor: 0, name: Hall, kind: common, capacity: 60, area_m2: 180}
  - {id: room, building: blida, floor: 0, name: Room, kind: meeting-room, parent: hall, capacity: 8, area_m2: 20}
doors:
  - {id: street, from: outside, to: hall}
  - {id: room-door, from: hall, to: room}
devices:
  - {id: street-in, site: metz, kind: reader, door: street, direction: in, adapter: esp-rfid, address: lock, settings: {doorip: 192.0.2.7}}
  - {id: room-pir, site: metz, kind: occupancy, space: room, adapter: zigbee2mqtt, address: "zigbee2mqtt/ room pir"}
  - {id: hall-count, site: metz, kind: people-counter, space: hall, adapter: chirpstack-v4, address: 24e124148b001122}
  - {id: hall-air, site: metz, kind: air, space: hall, adapter: chirpstack-v4, address: 24e124148b001122}
  - {id: metz-gateway, site: metz, kind: gateway}
`

// WithRealDevices returns settings with a catalogue whose devices speak their
// makers' payloads.
func WithRealDevices(t *testing.T) app.Config {
	t.Helper()
	cfg := Config(t)
	cfg.Catalogue = filepath.Join(t.TempDir(), "catalogue.yaml")
	if err := os.WriteFile(cfg.Catalogue, []byte(realDevices), 0o600); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// MetzAndNancy creates people, reads, a visit, a statement, an alarm, a lease, a plan and a
// webhook at Metz, and a company at Nancy. It returns an id of each kind of record at Metz.
func MetzAndNancy(t *testing.T, a *app.App) (ids map[string]string) {
	t.Helper()
	Settle(t, a)
	metz, from := catalogue.SiteID("metz"), catalogue.Instant{Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	always := tenancy.Schedule{ID: "metz-hours", Site: &metz, Holidays: "open"}
	err := a.Rights.Apply(
		t.Context(),
		"test",
		Change(tenancy.Tenant{ID: "orme", Name: "Orme", Site: "nancy", Kind: "company"}),
		Change(tenancy.Member{ID: "nadia", Tenant: "orme", Name: "Nadia"}),
		Change(
			tenancy.Lease{
				ID:             "zinc-lease",
				Tenant:         "zinc",
				Site:           "metz",
				Plan:           "cowork",
				StartsOn:       catalogue.Date(2020, 1, 1),
				Status:         tenancy.Active,
				RentCentsMonth: 77_700,
			},
		),
		Change(always),
		Change(tenancy.Plan{ID: "metz-plan", Site: &metz, Name: "Metz", Schedule: "metz-hours", VatPct: 20}),
		Change(
			tenancy.Pass{
				ID:        "bob-pass",
				Host:      "bob",
				Name:      "Visitor",
				Spaces:    []catalogue.SpaceID{"metz-coworking"},
				ValidFrom: from.Time,
				ValidTo:   from.AddDate(0, 0, 7),
			},
		),
		Change(
			tenancy.Event{
				ID:       "metz-event",
				Title:    "Soirée",
				Spaces:   []catalogue.SpaceID{"metz-coworking"},
				StartsAt: from.Time,
				EndsAt:   from.Add(time.Hour),
				Audience: "invited",
				Invited:  []tenancy.MemberID{"bob"},
			},
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	last := time.Now().UTC().AddDate(0, -1, 0)
	day := time.Date(last.Year(), last.Month(), 10, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	stays := Stay(day, "09:00:00", "12:00:00")
	for i := range stays {
		stays[i].Payload = []byte(strings.Replace(string(stays[i].Payload), AliceUID, BobUID, 1))
	}
	Publish(t,
		a,
		append(stays,
			Sent{
				Topic: "totem/v1/metz/metz-entrance-in/badge",
				Payload: []byte(
					`{"id":"` + uuid.NewString() + `","at":"` + wire.FormatTime(time.Now()) + `","credential":"04DEAD01"}`,
				),
			},
			Sent{
				Topic:   "totem/v1/metz/metz-entrance-in/status",
				Payload: []byte(`{"at":"` + wire.FormatTime(time.Now()) + `","online":false}`),
			},
			Sent{Topic: "totem/v1/metz/metz-entrance-in/badge", Payload: []byte(`{"id":7}`)},
		),
	)
	admin := ClientOf(t, a)
	admin.Must(
		"PUT",
		"/v1/webhooks/hook-of-metz",
		`{"url":"https://hook.invalid/secret-path","sites":["metz"],"topics":["alarms"]}`,
	)
	issued := admin.Must("POST", "/v1/statements", `{"month":"`+last.Format("2006-01")+`","tenant":"zinc"}`)
	var visits struct{ Items []struct{ ID string } }
	Get(t, admin, "/v1/visits?member=bob", 200, &visits)
	if len(visits.Items) == 0 {
		t.Fatal("bob has no visit")
	}
	ids = map[string]string{
		"tenants":     "zinc",
		"members":     "bob",
		"credentials": "bob-card",
		"plans":       "metz-plan",
		"schedules":   "metz-hours",
		"leases":      "zinc-lease",
		"passes":      "bob-pass",
		"events":      "metz-event",
		"tokens":      "t-manager",
		"sites":       "metz",
		"devices":     "metz-entrance-in",
		"doors":       "metz-entrance",
		"visits":      visits.Items[0].ID,
		"statements":  issued["items"].([]any)[0].(map[string]any)["id"].(string),
		"alarms":      uuid.NewString(),
		"webhooks":    "hook-of-metz",
		"day":         day,
		"month":       last.Format("2006-01"),
	}
	var reads struct{ Items []struct{ ID string } }
	Get(t, admin, "/v1/access/reads?member=bob", 200, &reads)
	ids["buildings"], ids["spaces"], ids["reads"] = "metz-blida", "metz-coworking", reads.Items[0].ID
	var alarms struct{ Items []struct{ ID string } }
	Get(t, admin, "/v1/alarms", 200, &alarms)
	if len(alarms.Items) > 0 {
		ids["alarms"] = alarms.Items[0].ID
	}
	return ids
}

// Glance asks and returns the answer. A stream does not end: of a stream it returns what arrives
// within 300 ms.
func (c Client) Glance(method, path, body string) (int, string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 300*time.Millisecond)
	defer cancel()
	if !strings.Contains(path, "/stream") && !strings.Contains(path, "/watch") {
		ctx = c.t.Context()
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil && ctx.Err() == nil {
		c.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// With sends headers, and returns the answer without its body.
func (c Client) With(method, path, body string, header http.Header) *http.Response {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.Base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultTransport.RoundTrip(req) // redirections are answers too
	if err != nil {
		c.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}

// CounterLine begins the line of Metz's people counter in the built-in catalogue.
const CounterLine = "{id: metz-coworking-count, site: metz, kind: people-counter, space: metz-coworking,"

// Counted returns two hours of a count, every twenty minutes from ten o'clock UTC.
func Counted(day time.Time, people int) (list []Sent) {
	for i := range 6 {
		at := day.Add(10*time.Hour + time.Duration(i)*20*time.Minute)
		list = append(list,
			Sent{
				Topic:   "totem/v1/metz/metz-coworking-count/count",
				Payload: []byte(fmt.Sprintf(`{"id":%q,"at":%q,"count":%d}`, uuid.New(), wire.FormatTime(at), people)),
			},
		)
	}
	return list
}

// Edit replaces a text in a file by another, and fails the test where it is missing.
func Edit(t *testing.T, file, old, with string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), old) {
		t.Fatalf("%s has no %q, %v", file, old, err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, with, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}
