package app

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
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

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type spell struct {
	From, To time.Time
	Inferred bool // by closing or after sixteen hours
	Badged   bool
}
