package catalogues

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/foreign"
)

// Proposal is a catalogue that is to be put in force.
type Proposal struct {
	Name    string // the name of its file
	Text    []byte
	Network *catalogue.Network
	Plans   map[catalogue.BuildingID]string
	Since   string // a day or an instant; empty: now
	By      string
}

// FromFile returns the catalogue in a file, with its plans, to hold from a day or
// an instant on. An empty file is the built-in network, an empty since now.
func FromFile(file, since string) (p Proposal, err error) {
	p = Proposal{Since: since, By: "totem"}
	if p.Name, p.Text, err = fileText(file); err != nil {
		return p, err
	}
	if p.Network, err = Parse(p.Name, p.Text); err != nil {
		return p, err
	}
	p.Plans, err = loadPlans(file, p.Network)
	return p, err
}

// Parse parses a catalogue and checks the settings that only adapters
// understand.
func Parse(name string, text []byte) (*catalogue.Network, error) {
	n, err := catalogue.Parse(name, text)
	if err != nil {
		return nil, err
	}
	if _, err := foreign.New(n); err != nil {
		return nil, err
	}
	return n, nil
}

// Load reads a catalogue file, or the built-in network where none is named.
func Load(file string) (*catalogue.Network, error) {
	name, data, err := fileText(file)
	if err != nil {
		return nil, err
	}
	return Parse(name, data)
}

// fileText returns the catalogue's text and the name of its file.
func fileText(file string) (name string, text []byte, err error) {
	if file == "" {
		return catalogue.DefaultName, catalogue.DefaultText(), nil
	}
	text, err = os.ReadFile(file)
	if err != nil {
		return "", nil, err
	}
	return file, text, nil
}

// since returns the instant from which a changed catalogue holds: the
// beginning of a local day, an instant, or now.
func since(text string, n *catalogue.Network, now time.Time) (time.Time, error) {
	if text == "" {
		return now, nil
	}
	if day, err := catalogue.ParseDay(text); err == nil {
		return n.Zone.Start(day).UTC(), nil
	}
	t, err := time.ParseInLocation("2006-01-02 15:04", text, n.Zone.Location())
	if err != nil {
		t, err = time.Parse(time.RFC3339, text)
	}
	if err != nil {
		return t, fmt.Errorf(
			"%q is not a day like 2026-11-23, a local time like 2026-11-23 08:00, or an instant like 2026-11-23T08:00:00Z",
			text,
		)
	}
	return t.UTC().Truncate(time.Millisecond), nil
}

// loadPlans reads the plans that the catalogue names; they are beside its file.
func loadPlans(file string, n *catalogue.Network) (map[catalogue.BuildingID]string, error) {
	plans := map[catalogue.BuildingID]string{}
	for _, b := range n.Buildings {
		if b.Plan == "" {
			continue
		}
		svg, err := os.ReadFile(filepath.Join(filepath.Dir(file), filepath.FromSlash(b.Plan)))
		if err == nil {
			err = n.CheckPlan(b.ID, svg)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: buildings: plan of %s: %s: %w", file, b.ID, b.Plan, err)
		}
		plans[b.ID] = string(svg)
	}
	return plans, nil
}

// Antedates reports whether the proposal would change the past: it begins to hold before now,
// and between then and now a catalogue with other content held.
func (p *Proposal) Antedates(before catalogue.Chronicle, now time.Time) (bool, error) {
	if p.Since == "" || len(before.Recorded.Versions()) == 0 {
		return false, nil
	}
	from, err := p.StartsAt(now)
	if err != nil {
		return false, fmt.Errorf("--catalogue-since (TOTEM_CATALOGUE_SINCE): %w", err)
	}
	return slices.ContainsFunc(
		catalogue.Pieces(before.Recorded, from, now),
		func(piece catalogue.Piece) bool { return !catalogue.Same(piece.Network, p.Network) },
	), nil
}

// StartsAt returns the instant from which a proposed catalogue holds.
func (p *Proposal) StartsAt(now time.Time) (time.Time, error) {
	from, err := since(p.Since, p.Network, now)
	if err == nil && from.After(now) {
		err = fmt.Errorf("%s lies in the future: apply the new catalogue then", p.Since)
	}
	return from, err
}
