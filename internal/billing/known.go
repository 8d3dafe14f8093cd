package billing

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
)

// AsKnown returns bills that use the plans, leases, tenants, corrections and
// statements recorded up to an instant, and today's reads. Nothing can be
// issued from them.
func (b Bills) AsKnown(at time.Time) Bills {
	b.known = at
	return b
}

// asKnown returns the histories as they had been recorded by b.known. It leaves out those of
// which nothing had been recorded by then.
func asKnown[K comparable, T any](b Bills, all map[K]tenancy.Terms[T]) map[K]tenancy.Terms[T] {
	if b.known.IsZero() {
		return all
	}
	out := make(map[K]tenancy.Terms[T], len(all))
	for id, t := range all {
		t = t.AsKnown(func(at time.Time, _ int64) bool { return !at.After(b.known) })
		if len(t.Versions()) > 0 {
			out[id] = t
		}
	}
	return out
}

// correctedAsKnown applies to visits the corrections that were recorded by
// then, and adds visits that such a correction moves into [from, to).
func (b Bills) correctedAsKnown(
	ctx context.Context,
	list []ledger.Visit,
	f ledger.VisitFilter,
) ([]ledger.Visit, error) {
	known, err := b.Ledger.CorrectionsAsKnown(ctx, b.known)
	if err != nil {
		return nil, err
	}
	seen := map[uuid.UUID]bool{}
	for i := range list {
		v := &list[i]
		seen[v.ID] = true
		v.Correction = known[v.ID]
	}
	for id, c := range known {
		if seen[id] || c == nil || !c.From.Before(f.To) || !c.To.After(f.From) {
			continue
		}
		f := f
		f.ID, f.From, f.To, f.Corrected = id, time.Time{}, time.Time{}, false
		more, err := b.Ledger.Visits(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, v := range more {
			v.Correction = c
			list = append(list, v)
		}
	}
	return list, nil
}

// hoursAsKnown returns everybody's days of a month and stores none of them.
func (b Bills) hoursAsKnown(
	ctx context.Context,
	m tariff.Month,
	tenant tenancy.TenantID,
) (map[tariff.Person][]tariff.Day, error) {
	terms, err := b.Tariff(ctx)
	if err != nil {
		return nil, err
	}
	first, last := m.Days()
	list, err := b.Visits(ctx, first, last, ledger.VisitFilter{Tenant: tenant})
	if err != nil {
		return nil, err
	}
	visits := map[tariff.Person][]tariff.Visit{}
	for _, v := range list {
		who := tariff.Person{Tenant: v.Tenant, Member: v.Member}
		visits[who] = append(visits[who], v)
	}
	out := map[tariff.Person][]tariff.Day{}
	for who, own := range visits {
		if days := terms.Days(b.zone(first), first, last, own); len(days) > 0 {
			out[who] = days
		}
	}
	return out, nil
}

// billable returns the spaces whose visits may be billed.
func (b Bills) billable() []catalogue.SpaceID { return catalogue.EverBillable(b.history()) }
