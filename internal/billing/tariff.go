// Package billing turns visits into measured hours, hours into money, and use
// into rents (contract §4, §5). It is arithmetic on values: whole seconds,
// minutes and cents, with no clock and no storage. Who was where is package
// visit's; what was used package occupancy's.
package billing

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/lease"
)

// Version is what a plan or a lease was from a local date on; nil: it was deleted.
type Version[T any] struct {
	From  catalogue.Day
	Value *T
}

// Tariff is every plan and lease with what they were before: a change prices
// only the days from its own date on.
type Tariff struct {
	network *catalogue.Network
	leases  map[lease.ID][]Version[lease.Lease]
	plans   map[lease.PlanID][]Version[lease.Plan]
	days    map[catalogue.Day][]Terms
}

// Terms are a lease and its plan on one day.
type Terms struct {
	Lease *lease.Lease
	Plan  *lease.Plan
}

// NewTariff takes all versions, each list by From.
func NewTariff(n *catalogue.Network, leases map[lease.ID][]Version[lease.Lease], plans map[lease.PlanID][]Version[lease.Plan]) *Tariff {
	return &Tariff{n, leases, plans, map[catalogue.Day][]Terms{}}
}

func on[T any](versions []Version[T], day catalogue.Day) *T {
	var v *T
	for i := range versions {
		if versions[i].From <= day {
			v = versions[i].Value
		}
	}
	return v
}

// Leases are the ids of all leases that ever were, in order.
func (t *Tariff) Leases() []lease.ID {
	ids := make([]lease.ID, 0, len(t.leases))
	for id := range t.leases {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Terms of a lease on a day that it covers; ok is false on others.
func (t *Tariff) Terms(id lease.ID, day catalogue.Day) (terms Terms, ok bool) {
	l := on(t.leases[id], day)
	if l == nil || day < l.StartsOn || l.EndsOn != nil && day > *l.EndsOn {
		return Terms{}, false
	}
	p := on(t.plans[l.Plan], day)
	return Terms{l, p}, p != nil
}

// With is the tariff as it would be had a lease always been as it is given.
func (t *Tariff) With(l lease.Lease) *Tariff {
	leases := maps.Clone(t.leases)
	leases[l.ID] = []Version[lease.Lease]{{From: math.MinInt32, Value: &l}}
	return NewTariff(t.network, leases, t.plans)
}

// Last is the lease as it last was, whatever the day: whose it is.
func (t *Tariff) Last(id lease.ID) *lease.Lease { return Last(t.leases[id]) }

// Plan is the plan as it last was.
func (t *Tariff) Plan(id lease.PlanID) *lease.Plan { return Last(t.plans[id]) }

// Last is the newest version that is not a deletion; nil: there is none.
func Last[T any](versions []Version[T]) *T {
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].Value != nil {
			return versions[i].Value
		}
	}
	return nil
}

// on lists the leases that cover a day, cheapest first, then by id: the order
// in which they are asked for a space (§4).
func (t *Tariff) on(day catalogue.Day) []Terms {
	if list, ok := t.days[day]; ok {
		return list
	}
	var list []Terms
	for id := range t.leases {
		if terms, ok := t.Terms(id, day); ok {
			list = append(list, terms)
		}
	}
	slices.SortFunc(list, func(a, b Terms) int {
		return cmp.Or(cmp.Compare(a.Plan.HourlyRateCents, b.Plan.HourlyRateCents), cmp.Compare(a.Lease.ID, b.Lease.ID))
	})
	t.days[day] = list
	return list
}

// gives reports whether the terms give a member that space, whatever the lease's status.
func (t *Tariff) gives(x Terms, m lease.MemberID, tenant lease.TenantID, space catalogue.SpaceID) bool {
	serves := x.Lease.Members == nil && x.Lease.Tenant == tenant || slices.Contains(x.Lease.Members, m)
	if !serves {
		return false
	}
	if slices.Contains(x.Lease.Spaces, space) {
		return true
	}
	sp := t.network.Space(space)
	return sp != nil && slices.Contains(x.Plan.Includes, sp.Kind) && (x.Plan.Roaming || sp.Site == x.Lease.Site)
}

// leaseOf is the rank and terms of the lease that gives a member a space on a day; nil: none does.
func (t *Tariff) leaseOf(day catalogue.Day, m lease.MemberID, tenant lease.TenantID, space catalogue.SpaceID) (rank int, x *Terms) {
	list := t.on(day)
	for i := range list {
		if t.gives(list[i], m, tenant, space) {
			return i, &list[i]
		}
	}
	return len(list), nil
}
