package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/api"
	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/dated"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/wire"
)

// idleTime is how long it may take to commit the messages in flight before a
// change of the catalogue is given up.
const idleTime = 5 * time.Second

// ChangeCatalogue puts another catalogue in force without a restart: it closes
// what was made from the former catalogue and opens it again, while connections
// stay and messages wait unacknowledged. With dry it changes nothing.
func (a *App) ChangeCatalogue(ctx context.Context, c api.NewCatalogue, dry bool) (api.CatalogueChanged, error) {
	a.replacing.Lock()
	defer a.replacing.Unlock()
	p, err := a.propose(c)
	if err != nil {
		return api.CatalogueChanged{}, &api.CatalogueFault{Err: err}
	}
	now := a.opt.Now().UTC().Truncate(time.Millisecond)
	since, err := p.startsAt(now)
	if err != nil {
		return api.CatalogueChanged{}, &api.CatalogueFault{Field: "since", Err: err}
	}
	change, err := a.chronicle.Put(since, now, p.network)
	if err != nil {
		return api.CatalogueChanged{}, &api.CatalogueFault{Err: err}
	}
	if err := a.checkReferences(ctx, change); err != nil {
		return api.CatalogueChanged{}, &api.CatalogueFault{Err: err}
	}
	out := changeWarnings(a.chronicle, change, p.network, since, now)
	if dry || out.Unchanged {
		return out, nil
	}
	out.N++
	began := time.Now()
	a.front.pause() // requests of the page are paused first: doors wait for as short a time as possible
	paused := time.Now()
	err = a.replace(context.WithoutCancel(ctx), p)
	if err == nil {
		a.opt.Log.Info("the changed catalogue is in force", "n", out.N, "doors_waited_ms", time.Since(paused).Milliseconds(), "requests_waited_ms", time.Since(began).Milliseconds())
	}
	return out, err
}

// propose parses a catalogue that was sent, and checks everything that can be
// wrong with it.
func (a *App) propose(c api.NewCatalogue) (p proposal, err error) {
	p = proposal{name: c.Name, text: []byte(c.Text), plans: map[catalogue.BuildingID]string{}, since: c.Since, by: c.By}
	if p.network, err = parseCatalogue(c.Name, p.text); err != nil {
		return p, err
	}
	for _, b := range p.network.Buildings {
		if b.Plan == "" {
			continue
		}
		svg, sent := c.Plans[b.ID]
		if !sent {
			return p, fmt.Errorf("%s: buildings: plan of %s: %s was not sent", c.Name, b.ID, b.Plan)
		}
		if err := p.network.CheckPlan(b.ID, []byte(svg)); err != nil {
			return p, fmt.Errorf("%s: buildings: plan of %s: %s: %w", c.Name, b.ID, b.Plan, err)
		}
		p.plans[b.ID] = svg
	}
	return p, (&house{shell: a.shell}).useLatest(catalogue.Unchanged(p.network))
}

// replace closes the house and opens another: with the proposed catalogue or,
// where that cannot be recorded, with the former one. Parts that follow the
// ledger are closed first: they must not write former names and doors after
// those have changed.
func (a *App) replace(ctx context.Context, p proposal) error {
	old := a.house
	a.gate.mu.Lock()
	if err := old.settle(ctx); err != nil { // nothing has been changed yet
		a.gate.mu.Unlock()
		a.front.open(a.ctx, api.New(old.apiConfig()))
		return err
	}
	old.Rights.End()
	closed := errors.Join(old.followers.close(ctx), old.core.close(ctx))
	told, refused := old.chronicle, closed
	if closed == nil {
		if after, err := a.record(ctx, old.chronicle, p); err == nil {
			told = after
		} else {
			refused = err
		}
	}
	next := &house{shell: a.shell}
	err := next.useLatest(told)
	if err == nil {
		err = next.open(ctx)
	}
	if err != nil {
		a.gate.mu.Unlock()
		a.endService(fmt.Errorf("a catalogue cannot be put in force: %w", err))
		return errors.Join(refused, err)
	}
	a.auth.network.Store(next.Network)
	if e, ok := a.broker.(embedded); ok {
		e.SetRules(next.Network, next.foreign)
	}
	left := old.pipeline.Left()
	a.house, a.gate.house = next, next
	a.gate.mu.Unlock()
	for _, d := range left {
		next.pipeline.Handle(a.ctx, d)
	}
	next.follow()
	next.forget(old.Network)
	return refused
}

// settle waits until all messages that were handed over are committed.
func (a *house) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, idleTime)
	defer cancel()
	if err := a.pipeline.Idle(ctx); err != nil {
		return fmt.Errorf("messages cannot be committed at the moment: %w", err)
	}
	return nil
}

// forget ends what only the former catalogue had: connections, subscriptions,
// retained topics.
func (a *house) forget(before *catalogue.Network) {
	switch b := a.broker.(type) {
	case embedded:
		b.DisconnectWhere(func(p broker.Principal) bool {
			if p.Device == "" {
				return false
			}
			was, is := before.Device(p.Device), a.Network.Device(p.Device)
			return is == nil || was != nil && (was.Site != is.Site || was.Kind != is.Kind)
		})
	case outside:
		b.SetForeign(a.foreign.Filters())
	}
	a.clearGone()
	a.metrics.lists.keep(a.Network)
}

// clearGone clears the retained topics of devices that the catalogue no longer
// has, or has at another site: an outside broker may have kept them.
func (a *house) clearGone() {
	for _, topic := range goneTopics(a.catalogues, a.Network) {
		if err := a.broker.Publish(topic, nil, true); err != nil {
			a.opt.Log.Warn("could not clear the retained topic of a removed device", "topic", topic, "error", err)
		}
	}
}

