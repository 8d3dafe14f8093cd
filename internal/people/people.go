// Package people makes up who uses a network: tenants, members, badges, plans,
// leases, visitors and events, as plausible as the buildings and as made up as
// the names. `totem demo` and the firmware simulator use it.
//
// It is never part of `totem serve`, and contains what a real ledger never
// does: the badges' UIDs and the visitors' tokens, because somebody has to
// badge.
package people

import (
	"math/rand/v2"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// World holds all made-up people. The order of each list is fixed, and nothing
// refers to what comes later: when the fields are entered in order, every
// reference exists already.
type World struct {
	Network   *catalogue.Network
	Today     catalogue.Day
	Schedules []tenancy.Schedule
	Plans     []tenancy.Plan
	Tenants   []tenancy.Tenant
	Members   []tenancy.Member
	Cards     []Card
	Leases    []tenancy.Lease
	Passes    []Pass
	Events    []tenancy.Event
}

// Card is a credential with the UID with which its owner badges.
type Card struct {
	Credential tenancy.CredentialID
	Member     tenancy.MemberID
	UID        []byte // 4 or 7 bytes, as read
	Kind       tenancy.CredentialKind
	Status     tenancy.Status
	ValidFrom  *time.Time // nil: without bound
	ValidTo    *time.Time // excluded; nil: without bound
}

// Pass is a visitor's pass with its QR token; the badge is "qr:" and Token.
type Pass struct {
	ID        tenancy.PassID
	Host      tenancy.MemberID
	Name      string
	Spaces    []catalogue.SpaceID
	ValidFrom time.Time
	ValidTo   time.Time // excluded
	Token     string
}

// The size of the demo, spread over the sites by their area.
const (
	tenantCount = 60
	memberCount = 600
)

// New makes up the people of a network. The same network, seed and day give the
// same world; another day moves its dates and changes nobody. A site without a
// kind of space has no tenants who rent one.
func New(n *catalogue.Network, seed uint64, today catalogue.Day) *World {
	m := begin(n, seed, today, tenantCount, memberCount)
	m.passes()
	m.events()
	m.nights()
	m.workshops()
	return m.World
}

// Many makes up so many tenants and members of a network, with their badges and leases and
// nothing else.
func Many(n *catalogue.Network, seed uint64, today catalogue.Day, tenants, members int) *World {
	return begin(n, seed, today, tenants, members).World
}

func begin(n *catalogue.Network, seed uint64, today catalogue.Day, tenants, members int) *maker {
	w := &World{Network: n, Today: today, Schedules: schedules(), Plans: plans()}
	m := &maker{World: w, rng: rand.New(rand.NewPCG(seed, 0x746f74656d)), names: newNames(), uids: map[string]bool{},
		firms: tenants, people: members}
	m.team()
	m.tenants()
	m.cards()
	return m
}

// maker invents the people of a World from a seed.
type maker struct {
	*World
	rng   *rand.Rand
	names *names
	uids  map[string]bool

	firms, people int // how many tenants and members there are to be
}

// chance returns true in percent of 100 draws.
func (m *maker) chance(percent int) bool { return m.rng.IntN(100) < percent }

// between returns a random number in [least, most].
func (m *maker) between(least, most int) int { return least + m.rng.IntN(most-least+1) }

// at returns an instant of a day counted from today, on the network's clock.
func (m *maker) at(day, hour, minute int) time.Time {
	return m.Network.Zone.Instant(m.Today+catalogue.Day(day), hour*3600+minute*60)
}

// spaces lists a site's spaces of a kind, in the catalogue's order.
func (w *World) spaces(site catalogue.SiteID, kinds ...catalogue.SpaceKind) []catalogue.SpaceID {
	var ids []catalogue.SpaceID
	for _, kind := range kinds {
		for _, s := range w.Network.Spaces {
			if s.Site == site && s.Kind == kind {
				ids = append(ids, s.ID)
			}
		}
	}
	return ids
}
