// Package tariff computes prices: hours from visits, money from hours, and
// rents from use (rules 6, 7, 10). It computes on values, in whole seconds,
// minutes and cents, with no clock and no storage:
//
//	day := terms.Day(zone, today, visits) // hours and minutes of one member
//	amounts, _ := terms.Amounts(lease, month, minutes)
//
// Where people were is computed by package visit, how spaces were used by
// package occupancy.
package tariff

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/dated"
	"github.com/lorntech/totem/internal/tenancy"
)

// Leases holds all versions of leases.
type Leases = map[tenancy.LeaseID]tenancy.Terms[tenancy.Lease]

// Plans holds all versions of plans.
type Plans = map[tenancy.PlanID]tenancy.Terms[tenancy.Plan]

// Tariff holds every version of plans and leases: each prices the days on which it
// holds.
type Tariff struct {
	network catalogue.History
	only    *catalogue.Network // the network, where the catalogue has only one version
	leases  Leases
	when    map[tenancy.LeaseID][]tenancy.Version[tenancy.Lease] // leases with their dates
	plans   Plans
	days    map[catalogue.Day][]Terms
}

// Terms are a lease and its plan on one day.
type Terms struct {
	Lease *tenancy.Lease
	Plan  *tenancy.Plan
}

// New returns the tariff of all versions.
func New(n catalogue.History, leases Leases, plans Plans) *Tariff {
	t := &Tariff{
		n,
		nil,
		leases,
		make(map[tenancy.LeaseID][]tenancy.Version[tenancy.Lease], len(leases)),
		plans,
		map[catalogue.Day][]Terms{},
	}
	for id, h := range leases {
		t.when[id] = tenancy.LeaseVersions(h)
	}
	if v := n.Versions(); len(v) == 1 {
		t.only = *v[0].Value
	}
	return t
}

// Leases returns the ids of all leases that ever were, in order, without
// deleted ones.
func (t *Tariff) Leases() []tenancy.LeaseID {
	ids := make([]tenancy.LeaseID, 0, len(t.leases))
	for id, h := range t.leases {
		if h.Last() != nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Terms returns a lease's terms on a day that it covers; ok is false on other
// days.
func (t *Tariff) Terms(id tenancy.LeaseID, day catalogue.Day) (terms Terms, ok bool) {
	l := dated.On(t.when[id], day)
	if l == nil || !l.Covers(day) {
		return Terms{}, false
	}
	p := t.plans[l.Plan].On(day)
	return Terms{l, p}, p != nil
}

// With returns the tariff as it would be if some leases and plans had other
// versions.
func (t *Tariff) With(leases Leases, plans Plans) *Tariff {
	l, p := maps.Clone(t.leases), maps.Clone(t.plans)
	maps.Copy(l, leases)
	maps.Copy(p, plans)
	return New(t.network, l, p)
}

// Last returns the lease as it was last written, whatever the day: it tells
// whose it is.
func (t *Tariff) Last(id tenancy.LeaseID) *tenancy.Lease { return t.leases[id].Last() }

// LeaseTerms returns the history of a lease; empty where there is none.
func (t *Tariff) LeaseTerms(id tenancy.LeaseID) tenancy.Terms[tenancy.Lease] { return t.leases[id] }

// PlanTerms returns the history of a plan.
func (t *Tariff) PlanTerms(id tenancy.PlanID) tenancy.Terms[tenancy.Plan] { return t.plans[id] }

// termsOn returns the leases that cover a day, cheapest first, then by id: the
// order in which they are asked for a space (rules 6.2).
func (t *Tariff) termsOn(day catalogue.Day) []Terms {
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

// cutByCatalogue divides [from, to) where another catalogue begins to hold.
func (t *Tariff) cutByCatalogue(from, to time.Time) []catalogue.Piece {
	if t.only != nil {
		return []catalogue.Piece{{From: from, To: to, Network: t.only}}
	}
	return catalogue.Pieces(t.network, from, to)
}

// gives reports whether the terms give a space to the member of a visit, whatever the
// lease's status.
func (t *Tariff) gives(n *catalogue.Network, x Terms, v *Visit, space catalogue.SpaceID) bool {
	serves := x.Lease.Members == nil && x.Lease.Tenant == v.Tenant || slices.Contains(x.Lease.Members, v.Member)
	if !serves {
		return false
	}
	if slices.Contains(x.Lease.Spaces, space) {
		return true
	}
	sp := n.Space(space)
	return sp != nil && slices.Contains(x.Plan.Includes, sp.Kind) && (x.Plan.Roaming || sp.Site == x.Lease.Site)
}

// leaseOf returns the rank and terms of the lease that gives a space to the member of
// a visit on a day; nil: none does.
func (t *Tariff) leaseOf(
	n *catalogue.Network,
	day catalogue.Day,
	v *Visit,
	space catalogue.SpaceID,
) (rank int, x *Terms) {
	list := t.termsOn(day)
	for i := range list {
		if t.gives(n, list[i], v, space) {
			return i, &list[i]
		}
	}
	return len(list), nil
}
