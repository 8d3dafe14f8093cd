package readers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/firmware-sim/reader"
	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/demo"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/people"
	"github.com/lorntech/totem/internal/wire"
)

// TestADayWithoutTheBroker cuts a building off just before work. All that its
// readers have is the lists of that moment. For a whole day, every badge is shown
// at every door, every four hours: the doors open as the leases say, and for
// nobody else. So do the passes that were made just before, which no list knows.
// Afterwards the reads arrive, and nothing about them is in doubt.
func TestADayWithoutTheBroker(t *testing.T) {
	zone := mustZone(t)
	monday := catalogue.Date(2026, 11, 16)
	begin := zone.Start(monday).Add(6 * time.Hour)
	a, clock := apptest.StartAt(t, begin)
	w := people.New(a.Network, 57, monday)
	if err := demo.Settle(t.Context(), a, w); err != nil {
		t.Fatal(err)
	}
	site, _ := a.Keys.Site("metz")
	doors := map[catalogue.DeviceID]*reader.Reader{}
	for _, d := range a.Network.Devices {
		if d.Kind == catalogue.Reader && d.Site == "metz" && d.Direction == catalogue.In {
			doors[d.ID] = reader.New(reader.Config{
				Device: d.ID, Site: d.Site, Door: d.Door, Direction: d.Direction, SiteKey: site.Public(),
				ListKey: a.Keys.List(), Boot: uuid.New(), NewID: uuid.New,
			})
		}
	}
	apptest.Eventually(t, "a list for every reader", func() bool {
		for _, r := range doors {
			payload := payloadOf(t, a.Ledger, r.Device)
			r.Allowlist(payload)
			if l, err := wire.VerifyList(site.Public(), r.Device, payload); err != nil || l.Len() == 0 {
				return false
			}
		}
		return true
	})

	// The network falls. Passes are made, and reach no reader.
	c := apptest.ClientOf(t, a)
	var shown []wire.Credential
	for i, l := range w.Leases {
		if l.Site != "metz" || len(l.Spaces) == 0 || len(shown) == 12 {
			continue
		}
		host := ""
		for _, m := range w.Members {
			if m.Tenant == l.Tenant {
				host = string(m.ID)
			}
		}
		if status, made := c.Ask("PUT", fmt.Sprintf("/v1/passes/cut-off-%d", i), fmt.Sprintf(
			`{"host":%q,"name":"Guest","spaces":[%q],"valid_from":%q,"valid_to":%q}`, host, l.Spaces[0],
			begin.Add(2*time.Hour).UTC().Format(time.RFC3339), begin.Add(9*time.Hour).UTC().Format(time.RFC3339),
		)); status < 300 {
			shown = append(shown, wire.Credential{QR: true, Bytes: []byte(made["token"].(string))})
		}
	}
	passes := len(shown)
	if passes < 5 {
		t.Fatalf("only %d passes", passes)
	}
	for _, card := range w.Cards {
		shown = append(shown, wire.Credential{Bytes: card.UID})
	}

	force := a.Rights.InForce()
	asked, opened, byToken := 0, 0, 0
	for at := begin.Add(time.Minute); at.Before(begin.Add(23 * time.Hour)); at = at.Add(4 * time.Hour) {
		for _, r := range doors {
			for _, cred := range shown {
				r.Badge(cred, at.Add(-reader.Wait))
				outcomes, _ := r.Tick(at)
				o := outcomes[0]
				want := force.Index.Decide(access.Question{
					Credential: wire.HashCredential(a.Keys.Lookup(), cred), Door: r.Door, Direction: r.Direction,
					At: at.Add(-reader.Wait), Offline: true,
				}, nil)
				asked++
				if o.Granted {
					opened++
				}
				if o.By == "token" {
					byToken++
				}
				if o.Granted != want.Granted || o.Granted && o.Reason != string(want.Reason) {
					t.Fatalf("%s at %s: the reader %+v, the leases %+v", r.Device, at, o, want)
				}
			}
		}
	}
	t.Logf("%d questions, %d opened, %d by a token that no list knows", asked, opened, byToken)
	if opened < asked/100 || byToken < passes {
		t.Errorf("%d questions, %d opened, %d by tokens: the test shows little", asked, opened, byToken)
	}

	// The network is back the next morning: what the readers kept arrives.
	clock.Set(begin.Add(24 * time.Hour))
	sent := 0
	for _, r := range doors {
		var kept []apptest.Sent
		for _, m := range r.Unsent() {
			payload, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if kept = append(kept, apptest.Sent{Topic: m.Topic.String(), Payload: payload}); len(kept) == 200 {
				break
			}
		}
		apptest.Publish(t, a, kept)
		sent += len(kept)
	}
	reads, err := a.Ledger.Reads(t.Context(), ledger.ReadFilter{})
	if err != nil || len(reads) != sent {
		t.Errorf("%d reads of %d: %v", len(reads), sent, err)
	}
	for _, r := range reads {
		if r.Reader == nil || r.Reader.Granted != r.Granted {
			t.Errorf("in doubt: %+v, the reader %+v", r, r.Reader)
			break
		}
	}
	for _, alarm := range c.Must("GET", "/v1/alarms?open=true&limit=1000", "")["items"].([]any) {
		if kind := alarm.(map[string]any)["kind"]; kind == "offline-mismatch" {
			t.Errorf("%v", alarm)
		}
	}
	if v := c.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("the audit afterwards: %v", v)
	}
}

func mustZone(t *testing.T) *catalogue.Zone {
	t.Helper()
	zone, err := catalogue.LoadZone("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func payloadOf(t *testing.T, l *ledger.Ledger, id catalogue.DeviceID) []byte {
	t.Helper()
	payload, err := l.AllowlistPayload(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}
