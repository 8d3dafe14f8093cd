package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/dated"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/wire"
)

// readCatalogues reads every catalogue recorded in a ledger; empty where none
// was.
func readCatalogues(ctx context.Context, l *ledger.Ledger) (c catalogue.Chronicle, err error) {
	list, err := l.Catalogues(ctx)
	if err != nil {
		return c, err
	}
	for _, told := range list {
		n, err := catalogue.Parse(fmt.Sprintf("%s as recorded on %s", told.Name, told.At.Format(time.RFC3339)), told.Text)
		if err != nil {
			return c, err
		}
		change, err := c.Put(told.Since, told.At, n)
		if err != nil {
			return c, err
		}
		c = change.After
	}
	return c, nil
}

// historyOf returns the catalogues recorded in a ledger; for a ledger without
// any, that of the settings' file from the beginning. It records nothing: a
// changed file is for the service to record.
func (c *Config) historyOf(ctx context.Context, l *ledger.Ledger) (catalogue.History, error) {
	all, err := readCatalogues(ctx, l)
	if err != nil || len(all.Told.Versions()) > 0 {
		return all.Told, err
	}
	n, err := c.LoadCatalogue()
	if err != nil {
		return all.Told, err
	}
	return catalogue.Always(n), nil
}

// proposal is a catalogue that is to be put in force.
type proposal struct {
	name    string // the name of its file
	text    []byte
	network *catalogue.Network
	plans   map[catalogue.BuildingID]string
	since   string // a day or an instant; empty: now
	by      string
}

// proposal returns the catalogue of the settings.
func (c *Config) proposal() (t proposal, err error) {
	t = proposal{since: c.CatalogueSince, by: "totem"}
	if t.name, t.text, err = c.catalogueText(); err != nil {
		return t, err
	}
	if t.network, err = parseCatalogue(t.name, t.text); err != nil {
		return t, err
	}
	t.plans, err = c.loadPlans(t.network)
	return t, err
}

// parseCatalogue parses a catalogue and checks the settings that only adapters
// understand.
func parseCatalogue(name string, text []byte) (*catalogue.Network, error) {
	n, err := catalogue.Parse(name, text)
	if err != nil {
		return nil, err
	}
	if _, err := wire.NewForeign(n); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return n, nil
}

// fileSeen is the metadata key of the file with which the service last started.
const fileSeen = "catalogue-file"

// adoptFile puts in force the catalogue of the settings' file, where the file has
// changed since the last start. An unchanged file does not undo a catalogue
// that was applied to a running service.
func (a *house) adoptFile(ctx context.Context, t proposal) error {
	before, err := readCatalogues(ctx, a.ledger)
	if err != nil {
		return err
	}
	seen, err := a.ledger.Snapshot(ctx, fileSeen)
	if err != nil {
		return err
	}
	file := strings.TrimSpace(digestOf(t.network) + " " + t.since)
	antedates, err := t.antedates(before, a.opt.Now())
	if err != nil {
		return err
	}
	switch last := before.Told.Last(); {
	case last != nil && catalogue.Same(*last, t.network) && (!antedates || string(seen.Body) == file):
		if err = a.useLatest(before); err == nil { // a drawing may have changed all the same
			err = a.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.PutPlans(t.plans) })
		}
	case last != nil && string(seen.Body) == file:
		a.opt.Log.Warn("the catalogue in force was applied to the running service and differs from the file of the settings, which has not changed since; totem catalogue show prints it", "file", t.name)
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
	return a.ledger.Write(ctx, func(tx *ledger.Tx) error {
		return tx.PutSnapshot(fileSeen, ledger.Snapshot{Body: []byte(file)})
	})
}

func digestOf(n *catalogue.Network) string {
	sum := sha256.Sum256(n.Canonical())
	return hex.EncodeToString(sum[:])
}

// useLatest computes what depends on the latest catalogue.
func (a *house) useLatest(c catalogue.Chronicle) (err error) {
	a.chronicle, a.catalogues, a.Network = c, c.Told, *c.Told.Last()
	if a.settings, err = billing.LoadSettings(a.Network, a.cfg.Billing); err != nil {
		return err
	}
	a.foreign, err = wire.NewForeign(a.Network)
	return err
}

