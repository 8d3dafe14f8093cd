package people

import (
	"fmt"
	"slices"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// passes gives each site visitors: yesterday's, today's and tomorrow's.
func (m *maker) passes() {
	for _, s := range m.Network.Sites {
		host, ok := m.host(s.ID)
		rooms := m.spaces(s.ID, catalogue.MeetingRoom, catalogue.Demo, catalogue.Common)
		if !ok || len(rooms) == 0 {
			continue
		}
		for day := -1; day <= 1; day++ {
			for i := range 2 {
				name, _ := m.names.person(m.rng)
				m.Passes = append(m.Passes, Pass{
					ID: tenancy.PassID(fmt.Sprintf("%s-visite-%d", s.ID, (day+1)*2+i+1)), Host: host, Name: name,
					Spaces:    []catalogue.SpaceID{rooms[m.rng.IntN(len(rooms))]},
					ValidFrom: m.at(day, 8, 0), ValidTo: m.at(day, 20, 0), Token: m.token(),
				})
			}
		}
	}
}

// token returns 26 random letters and digits that are not easily confused.
func (m *maker) token() string {
	const alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
	b := make([]byte, 26)
	for i := range b {
		b[i] = alphabet[m.rng.IntN(len(alphabet))]
	}
	return string(b)
}

// host returns a member who may invite: the first of the site's first tenant.
func (m *maker) host(site catalogue.SiteID) (tenancy.MemberID, bool) {
	tenants := m.tenantsOf(site)
	for _, p := range m.Members {
		if len(tenants) > 0 && p.Tenant == tenants[0] {
			return p.ID, true
		}
	}
	return "", false
}

// tenantsOf returns a site's tenants without LORnTECH itself.
func (w *World) tenantsOf(site catalogue.SiteID) []tenancy.TenantID {
	var ids []tenancy.TenantID
	for i, t := range w.Tenants {
		if i > 0 && t.Site == site {
			ids = append(ids, t.ID)
		}
	}
	return ids
}

// events gives each site a public evening three days ago, this evening and in
// four days, and a workshop by invitation yesterday and tomorrow.
func (m *maker) events() {
	for _, s := range m.Network.Sites {
		rooms := m.spaces(s.ID, catalogue.Auditorium, catalogue.Demo, catalogue.Cafe, catalogue.Common)
		if len(rooms) == 0 {
			continue
		}
		for i, e := range []struct {
			day, from, to int
			title         string
		}{
			{-3, 18, 21, "Soirée des projets"},
			{0, 18, 21, "Apéro numérique"},
			{4, 18, 22, "Conférence: la forge du code"},
			{-1, 14, 17, "Atelier prototypage"},
			{1, 14, 17, "Atelier données ouvertes"},
		} {
			event := tenancy.Event{
				ID:       tenancy.EventID(fmt.Sprintf("%s-evenement-%d", s.ID, i+1)),
				Title:    e.title,
				Spaces:   rooms[:1],
				StartsAt: m.at(e.day, e.from, 0),
				EndsAt:   m.at(e.day, e.to, 0),
				Audience: tenancy.Public,
				Invited:  []tenancy.MemberID{},
			}
			if i >= 3 {
				event.Audience, event.Invited = tenancy.Invited, m.guests(s.ID)
			}
			m.Events = append(m.Events, event)
		}
	}
}

// guests returns twelve random members of the site, none of its first two
// tenants (they are the examples, and an invitation would open doors to them)
// and none who is up at night.
func (m *maker) guests(site catalogue.SiteID) []tenancy.MemberID {
	tenants := m.tenantsOf(site)
	mine := map[tenancy.TenantID]bool{}
	for _, t := range tenants[min(2, len(tenants)):] {
		mine[t] = true
	}
	up := m.crew(site)
	var all []tenancy.MemberID
	for _, p := range m.Members {
		if mine[p.Tenant] && !slices.Contains(up, p.ID) {
			all = append(all, p.ID)
		}
	}
	m.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return append([]tenancy.MemberID{}, all[:min(12, len(all))]...)
}
