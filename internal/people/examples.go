package people

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// Example is a badge at a reader whose answer is certain at any hour.
type Example struct {
	Device catalogue.DeviceID // the reader; empty: the site has no such example
	UID    string             // upper-case hex, as a badge message's credential
	Why    string             // what a newcomer should know of it; it names the tenant, not the person
}

// Examples returns two badges of a site. The first certainly opens at any hour
// of any day: its holder has a lease around the clock. The second is certainly
// refused, because the lease of its holder's tenant is suspended.
func (w *World) Examples(site catalogue.SiteID) (opens, refused Example) {
	for _, l := range w.Leases {
		if l.Site != site || l.Members != nil {
			continue
		}
		card, ok := w.goodCard(l.Tenant)
		if !ok || !w.only(l) {
			continue
		}
		tenant := w.tenant(l.Tenant)
		if l.Status == tenancy.Active && l.Plan == privateOffice && len(l.Spaces) > 0 && opens.Device == "" {
			way := w.Network.Chain(l.Spaces[0])
			opens = Example{
				w.reader(way[len(way)-1]),
				spell(card.UID),
				fmt.Sprintf("%s rents %s around the clock", tenant.Name, w.Network.Space(l.Spaces[0]).Name),
			}
		}
		if l.Status == tenancy.Suspended && l.Plan == fullCoworking && refused.Device == "" {
			refused = Example{
				w.reader(w.spaces(site, catalogue.Coworking)[0]),
				spell(card.UID),
				fmt.Sprintf("the coworking lease of %s is suspended: lease-suspended", tenant.Name),
			}
		}
	}
	return opens, refused
}

// only reports whether the lease has begun, has no end and, if it is suspended, is
// its tenant's only lease.
func (w *World) only(l tenancy.Lease) bool {
	for _, other := range w.Leases {
		if other.Tenant == l.Tenant && other.ID != l.ID && l.Status == tenancy.Suspended {
			return false
		}
	}
	return l.StartsOn < w.Today && l.EndsOn == nil
}

// goodCard returns a card, without time limits, of a tenant's member who is
// neither staff nor invited anywhere.
func (w *World) goodCard(t tenancy.TenantID) (Card, bool) {
	plain := map[tenancy.MemberID]bool{}
	for _, p := range w.Members {
		plain[p.ID] = p.Tenant == t && len(p.StaffSites) == 0
	}
	for _, e := range w.Events {
		for _, p := range e.Invited {
			delete(plain, p)
		}
	}
	for _, c := range w.Cards {
		if plain[c.Member] && c.Status == tenancy.Active && c.ValidFrom == nil && c.ValidTo == nil {
			return c, true
		}
	}
	return Card{}, false
}

func (w *World) tenant(id tenancy.TenantID) tenancy.Tenant {
	for _, t := range w.Tenants {
		if t.ID == id {
			return t
		}
	}
	return tenancy.Tenant{}
}

// reader returns the first reader that lets people into the space.
func (w *World) reader(space catalogue.SpaceID) catalogue.DeviceID {
	for _, d := range w.Network.Devices {
		if d.Kind != catalogue.Reader || d.Direction != catalogue.In || d.Disabled {
			continue
		}
		if door := w.Network.Door(d.Door); door != nil && door.To == space {
			return d.ID
		}
	}
	return ""
}

func spell(uid []byte) string { return strings.ToUpper(hex.EncodeToString(uid)) }