// record records a catalogue that holds from now, or from the given instant; a
// ledger's first from the beginning. What it changes in the past is marked for
// recomputation.
func (a *shell) record(ctx context.Context, before catalogue.Chronicle, t proposal) (catalogue.Chronicle, error) {
	now := a.opt.Now().UTC().Truncate(time.Millisecond)
	since, err := t.startsAt(now)
	if err != nil {
		return before, fmt.Errorf("--catalogue-since (TOTEM_CATALOGUE_SINCE): %w", err)
	}
	change, err := before.Put(since, now, t.network)
	if err != nil {
		return before, err
	}
	if err := a.checkReferences(ctx, change); err != nil {
		return before, err
	}
	first := len(before.Told.Versions()) == 0
	var effects catalogue.Effects
	if first {
		if err := a.ledger.NoteCatalogue(ctx, visitBasis(t.network), now); err != nil {
			return before, err
		}
		since = time.UnixMilli(dated.Beginning)
	} else {
		effects = catalogue.EffectsOf(change.Before.Told, change.After.Told)
		differences := catalogue.Differences(*before.Recorded.Last(), t.network)
		a.opt.Log.Info("the catalogue has changed", "since", since, "file", t.name, "by", t.by, "changes", len(differences), "first", differences[:min(5, len(differences))])
	}
	c := ledger.Catalogue{N: len(change.After.Told.Changes()), Since: since, At: now, Name: t.name, By: t.by, Text: t.text}
	err = a.ledger.Write(ctx, func(tx *ledger.Tx) error {
		if err := tx.PutPlans(t.plans); err != nil {
			return err
		}
		if err := tx.PutCatalogue(c); err != nil || first {
			return err
		}
		return markChange(tx, change, effects, now, a.cfg.InfluxURL != "")
	})
	if err == nil {
		a.moved = a.moved || len(effects.Visits) > 0
	}
	return change.After, err
}

// antedates reports whether a catalogue that is in force is to hold from an
// earlier instant, at which another one held.
func (t *proposal) antedates(before catalogue.Chronicle, now time.Time) (bool, error) {
	if t.since == "" || len(before.Recorded.Versions()) == 0 {
		return false, nil
	}
	since, err := t.startsAt(now)
	if err != nil {
		return false, fmt.Errorf("--catalogue-since (TOTEM_CATALOGUE_SINCE): %w", err)
	}
	return slices.ContainsFunc(catalogue.Pieces(before.Recorded, since, now), func(p catalogue.Piece) bool { return !catalogue.Same(p.Network, t.network) }), nil
}

// startsAt returns the instant from which a proposed catalogue holds.
func (t *proposal) startsAt(now time.Time) (time.Time, error) {
	since, err := catalogueSince(t.since, t.network, now)
	if err == nil && since.After(now) {
		err = fmt.Errorf("%s lies in the future: apply the new catalogue then", t.since)
	}
	return since, err
}

// markChange renames what is stored under former names of spaces, and marks for
// recomputation what the changed catalogue affects.
func markChange(tx *ledger.Tx, change catalogue.Change, e catalogue.Effects, now time.Time, outbox bool) error {
	for old, name := range change.Renamed {
		if err := tx.RenameSpace(old, name, outbox); err != nil {
			return err
		}
	}
	for space, from := range e.Minutes {
		if err := tx.MarkDirty(space, from, now); err != nil {
			return err
		}
	}
	for space, from := range e.Sums {
		if !outbox {
			break
		}
		if err := tx.AllToOutbox(space, occupancy.MinuteOf(from), occupancy.MinuteAfter(now)); err != nil {
			return err
		}
	}
	for site, from := range e.Visits {
		if err := tx.TouchDoors(everDoors(site, change.Before.Told, change.After.Told), from, now); err != nil {
			return err
		}
	}
	return nil
}

// everDoors returns the doors that a site ever had.
func everDoors(site catalogue.SiteID, histories ...catalogue.History) (list []catalogue.DoorID) {
	for _, h := range histories {
		for _, v := range h.Versions() {
			for _, d := range (*v.Value).Doors {
				if d.Site == site && !slices.Contains(list, d.ID) {
					list = append(list, d.ID)
				}
			}
		}
	}
	return list
}