// goneTopics returns the retained topics of devices that the catalogue no
// longer has.
func goneTopics(h catalogue.History, now *catalogue.Network) (list []string) {
	for _, v := range h.Versions() {
		for _, d := range (*v.Value).Devices {
			is := now.Device(d.ID)
			there := is != nil && is.Site == d.Site
			for what, stays := range map[wire.What]bool{wire.Status: there, wire.Allowlist: there && is.Kind == catalogue.Reader} {
				topic := wire.Topic{Site: d.Site, Device: d.ID, What: what}.String()
				if !stays && (what == wire.Status || d.Kind == catalogue.Reader) && !slices.Contains(list, topic) {
					list = append(list, topic)
				}
			}
		}
	}
	return list
}

// changeWarnings returns the warnings about a change before it is made.
func changeWarnings(before catalogue.Chronicle, change catalogue.Change, n *catalogue.Network, since, now time.Time) api.CatalogueChanged {
	last := *before.Recorded.Last()
	out := api.CatalogueChanged{N: len(before.Told.Changes()), Since: catalogue.Instant{Time: since}, Differences: catalogue.Differences(last, n), Touches: touches(change), Unchanged: true}
	for _, p := range catalogue.Pieces(before.Recorded, since, now.Add(time.Millisecond)) {
		out.Unchanged = out.Unchanged && catalogue.Same(p.Network, n)
	}
	local := func(t time.Time) string { return t.In(n.Zone.Location()).Format("2006-01-02 15:04") }
	for _, v := range before.Recorded.Versions() {
		if from := time.UnixMilli(v.From); v.From > dated.Beginning && from.After(since) && !catalogue.Same(*v.Value, n) {
			out.Warnings = append(out.Warnings, fmt.Sprintf("catalogue %d, from %s, no longer holds: this one replaces it from %s on", v.N, local(from), local(since)))
		}
	}
	if then := catalogue.At(before.Recorded, since); !catalogue.Same(then, last) {
		for _, d := range catalogue.Differences(then, n) {
			out.Warnings = append(out.Warnings, fmt.Sprintf("from %s on, other than then: %s", local(since), d))
		}
	}
	for _, gone := range last.Spaces {
		if n.Space(gone.ID) != nil || change.Renamed[gone.ID] != "" {
			continue
		}
		for _, is := range n.Spaces {
			if last.Space(is.ID) == nil && is.Was == "" && is.Building == gone.Building {
				out.Warnings = append(out.Warnings, fmt.Sprintf("%s disappears and %s is new: if it was renamed, add was: %s to it, or its past stays under the former name", gone.ID, is.ID, gone.ID))
			}
		}
	}
	return out
}

// touches lists what a change of the catalogue causes to be computed again.
func touches(c catalogue.Change) (list []string) {
	n := *c.After.Told.Last()
	e := catalogue.EffectsOf(c.Before.Told, c.After.Told)
	when := func(t time.Time) string {
		if t.Before(time.UnixMilli(1)) {
			return "the beginning"
		}
		return t.In(n.Zone.Location()).Format("2006-01-02 15:04")
	}
	for _, id := range slices.Sorted(maps.Keys(e.Minutes)) {
		list = append(list, fmt.Sprintf("minutes of %s, from %s", id, when(e.Minutes[id])))
	}
	for _, id := range slices.Sorted(maps.Keys(e.Sums)) {
		list = append(list, fmt.Sprintf("opening hours and places of %s, from %s", id, when(e.Sums[id])))
	}
	for _, id := range slices.Sorted(maps.Keys(e.Visits)) {
		list = append(list, fmt.Sprintf("visits and hours at %s, from %s", id, when(e.Visits[id])))
	}
	for _, id := range slices.Sorted(maps.Keys(e.Hours)) {
		list = append(list, fmt.Sprintf("billed hours of %s, from %s: issued months are corrected on the next statements", id, when(e.Hours[id])))
	}
	return list
}

// checkReferences refuses a catalogue in which something current or future loses its
// place: tenants, plans and schedules their site; leases, passes and events
// their space. What has ended keeps its names.
func (a *shell) checkReferences(ctx context.Context, change catalogue.Change) error {
	keeper, err := rights.Open(ctx, change.After.Told, a.ledger, a.opt.Now)
	if err != nil {
		return err
	}
	n := *change.After.Told.Last()
	now := a.opt.Now()
	today := n.Zone.At(now).Day
	var faults []error
	gone := func(what, id string, spaces []catalogue.SpaceID) {
		for _, sp := range spaces {
			if n.Space(sp) == nil {
				faults = append(faults, fmt.Errorf("%s %s gives %s, which the new catalogue does not have: end or change it first; if the space was renamed, add was: %s to it", what, id, sp, sp))
			}
		}
	}
	book := keeper.InForce().Book
	for l := range book.Leases() {
		if l.EndsOn != nil && *l.EndsOn < today {
			continue
		}
		if n.Site(l.Site) == nil {
			faults = append(faults, fmt.Errorf("lease %s belongs to site %s, which the new catalogue does not have: end it first", l.ID, l.Site))
		}
		gone("lease", string(l.ID), l.Spaces)
	}
	for p := range book.Passes() {
		if !p.Deleted && p.ValidTo.After(now) {
			gone("pass", string(p.ID), p.Spaces)
		}
	}
	for e := range book.Events() {
		if e.EndsAt.After(now) {
			gone("event", string(e.ID), e.Spaces)
		}
	}
	return errors.Join(faults...)
}

// endService ends the service because it cannot continue.
func (a *shell) endService(err error) {
	a.opt.Log.Error("the service ends", "error", err)
	select {
	case a.failed <- err:
	default:
	}
}
