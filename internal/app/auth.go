package app

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lorntech/totem/internal/api"
	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
)

// brokerAuth decides who may connect to the embedded broker: devices and
// gateways by their secret, API tokens (username "token") for live topics.
type brokerAuth struct {
	network atomic.Pointer[catalogue.Network]
	ledger  *ledger.Ledger
	now     func() time.Time
	anyone  bool // the demo accepts anonymous clients of this machine
	secrets atomic.Pointer[map[catalogue.DeviceID][]byte]
}

func (a *brokerAuth) load(ctx context.Context) error {
	m, err := a.ledger.DeviceSecrets(ctx)
	if err == nil {
		a.secrets.Store(&m)
	}
	return err
}

// Authenticate refuses whatever it does not know.
func (a *brokerAuth) Authenticate(username string, password []byte) (broker.Principal, bool) {
	if username == "" {
		return broker.Principal{Anonymous: true}, a.anyone
	}
	hash := keys.HashSecret(string(password))
	if username == "token" {
		return a.token(hash)
	}
	dev := a.network.Load().Device(catalogue.DeviceID(username))
	want := (*a.secrets.Load())[catalogue.DeviceID(username)]
	if dev == nil || want == nil || subtle.ConstantTimeCompare(hash, want) != 1 {
		return broker.Principal{}, false
	}
	return broker.Principal{Name: username, Site: dev.Site, Device: dev.ID, Gateway: dev.Kind == catalogue.Gateway}, true
}

func (a *brokerAuth) token(hash []byte) (broker.Principal, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	t, err := a.ledger.TokenByHash(ctx, hash)
	if err != nil || t.ExpiresAt != nil && !a.now().Before(*t.ExpiresAt) {
		return broker.Principal{}, false
	}
	p := broker.Principal{Name: t.ID, Token: true, Sites: api.SitesOf(t)}
	if t.ExpiresAt != nil {
		p.Until = *t.ExpiresAt
	}
	return p, true
}

// ensureAdmin stores the admin token of the settings as the token admin; without one it takes
// that of the data folder's file, which it creates if it is missing. It does nothing if that
// token is the one it took last: one that was replaced or withdrawn since stays so after a
// restart.
func ensureAdmin(ctx context.Context, c Config, l *ledger.Ledger) (token string, err error) {
	token = c.AdminToken
	if token == "" {
		if token, err = adminFromFile(c.AdminTokenFile()); err != nil {
			return "", fmt.Errorf("read the file of the admin token: %w", err)
		}
	}
	hash := keys.HashSecret(token)
	brought, err := l.Snapshot(ctx, ledger.AdminTaken)
	if err != nil {
		return "", err
	}
	t := ledger.Token{ID: ledger.AdminToken, Role: ledger.Admin, Hash: hash}
	if subtle.ConstantTimeCompare(brought.Body, hash) == 1 {
		acts, err := l.Acts(ctx, "token/"+ledger.AdminToken)
		if err != nil || len(acts) > 0 {
			return token, err
		}
		if t, err = l.Token(ctx, ledger.AdminToken); err != nil { // it was put in force before this was recorded as an act
			return token, ignore(err, ledger.ErrNotFound)
		}
	}
	return token, l.Write(ctx, func(tx *ledger.Tx) error {
		if err := tx.PutSnapshot(ledger.AdminTaken, ledger.Snapshot{Body: hash}); err != nil {
			return err
		}
		if err := tx.PutToken(t); err != nil {
			return err
		}
		return tx.AddAct(
			&ingest.Act{
				At:     time.Now().UTC(),
				Actor:  "settings",
				Action: "put",
				Target: "token/" + ledger.AdminToken,
				Body:   t.Terms(),
			},
		)
	})
}

// ignore returns err, or nil where it is one to be ignored.
func ignore(err, that error) error {
	if errors.Is(err, that) {
		return nil
	}
	return err
}

func adminFromFile(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(data)) != "" {
		return strings.TrimSpace(string(data)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	token := keys.NewSecret()
	return token, keys.WriteSecret(path, []byte(token+"\n"))
}
