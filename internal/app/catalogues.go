package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/dated"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/settings"
	"github.com/lorntech/totem/internal/signin"
)

// fileSeen is the metadata key of the file with which the service last started.
const fileSeen = "catalogue-file"

// adoptFile puts in force the catalogue of the settings' file, where the file has
// changed since the last start. An unchanged file does not undo a catalogue
// that was applied to a running service.
func (a *house) adoptFile(ctx context.Context, t catalogues.Proposal) error {
	before, err := catalogues.ReadBeside(ctx, a.Ledger, t)
	if err != nil {
		return err
	}
	seen, err := a.Ledger.Snapshot(ctx, fileSeen)
	if err != nil {
		return err
	}
	file := strings.TrimSpace(catalogues.Digest(t.Network) + " " + t.Since)
	antedates, err := t.Antedates(before, a.opt.Now())
	if err != nil {
		return err
	}
	switch last := before.Told.Last(); {
	case last != nil && catalogue.Same(*last, t.Network) && (!antedates || string(seen.Body) == file):
		if err = a.useLatest(before); err == nil { // a drawing may have changed all the same
			err = a.Ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.PutPlans(t.Plans) })
		}
	case last != nil && string(seen.Body) == file:
		a.opt.Log.Warn(
			"the catalogue in force was applied to the running service and differs from the file of the settings, which has not changed since; totem catalogue show prints it",
			"file",
			t.Name,
		)
		return a.useLatest(before)
	default:
		var after catalogue.Chronicle
		if after, err = a.record(ctx, before, t); err == nil {
			err = a.useLatest(after)
		}
	}
	if err != nil {
		return err
	}
	return a.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		return tx.PutSnapshot(fileSeen, ledger.Snapshot{Body: []byte(file)})
	})
}

// useLatest computes what depends on the latest catalogue.
func (a *house) useLatest(c catalogue.Chronicle) (err error) {
	a.chronicle, a.Catalogues, a.Network = c, c.Told, *c.Told.Last()
	if a.settings, err = billing.LoadSettings(a.Network, a.Config.Billing); err != nil {
		return settings.Unread("--billing (TOTEM_BILLING)", err)
	}
	if a.signIn, err = signin.Load(a.Network, a.Config.SignIn); err != nil {
		return settings.Unread("--sign-in (TOTEM_SIGN_IN)", err)
	}
	a.Foreign, err = foreign.New(a.Network)
	return err
}

// record records a catalogue that holds from now, or from the given instant; a
// ledger's first from the beginning. What it changes in the past is marked for
// recomputation.
func (a *shell) record(
	ctx context.Context,
	before catalogue.Chronicle,
	t catalogues.Proposal,
) (catalogue.Chronicle, error) {
	now := a.opt.Now().UTC().Truncate(time.Millisecond)
	since, err := t.StartsAt(now)
	if err != nil {
		return before, fmt.Errorf("--catalogue-since (TOTEM_CATALOGUE_SINCE): %w", err)
	}
	change, err := before.Put(since, now, t.Network)
	if err != nil {
		return before, err
	}
	if err := catalogues.CheckReferences(ctx, a.Ledger, change, now); err != nil {
		return before, err
	}
	first := len(before.Told.Versions()) == 0
	var effects catalogue.Effects
	if first {
		if err := a.Ledger.NoteCatalogue(ctx, catalogues.VisitBasis(t.Network), now); err != nil {
			return before, err
		}
		since = time.UnixMilli(dated.Beginning)
	} else {
		effects = catalogue.EffectsOf(change.Before.Told, change.After.Told)
		differences := catalogue.Differences(*before.Recorded.Last(), t.Network)
		a.opt.Log.Info(
			"the catalogue has changed",
			"since",
			since,
			"file",
			t.Name,
			"by",
			t.By,
			"changes",
			len(differences),
			"first",
			differences[:min(5, len(differences))],
		)
	}
	c := ledger.Catalogue{N: len(change.After.Told.Changes()), Since: since, At: now, Name: t.Name, By: t.By, Text: t.Text}
	err = a.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		if err := tx.PutPlans(t.Plans); err != nil {
			return err
		}
		if err := tx.PutCatalogue(c); err != nil || first {
			return err
		}
		return catalogues.Mark(tx, change, effects, now, a.Config.InfluxURL != "")
	})
	if err == nil {
		a.moved = a.moved || len(effects.Visits) > 0
	}
	return change.After, err
}
