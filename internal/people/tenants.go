package people

import (
	"strings"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// team makes LORnTECH's own people: for each site a manager and a technician,
// who pass in a lockdown, two people at the desk and one who cleans at night;
// and three who work at all sites.
func (m *maker) team() {
	sites := m.Network.Sites
	if len(sites) == 0 {
		return
	}
	id := tenancy.TenantID(m.names.id("lorntech"))
	m.Tenants = append(m.Tenants, tenancy.Tenant{ID: id, Name: "LORnTECH", Site: sites[0].ID, Kind: tenancy.Institution})
	var all []catalogue.SiteID
	for _, s := range sites {
		all = append(all, s.ID)
		for job := range 5 {
			p := m.member(id, tenancy.Institution)
			p.StaffSites = []catalogue.SiteID{s.ID}
			if job < 2 {
				p.Roles = []tenancy.MemberRole{tenancy.Responder}
			}
		}
	}
	for range 3 {
		m.member(id, tenancy.Institution).StaffSites = all
	}
}

// member adds a person of a tenant.
func (m *maker) member(t tenancy.TenantID, kind tenancy.TenantKind) *tenancy.Member {
	name, id := m.names.person(m.rng)
	domain := map[tenancy.TenantKind]string{tenancy.Company: "example.com", tenancy.Association: "example.org",
		tenancy.Institution: "example.net"}[kind]
	m.Members = append(m.Members, tenancy.Member{
		ID: tenancy.MemberID(id), Tenant: t, Name: name, Email: strings.ReplaceAll(id, "-", ".") + "@" + domain,
		Roles: []tenancy.MemberRole{}, StaffSites: []catalogue.SiteID{},
	})
	return &m.Members[len(m.Members)-1]
}

// tenants makes all other tenants, with their members and leases: more where
// the site is larger.
func (m *maker) tenants() {
	rows := m.Network.Summary()
	area := 0.0
	for i := range rows {
		rows[i].AreaM2++ // a site without a space has tenants too
		area += rows[i].AreaM2
	}
	firms := m.firms - len(m.Tenants)
	people := m.people - len(m.Members)
	done := 0.0
	for i, r := range rows {
		before := done
		done += r.AreaM2
		share := func(total int) int { return int(float64(total)*done/area+0.5) - int(float64(total)*before/area+0.5) }
		m.site(&m.Network.Sites[i], share(firms), share(people))
	}
}

// site makes a site's tenants, and spreads its people over them.
func (m *maker) site(s *catalogue.Site, firms, people int) {
	market := m.market(s.ID)
	for i := range firms {
		stance := market.stance(m, i)
		kind := tenancy.Company
		switch {
		case stance.plan == association:
			kind = tenancy.Association
		case i > 2 && m.chance(10):
			kind = tenancy.Institution
		}
		name, id := m.names.tenant(m.rng, kind, s.City)
		t := tenancy.Tenant{ID: tenancy.TenantID(id), Name: name, Site: s.ID, Kind: kind}
		m.Tenants = append(m.Tenants, t)
		left := firms - i
		size := min(people, max(people/left+m.between(-people/left/2, people/left/2), 2))
		if left == 1 {
			size = people
		}
		people -= size
		first := len(m.Members)
		for range size {
			if p := m.member(t.ID, kind); m.chance(1) {
				p.Roles = []tenancy.MemberRole{tenancy.Responder}
			}
		}
		m.lease(t, stance, m.Members[first:])
	}
}

// market holds the spaces of a site that can still be let.
type market struct {
	offices, incubators, studios []catalogue.SpaceID
	shared                       []tenancy.PlanID // plans whose spaces the site has
}

func (m *maker) market(site catalogue.SiteID) *market {
	k := &market{
		offices:    m.spaces(site, catalogue.PrivateOffice),
		incubators: m.spaces(site, catalogue.Incubator, catalogue.Accelerator),
		studios:    m.lettable(m.spaces(site, catalogue.Studio)),
	}
	for _, offer := range []struct {
		kind  catalogue.SpaceKind
		plans []tenancy.PlanID
	}{
		{catalogue.Coworking, []tenancy.PlanID{fullCoworking, dayCoworking, roaming, fullCoworking}},
		{catalogue.AssociationsOffice, []tenancy.PlanID{association, association, association}},
		{catalogue.FabLab, []tenancy.PlanID{makers}},
	} {
		if len(m.spaces(site, offer.kind)) > 0 {
			k.shared = append(k.shared, offer.plans...)
		}
	}
	return k
}

// lettable returns the spaces that have a rent.
func (m *maker) lettable(ids []catalogue.SpaceID) []catalogue.SpaceID {
	var let []catalogue.SpaceID
	for _, id := range ids {
		if m.Network.Space(id).RentCents > 0 {
			let = append(let, id)
		}
	}
	return let
}

// stance is the reason why a tenant of the demo comes to the building.
type stance struct {
	plan   tenancy.PlanID
	space  catalogue.SpaceID // its own space; empty: none
	status tenancy.Status
	sure   bool // the lease holds now: it has not ended and has begun
}

// stance decides what the site's i-th tenant rents. The first three are fixed:
// one with an office around the clock and one whose coworking is suspended,
// which are the demo's examples, and one that works in the coworking.
func (k *market) stance(m *maker, i int) stance {
	s := stance{status: tenancy.Active, sure: i < 3}
	switch draw := m.rng.IntN(10); {
	case i == 1 && len(k.shared) > 0 && k.shared[0] == fullCoworking:
		s.plan, s.status = fullCoworking, tenancy.Suspended
	case i%3 == 2 && len(k.shared) > 0: // most of what is billed is hours in the coworking
		s.plan = k.shared[i/3%len(k.shared)]
	case (i == 0 || draw < 4) && len(k.offices) > 0:
		s.plan, s.space, k.offices = privateOffice, k.offices[0], k.offices[1:]
	case draw == 4 && len(k.studios) > 0:
		s.plan, s.space, k.studios = residency, k.studios[0], k.studios[1:]
	case draw <= 6 && len(k.incubators) > 0:
		s.plan, s.space = incubation, k.incubators[m.rng.IntN(len(k.incubators))]
	case len(k.shared) > 0:
		s.plan = k.shared[(i+draw)%len(k.shared)]
	default:
		s.plan = privateOffice
	}
	return s
}
