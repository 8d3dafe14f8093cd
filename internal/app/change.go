package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/api"
	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
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
	since, err := p.StartsAt(now)
	if err != nil {
		return api.CatalogueChanged{}, &api.CatalogueFault{Field: "since", Err: err}
	}
	change, err := a.chronicle.Put(since, now, p.Network)
	if err != nil {
		return api.CatalogueChanged{}, &api.CatalogueFault{Err: err}
	}
	if err := catalogues.CheckReferences(ctx, a.Ledger, change, now); err != nil {
		return api.CatalogueChanged{}, &api.CatalogueFault{Err: err}
	}
	out := api.CatalogueChanged(catalogues.Summarize(a.chronicle, change, p.Network, since, now))
	if dry || out.Unchanged {
		return out, nil
	}
	out.N++
	began := time.Now()
	a.front.pause() // requests of the page are paused first: doors wait for as short a time as possible
	paused := time.Now()
	err = a.replace(context.WithoutCancel(ctx), p)
	if err == nil {
		a.opt.Log.Info(
			"the changed catalogue is in force",
			"n",
			out.N,
			"doors_waited_ms",
			time.Since(paused).Milliseconds(),
			"requests_waited_ms",
			time.Since(began).Milliseconds(),
		)
	}
	return out, err
}

// propose parses a catalogue that was sent, and checks everything that can be
// wrong with it.
func (a *App) propose(c api.NewCatalogue) (p catalogues.Proposal, err error) {
	p = catalogues.Proposal{
		Name:  c.Name,
		Text:  []byte(c.Text),
		Plans: map[catalogue.BuildingID]string{},
		Since: c.Since,
		By:    c.By,
	}
	if p.Network, err = catalogues.Parse(c.Name, p.Text); err != nil {
		return p, err
	}
	for _, b := range p.Network.Buildings {
		if b.Plan == "" {
			continue
		}
		svg, sent := c.Plans[b.ID]
		if !sent {
			return p, fmt.Errorf("%s: buildings: plan of %s: %s was not sent", c.Name, b.ID, b.Plan)
		}
		if err := p.Network.CheckPlan(b.ID, []byte(svg)); err != nil {
			return p, fmt.Errorf("%s: buildings: plan of %s: %s: %w", c.Name, b.ID, b.Plan, err)
		}
		p.Plans[b.ID] = svg
	}
	return p, (&house{shell: a.shell}).useLatest(catalogue.Unchanged(p.Network))
}

// replace closes the house and opens another: with the proposed catalogue or,
// where that cannot be recorded, with the former one. Parts that follow the
// ledger are closed first: they must not write former names and doors after
// those have changed.
func (a *App) replace(ctx context.Context, p catalogues.Proposal) error {
	old := a.house
	a.gate.mu.Lock()
	if err := old.settle(ctx); err != nil { // nothing has been changed yet
		a.gate.mu.Unlock()
		a.front.open(a.ctx, api.New(old.APIConfig()))
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
	if e, ok := a.Broker.(embedded); ok {
		e.SetRules(next.Network, next.Foreign)
	}
	left := old.Pipeline.Left()
	a.house, a.gate.house = next, next
	a.gate.mu.Unlock()
	for _, d := range left {
		next.Pipeline.Handle(a.ctx, d)
	}
	next.follow()
	next.forget(old.Network)
	return refused
}

// settle waits until all messages that were handed over are committed.
func (a *house) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, idleTime)
	defer cancel()
	if err := a.Pipeline.Idle(ctx); err != nil {
		return fmt.Errorf("messages cannot be committed at the moment: %w", err)
	}
	return nil
}

// forget ends what only the former catalogue had: connections, subscriptions,
// retained topics.
func (a *house) forget(before *catalogue.Network) {
	switch b := a.Broker.(type) {
	case embedded:
		b.DisconnectWhere(func(p broker.Principal) bool {
			if p.Device == "" {
				return false
			}
			was, is := before.Device(p.Device), a.Network.Device(p.Device)
			return is == nil || was != nil && (was.Site != is.Site || was.Kind != is.Kind)
		})
	case outside:
		b.SetForeign(a.Foreign.Filters())
	}
	a.clearGone()
	a.metrics.lists.keep(a.Network)
}

// clearGone clears the retained topics of devices that the catalogue no longer
// has, or has at another site: an outside broker may have kept them.
func (a *house) clearGone() {
	for _, topic := range goneTopics(a.Catalogues, a.Network) {
		if err := a.Broker.Publish(topic, nil, true); err != nil {
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
			for what, stays := range map[wire.What]bool{wire.Status: there, wire.Allowlist: there &&
				is.Kind == catalogue.Reader} {
				topic := wire.Topic{Site: d.Site, Device: d.ID, What: what}.String()
				if !stays && (what == wire.Status || d.Kind == catalogue.Reader) && !slices.Contains(list, topic) {
					list = append(list, topic)
				}
			}
		}
	}
	return list
}

// endService ends the service because it cannot continue.
func (a *shell) endService(err error) {
	a.opt.Log.Error("the service ends", "error", err)
	select {
	case a.failed <- err:
	default:
	}
}
