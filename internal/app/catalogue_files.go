package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lorntech/totem/internal/api"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// CatalogueVersion is one catalogue of a ledger's history.
type CatalogueVersion struct {
	N         int
	Since, At time.Time
	Name, By  string
	Text      []byte
	Network   *catalogue.Network
	Holds     bool // it holds at some instant: no later one replaced it wholly
}

// CatalogueHistory lists the catalogues of a data folder's service.
func CatalogueHistory(ctx context.Context, data string) (list []CatalogueVersion, err error) {
	l, err := openExisting(ctx, data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	texts, err := l.Catalogues(ctx)
	if err != nil {
		return nil, err
	}
	told, err := readCatalogues(ctx, l)
	if err != nil {
		return nil, err
	}
	holds := map[int]bool{}
	for _, v := range told.Recorded.Versions() {
		holds[v.N] = true
	}
	for _, c := range texts {
		n, err := catalogue.Parse(c.Name, c.Text)
		if err != nil {
			return nil, err
		}
		list = append(list, CatalogueVersion{c.N, c.Since, c.At, c.Name, c.By, c.Text, n, holds[c.N]})
	}
	return list, nil
}

// CatalogueAt returns the catalogue that held at an instant, from a data
// folder's ledger.
func CatalogueAt(list []CatalogueVersion, t time.Time) *CatalogueVersion {
	var found *CatalogueVersion
	for i := range list {
		if v := &list[i]; v.Holds && (found == nil || !v.Since.After(t)) {
			found = v
		}
	}
	return found
}

// ErrNoService is returned where no service has run with a data folder yet.
var ErrNoService = errors.New("no service has run with this data folder yet, or only one of a version that did not record catalogues")

// CheckCatalogue reads a catalogue file and returns what it would change in a
// data folder if it held from since on. It writes warnings to warn.
func CheckCatalogue(ctx context.Context, cfg Config, warn io.Writer) (n *catalogue.Network, out api.CatalogueChanged, err error) {
	p, err := cfg.proposal()
	if err != nil {
		return nil, out, err
	}
	for _, w := range wire.Warnings(p.network) {
		fmt.Fprintln(warn, "warning:", w)
	}
	if cfg.Data == "" {
		return p.network, out, nil
	}
	l, err := openExisting(ctx, cfg.Data)
	if err != nil {
		return nil, out, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	before, err := readCatalogues(ctx, l)
	if err != nil {
		return nil, out, err
	}
	last := before.Recorded.Last()
	if last == nil {
		return p.network, out, ErrNoService
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	since, err := p.startsAt(now)
	if err != nil {
		return nil, out, fmt.Errorf("--since: %w", err)
	}
	change, err := before.Put(since, now, p.network)
	if err != nil {
		return nil, out, err
	}
	if err := (&shell{opt: Options{Now: time.Now}, ledger: l}).checkReferences(ctx, change); err != nil {
		return nil, out, err
	}
	out = changeWarnings(before, change, p.network, since, now)
	return p.network, out, nil
}

// Proposal reads a catalogue file with the plans that it names, to send it to a
// service.
func (c *Config) Proposal() (api.NewCatalogue, error) {
	p, err := c.proposal()
	return api.NewCatalogue{Name: p.name, Text: string(p.text), Plans: p.plans, Since: c.CatalogueSince}, err
}
