package app

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// The tests' world: Alice's company has leased an office in Metz around the
// clock, Bob's lease is suspended, Rémi is staff and responder.
const (
	aliceUID, bobUID, remiUID = "04A1B2C3", "04B0B0B0", "04E8E8E8E8E8E8"
	reader                    = catalogue.DeviceID("metz-entrance-in")
)

func testConfig(t *testing.T) Config {
	t.Helper()
	return Config{
		Data:       t.TempDir(),
		HTTP:       "127.0.0.1:0",
		MQTTListen: "127.0.0.1:0",
		AdminToken: "an-admin-token-for-tests",
	}
}

func startApp(t *testing.T, cfg Config) *App {
	t.Helper()
	a, err := Start(t.Context(), cfg, Options{Log: discard(), Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopApp(t, a) })
	return a
}

func stopApp(t *testing.T, a *App) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := a.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

func credential(t *testing.T, k *keys.Ring, id string, m tenancy.MemberID, uid string) rights.Change {
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

func settle(t *testing.T, a *App) {
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
		credential(t, a.Keys, "alice-card", "alice", aliceUID),
		credential(t, a.Keys, "bob-card", "bob", bobUID),
		credential(t, a.Keys, "remi-card", "remi", remiUID),
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

func badgeTopic(d catalogue.DeviceID) string { return "totem/v1/metz/" + string(d) + "/badge" }

func badgeNow(id uuid.UUID, uid string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"at":%q,"credential":%q}`, id, wire.FormatTime(time.Now()), uid)
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func change(v any) rights.Change { return rights.Change{Put: v} }

func listed(l wire.List, hash [32]byte) bool {
	return len(l.Rights(hash)) > 0
}

// await takes from c until one fits.
func await[T any](t *testing.T, c <-chan T, fits func(T) bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case v := <-c:
			if fits(v) {
				return
			}
		case <-deadline:
			t.Fatal("did not come within 10 s")
		}
	}
}

func deletion(kind rights.Kind, id string) rights.Change {
	return rights.Change{Delete: &rights.Key{Kind: kind, ID: id}}
}
