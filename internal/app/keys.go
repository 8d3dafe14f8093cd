package app

import (
	"context"
	"time"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/catalogue"
)

// KeysEvery is how often the key file is read again, and how often the service checks whether all readers know the next
// key.
const KeysEvery = time.Second

// watchKeys loads next keys of sites, and makes them sign once every reader
// that verifies signatures has reported that it knows them.
func (a *house) watchKeys(ctx context.Context) {
	a.lookAgain(ctx, KeysEvery, "could not read the key file; trying again each second", a.stepKeys)
}

// lookAgain takes a step again and again until ctx ends. A fault is logged once, not each
// time.
func (a *shell) lookAgain(ctx context.Context, every time.Duration, fault string, step func(context.Context) error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for said := ""; ; {
		switch err := step(ctx); {
		case err == nil:
			said = ""
		case ctx.Err() == nil && err.Error() != said:
			said = err.Error()
			a.opt.Log.Error(fault, "error", err)
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
		if err := admin.NoteKeys(ctx, a.Keys, a.Ledger); err != nil {
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
	return admin.NoteKeys(ctx, a.Keys, a.Ledger)
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
