package billing

import (
	"context"
	"slices"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
)

// MonthChange is what a change of plans or leases does to one month of some
// tenants.
type MonthChange struct {
	Month tariff.Month
	// Before and After are the amounts not yet issued, excluding VAT, in cents.
	Before, After int64
	// Correction is what the next statements would add to, or subtract from,
	// those that are issued, excluding VAT, in cents.
	Correction int64
}

// mostMonths is how far back a dry run looks.
const mostMonths = 120

// Compare prices the months from a day to now, of some tenants (sorted), by two
// tariffs. It leaves out months in which nothing differs.
func (b Bills) Compare(
	ctx context.Context,
	before, after *tariff.Tariff,
	tenants []tenancy.TenantID,
	since catalogue.Day,
) ([]MonthChange, error) {
	had, err := b.issued(ctx)
	if err != nil {
		return nil, err
	}
	issued := map[tenancy.LeaseID]history{}
	for _, s := range had {
		issued[s.Lease] = append(issued[s.Lease], s)
	}
	leases := slices.DeleteFunc(
		slices.Compact(slices.Sorted(slices.Values(append(before.Leases(), after.Leases()...)))),
		func(id tenancy.LeaseID) bool {
			l := before.Last(id)
			if l == nil {
				l = after.Last(id)
			}
			_, its := slices.BinarySearch(tenants, l.Tenant)
			return !its
		},
	)
	today := b.Network.Zone.At(b.Now()).Day
	first, last := monthOf(since), monthOf(max(today, since)) // if it begins in the future, the month in which it begins
	var list []MonthChange
	for i := max(first.Index(), last.Index()-mostMonths); i <= last.Index(); i++ {
		m := tariff.MonthAt(i)
		c, err := b.compareMonth(ctx, before, after, m, tenants, leases, issued)
		if err != nil {
			return nil, err
		}
		if c.Before != c.After || c.Correction != 0 {
			list = append(list, c)
		}
	}
	return list, nil
}

func monthOf(day catalogue.Day) tariff.Month {
	year, month, _ := day.Civil()
	return tariff.Month{Year: year, Month: month}
}

func (b Bills) compareMonth(
	ctx context.Context,
	before, after *tariff.Tariff,
	m tariff.Month,
	tenants []tenancy.TenantID,
	leases []tenancy.LeaseID,
	issued map[tenancy.LeaseID]history,
) (MonthChange, error) {
	c := MonthChange{Month: m}
	visits, err := b.visitsOf(ctx, m, tenants)
	if err != nil {
		return c, err
	}
	was, is := b.minutesBy(before, m, visits), b.minutesBy(after, m, visits)
	for _, id := range leases {
		x, _ := before.Amounts(id, m, was[id])
		y, _ := after.Amounts(id, m, is[id])
		if had := issued[id]; had.has(m) {
			c.Correction += y.Net - x.Net
			continue
		}
		c.Before, c.After = c.Before+x.Net, c.After+y.Net
	}
	return c, nil
}

// up to fewTenants tenants are loaded one by one.
const fewTenants = 20

// visitsOf returns the visits of a month of some tenants' members; tenants are
// sorted.
func (b Bills) visitsOf(
	ctx context.Context,
	m tariff.Month,
	tenants []tenancy.TenantID,
) (map[tariff.Person][]tariff.Visit, error) {
	first, last := m.Days()
	all := map[tariff.Person][]tariff.Visit{}
	if len(tenants) > fewTenants {
		visits, err := b.Visits(ctx, first, last, ledger.VisitFilter{})
		for _, v := range visits {
			if _, its := slices.BinarySearch(tenants, v.Tenant); its {
				p := tariff.Person{Tenant: v.Tenant, Member: v.Member}
				all[p] = append(all[p], v)
			}
		}
		return all, err
	}
	for _, t := range tenants {
		visits, err := b.Visits(ctx, first, last, ledger.VisitFilter{Tenant: t})
		if err != nil {
			return nil, err
		}
		for _, v := range visits {
			p := tariff.Person{Tenant: v.Tenant, Member: v.Member}
			all[p] = append(all[p], v)
		}
	}
	return all, nil
}

// minutesBy returns leases' billable minutes of a month, by day, by a tariff.
func (b Bills) minutesBy(
	t *tariff.Tariff,
	m tariff.Month,
	visits map[tariff.Person][]tariff.Visit,
) map[tenancy.LeaseID]map[catalogue.Day]int64 {
	first, last := m.Days()
	all := map[tenancy.LeaseID]map[catalogue.Day]int64{}
	for _, own := range visits {
		for _, d := range t.Days(b.zone(first), first, last, own) {
			for _, s := range d.Leases {
				if all[s.Lease] == nil {
					all[s.Lease] = map[catalogue.Day]int64{}
				}
				all[s.Lease][d.Day] += s.Minutes
			}
		}
	}
	return all
}
