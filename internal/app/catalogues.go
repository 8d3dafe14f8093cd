package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/dated"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
)

// catalogueHistory reads every catalogue that a ledger's service ran with;
// empty where none was recorded.
func catalogueHistory(ctx context.Context, l *ledger.Ledger) (catalogue.History, error) {
	list, err := l.Catalogues(ctx)
	if err != nil {
		return catalogue.History{}, err
	}
	var h catalogue.History
	for _, c := range list {
		n, err := catalogue.Parse(fmt.Sprintf("%s as recorded on %s", c.Name, c.At.Format(time.RFC3339)), c.Text)
		if err != nil {
			return catalogue.History{}, err
		}
		h = withCatalogue(h, c.Since, c.At, n)
	}
	return h, nil
}

// withCatalogue is a history with one more catalogue, which holds from since
// until now: those that were to hold after since are gone by it.
func withCatalogue(h catalogue.History, since, at time.Time, n *catalogue.Network) catalogue.History {
	from := since.UnixMilli()
	return h.Put(dated.Change[int64, *catalogue.Network]{From: from, Value: &n, At: at}, func(c *dated.Change[int64, *catalogue.Network]) bool { return c.From >= from })
}

// historyOf is what a ledger recorded of its catalogues, or that it was always as it is.
func historyOf(ctx context.Context, l *ledger.Ledger, n *catalogue.Network) (catalogue.History, error) {
	h, err := catalogueHistory(ctx, l)
	if err == nil && len(h.Versions()) == 0 {
		h = catalogue.Always(n)
	}
	return h, err
}

// noteCatalogue records the catalogue that the service starts with, where it is
// another than the last one. It holds from now, or from catalogue-since; a
// ledger's first from the beginning. What it changes of the past is made again.
func (a *App) noteCatalogue(ctx context.Context) error {
	before, err := catalogueHistory(ctx, a.ledger)
	if err != nil {
		return err
	}
	if last := before.Last(); last != nil && catalogue.Same(*last, a.Network) {
		a.catalogues = before
		return nil
	}
	name, text, err := a.cfg.catalogueText()
	if err != nil {
		return err
	}
	now := a.opt.Now().UTC().Truncate(time.Millisecond)
	since := now
	if a.cfg.CatalogueSince != "" {
		if since, err = a.cfg.catalogueSince(a.Network); err != nil {
			return err
		}
		if since.After(now) {
			return fmt.Errorf("--catalogue-since (TOTEM_CATALOGUE_SINCE): %s lies ahead: start the service with the new file then", a.cfg.CatalogueSince)
		}
	}
	a.catalogues = withCatalogue(before, since, now, a.Network)
	first := len(before.Versions()) == 0
	if first {
		if err := a.ledger.NoteCatalogue(ctx, visitBasis(a.Network), now); err != nil {
			return err
		}
		since = time.UnixMilli(dated.Beginning)
	} else {
		a.opt.Log.Info("the catalogue has changed", "since", since, "file", name)
	}
	c := ledger.Catalogue{N: len(a.catalogues.Changes()), Since: since, At: now, Name: name, Text: text}
	return a.ledger.Write(ctx, func(tx *ledger.Tx) error {
		if err := tx.PutCatalogue(c); err != nil || first {
			return err
		}
		return markEffects(tx, before, a.catalogues, now, a.cfg.InfluxURL != "")
	})
}

// markEffects has made again what another history of catalogues makes otherwise.
func markEffects(tx *ledger.Tx, before, after catalogue.History, now time.Time, outbox bool) error {
	e := catalogue.EffectsOf(before, after)
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
		if err := tx.TouchDoors(everDoors(site, before, after), from, now); err != nil {
			return err
		}
	}
	return nil
}

// everDoors are the doors that a site ever had.
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

// CatalogueVersion is one catalogue of a ledger's history.
type CatalogueVersion struct {
	N         int
	Since, At time.Time
	Name      string
	Network   *catalogue.Network
}

// CatalogueHistory lists the catalogues that a data folder's service ran with.
func CatalogueHistory(ctx context.Context, cfg Config) (list []CatalogueVersion, err error) {
	l, err := openExisting(ctx, cfg.Data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	texts, err := l.Catalogues(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range texts {
		n, err := catalogue.Parse(c.Name, c.Text)
		if err != nil {
			return nil, err
		}
		list = append(list, CatalogueVersion{c.N, c.Since, c.At, c.Name, n})
	}
	return list, nil
}
