package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
)

// keyChecks names the ledger snapshot that stores the check values of the
// cryptographic keys.
const keyChecks = "keys"

// openKeys opens the keys of a data folder. A ledger is never opened with keys
// that are not its own: no badge would be known, and no reader would say why.
func openKeys(ctx context.Context, data string, n *catalogue.Network, l *ledger.Ledger) (*keys.Ring, error) {
	s, err := l.Snapshot(ctx, keyChecks)
	if err != nil {
		return nil, err
	}
	var known *keys.Checks
	if s.Body != nil {
		known = &keys.Checks{}
		if err := json.Unmarshal(s.Body, known); err != nil {
			return nil, fmt.Errorf("the ledger's check values of its keys: %w", err)
		}
	}
	used, err := l.Used(ctx)
	if err != nil {
		return nil, err
	}
	ring, err := keys.Open(keys.Path(data), n.Sites, known, used)
	if err != nil {
		return nil, err
	}
	return ring, noteKeys(ctx, ring, l)
}

// noteKeys stores the check values of the keys in the ledger.
func noteKeys(ctx context.Context, ring *keys.Ring, l *ledger.Ledger) error {
	body, err := json.Marshal(ring.Checks())
	if err != nil {
		return err
	}
	if s, err := l.Snapshot(ctx, keyChecks); err != nil || bytes.Equal(s.Body, body) {
		return err
	}
	return l.Write(ctx, func(tx *ledger.Tx) error { return tx.PutSnapshot(keyChecks, ledger.Snapshot{Body: body}) })
}

// KeysEvery is how often the key file is read again, and whether all readers
// know the next key is checked.
const KeysEvery = time.Second

// watchKeys loads next keys of sites, and makes them sign once every reader
// that verifies signatures has reported that it knows them.
func (a *house) watchKeys(ctx context.Context) {
	tick := time.NewTicker(KeysEvery)
	defer tick.Stop()
	said := "" // a fault is logged once, not every second
	for {
		err := a.stepKeys(ctx)
		switch {
		case err == nil:
			said = ""
		case ctx.Err() == nil && err.Error() != said:
			said = err.Error()
			a.opt.Log.Error("could not read the key file; trying again each second", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *house) stepKeys(ctx context.Context) error {
	changed, err := a.Keys.Reload()
	if err != nil {
		return err
	}
	for _, site := range a.Network.Sites {
		next, ok := a.Keys.Next(site.ID)
		if !ok || !a.known(site.ID, next.ID) {
			continue
		}
		// The ledger knows both ids before the file has only the new one.
		if err := noteKeys(ctx, a.Keys, a.Ledger); err != nil {
			return err
		}
		if err := a.Keys.Advance(site.ID); err != nil {
			return err
		}
		a.opt.Log.Info("a site has a new key", "site", site.ID, "key", next.ID)
		changed = true
	}
	if !changed {
		return nil
	}
	a.Readers.KeysChanged()
	return noteKeys(ctx, a.Keys, a.Ledger)
}

// known reports whether all readers of a site have reported that they verify
// with a key. Readers that speak their own payloads verify nothing, and
// disabled ones do not count.
func (a *house) known(site catalogue.SiteID, key string) bool {
	said := a.Live.Devices()
	for _, d := range a.Network.Devices {
		if d.Site == site && d.Kind == catalogue.Reader && d.Adapter == "" && !d.Disabled && !said[d.ID].Knows(key) {
			return false
		}
	}
	return true
}
