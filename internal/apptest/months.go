package apptest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// Sent is one message of the tests' devices.
type Sent struct {
	Topic   string
	Payload []byte
	Msg     *wire.Message
}

// Publish sends messages through the broker and waits until all are acknowledged.
func Publish(t *testing.T, a *app.App, all []Sent) {
	t.Helper()
	c, err := mqttclient.DialOptions(
		t.Context(),
		a.MQTT.String(),
		mqttclient.Options{ClientID: "test-" + uuid.NewString(), Window: 500},
	)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, m := range all {
		if err := c.Publish(m.Topic, m.Payload); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Shipped waits until InfluxDB has received everything.
func Shipped(t *testing.T, a *app.App) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		_, owed, err := a.Ledger.Outbox(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		if owed == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond) // another process: there is nothing to wait on
	}
}

// Get asks with the client's token and reads the answer where it is wanted.
func Get(t *testing.T, c Client, path string, status int, into any) {
	t.Helper()
	code, body := c.Ask("GET", path, "")
	if code != status {
		t.Fatalf("GET %s: %d %v", path, code, body)
	}
	if into == nil {
		return
	}
	data, err := json.Marshal(body)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// GetCSV returns an answer in CSV; it ends the test where there is none.
func GetCSV(t *testing.T, c Client, path string) []byte {
	t.Helper()
	status, header, body := c.In("GET", path, "", "text/csv")
	if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/csv") {
		t.Fatalf("GET %s: %d %.300s", path, status, body)
	}
	return body
}

// Stay returns a badge in and out of the coworking of Metz, decided by the reader.
func Stay(day string, from, to string) []Sent {
	at := func(clock string) time.Time {
		zone, _ := time.LoadLocation("Europe/Paris")
		t, _ := time.ParseInLocation("2006-01-02 15:04:05", day+" "+clock, zone)
		return t
	}
	badge := func(device, clock string) Sent {
		payload := fmt.Appendf(nil,
			`{"id":%q,"at":%q,"credential":%q,"offline":{"granted":true,"reason":"lease","list":"1"}}`,
			uuid.NewSHA1(uuid.Nil, []byte(device+day+clock)),
			wire.FormatTime(at(clock)),
			AliceUID,
		)
		return Sent{Topic: "totem/v1/metz/" + device + "/badge", Payload: payload}
	}
	return []Sent{badge("metz-coworking-in", from), badge("metz-coworking-out", to)}
}

// Priced makes Alice's company with a plan that has included minutes, and a rent.
func Priced(t *testing.T, a *app.App) {
	t.Helper()
	err := a.Rights.Apply(
		t.Context(),
		"test",
		rights.Change{Put: tenancy.Tenant{ID: "atelier", Name: "Atelier", Site: "metz", Kind: "company"}},
		rights.Change{Put: tenancy.Member{ID: "alice", Tenant: "atelier", Name: "Alice", Email: "alice@example.org"}},
		Credential(t, a.Keys, "alice-card", "alice", AliceUID),
		rights.Change{
			Put: tenancy.Plan{
				ID:              "cowork",
				Name:            "Coworking",
				Includes:        []catalogue.SpaceKind{catalogue.Coworking},
				Schedule:        tenancy.Always,
				HourlyRateCents: 250,
				IncludedMinutes: 60,
				RoundingMinutes: 15,
				VatPct:          20,
			},
		},
		rights.Change{
			Put: tenancy.Lease{
				ID:             "atelier-lease",
				Tenant:         "atelier",
				Site:           "metz",
				Plan:           "cowork",
				StartsOn:       catalogue.Date(2020, 1, 1),
				Status:         tenancy.Active,
				Members:        []tenancy.MemberID{"alice"},
				RentCentsMonth: 1000,
			},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
}

// Rented is the JSON of the lease of Landlord's tenant, without its braces and its rent; see Put.
const Rented = `"tenant":"t","site":"metz","spaces":["metz-bureau-101"],"plan":"p","starts_on":"2026-01-01","status":"active"`

// Landlord returns a service in which a tenant and a plan are there since summer.
func Landlord(t *testing.T) (*app.App, *Clock, Client) {
	t.Helper()
	a, now := StartAt(t, time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC))
	if err := a.Rights.Apply(
		t.Context(),
		"test",
		Change(tenancy.Tenant{ID: "t", Name: "T", Site: "metz", Kind: "company"}),
		Change(tenancy.Member{ID: "m", Tenant: "t", Name: "M"}),
		Change(tenancy.Plan{ID: "p", Name: "Office", Schedule: tenancy.Always, VatPct: 20}),
		Change(
			tenancy.Plan{
				ID:       "q",
				Name:     "Offices and coworking",
				Includes: []catalogue.SpaceKind{catalogue.Coworking},
				Schedule: tenancy.Always,
				VatPct:   20,
			},
		),
	); err != nil {
		t.Fatal(err)
	}
	return a, now, ClientOf(t, a)
}

// Put writes the lease of Landlord's tenant with a rent in cents.
func Put(c Client, rent int, more string) map[string]any {
	return c.Must("PUT", "/v1/leases/l", fmt.Sprintf(`{%s,"rent_cents_month":%d%s}`, Rented, rent, more))
}

// BytesOf reads random bytes that depend on a seed.
type BytesOf struct{ Rng *rand.Rand }

func (b *BytesOf) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b.Rng.Uint32())
	}
	return len(p), nil
}
