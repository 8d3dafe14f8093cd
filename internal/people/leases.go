package people

import (
	"fmt"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// lease gives a tenant the leases that it comes for. Members of office tenants
// for whom the office has no seat get days in the coworking.
func (m *maker) lease(t tenancy.Tenant, s stance, people []tenancy.Member) {
	l := tenancy.Lease{
		ID: m.leaseID(t.ID, s.plan), Tenant: t.ID, Site: t.Site, Plan: s.plan, Status: s.status,
		StartsOn: m.Today - catalogue.Day(m.between(60, 1200)), Spaces: []catalogue.SpaceID{},
	}
	if s.space != "" {
		l.Spaces = append(l.Spaces, s.space)
		l.RentCentsMonth = m.rent(s)
	}
	switch draw := m.rng.IntN(100); {
	case s.sure:
	case draw < 4:
		l.Status = tenancy.Suspended
	case draw < 9:
		l.EndsOn = m.day(-m.between(1, 40))
	case draw < 13:
		l.StartsOn = m.Today + catalogue.Day(m.between(1, 30))
	case draw < 45:
		l.EndsOn = m.day(m.between(20, 700))
	}
	if (s.plan == dayCoworking || s.plan == roaming) && len(people) > 3 {
		l.Members = sample(people, len(people)*4/5)
	}
	m.Leases = append(m.Leases, l)
	if s.plan == privateOffice && len(people) >= 3 && len(m.spaces(t.Site, catalogue.Coworking)) > 0 {
		seats := min(
			m.Network.Space(s.space).Capacity,
			len(people)-1,
		) // members without a seat in the office work in the coworking
		m.Leases = append(m.Leases, tenancy.Lease{
			ID:       m.leaseID(t.ID, dayCoworking),
			Tenant:   t.ID,
			Site:     t.Site,
			Plan:     dayCoworking,
			Status:   tenancy.Active,
			StartsOn: m.Today - catalogue.Day(m.between(20, 300)),
			Spaces:   []catalogue.SpaceID{},
			Members:  sample(people[seats:], len(people)),
		})
	}
}

func (m *maker) leaseID(t tenancy.TenantID, p tenancy.PlanID) tenancy.LeaseID {
	return tenancy.LeaseID(fmt.Sprintf("%s-%s", t, p))
}

func (m *maker) day(fromToday int) *catalogue.Day {
	d := m.Today + catalogue.Day(fromToday)
	return &d
}

// rent returns the month's rent of the space; in an incubator, the part of four of
// its places.
func (m *maker) rent(s stance) int {
	space := m.Network.Space(s.space)
	rent := int(space.AreaM2 * float64(space.RentCents))
	if s.plan == incubation {
		rent = rent * 4 / max(space.Capacity, 4)
	}
	return rent
}

func sample(people []tenancy.Member, n int) []tenancy.MemberID {
	ids := []tenancy.MemberID{}
	for _, p := range people[:min(n, len(people))] {
		ids = append(ids, p.ID)
	}
	return ids
}
