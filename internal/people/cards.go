package people

import (
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// Lengths of UIDs in bytes: older cards, and newer ones with telephones.
const (
	shortUID = 4
	longUID  = 7
)

// cards gives every member a badge, and some a telephone too; some have lost
// one, and a few have only one that no longer opens anything. The people of the
// examples and the staff have only good ones.
func (m *maker) cards() {
	examples := m.examples()
	for i := range m.Members {
		p := &m.Members[i]
		status, from, to := tenancy.Active, (*time.Time)(nil), (*time.Time)(nil)
		switch draw := m.rng.IntN(100); {
		case len(p.StaffSites) > 0 || examples[p.Tenant]:
		case draw < 4:
			m.card(p.ID, "ancienne-carte", tenancy.Lost, nil, nil)
		case draw < 6:
			status = tenancy.Revoked
		case draw < 8:
			to = m.instant(-m.between(1, 90))
		case draw < 9:
			from = m.instant(m.between(1, 14))
		case draw < 20:
			from, to = m.instant(-m.between(100, 400)), m.instant(m.between(30, 400))
		}
		m.card(p.ID, "carte", status, from, to)
		if m.chance(15) {
			m.card(p.ID, string(tenancy.Mobile), tenancy.Active, nil, nil)
		}
	}
}

// examples returns the tenants that are one of their site's two examples.
func (m *maker) examples() map[tenancy.TenantID]bool {
	seen, out := map[catalogue.SiteID]int{}, map[tenancy.TenantID]bool{}
	for i, tenant := range m.Tenants {
		if i == 0 { // the network's own team
			continue
		}
		out[tenant.ID] = seen[tenant.Site] < 2
		seen[tenant.Site]++
	}
	return out
}

func (m *maker) instant(day int) *time.Time {
	at := m.at(day, 0, 0)
	return &at
}

func (m *maker) card(p tenancy.MemberID, what string, status tenancy.Status, from, to *time.Time) {
	kind, size := tenancy.Card, longUID
	switch {
	case what == string(tenancy.Mobile):
		kind = tenancy.Mobile
	case m.chance(40):
		size = shortUID
	}
	m.Cards = append(m.Cards, Card{
		Credential: tenancy.CredentialID(fmt.Sprintf("%s-%s", p, what)), Member: p, UID: m.uid(kind, size), Kind: kind,
		Status: status, ValidFrom: from, ValidTo: to,
	})
}

// uid returns a random UID that nobody has yet. One of 7 bytes on a card begins with
// 04, the manufacturer's code. None ends in 00, so that every spelling of it (rules
// 2.5) means this UID alone.
func (m *maker) uid(kind tenancy.CredentialKind, size int) []byte {
	for {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(m.between(1, 255))
		}
		switch {
		case kind == tenancy.Mobile:
			b[0] = 0x5F
		case size == longUID:
			b[0] = 0x04
		}
		if !m.uids[string(b)] {
			m.uids[string(b)] = true
			return b
		}
	}
}
