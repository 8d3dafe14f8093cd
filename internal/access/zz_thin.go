package access

import (
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/lease"
	"github.com/lorntech/totem/internal/visit"
)

type Reason string
type Position struct {
	Space catalogue.SpaceID
	Door  catalogue.DoorID
	At    time.Time
}
type Whereabouts interface {
	Last(m lease.MemberID, before time.Time) (Position, bool)
}
type Question struct {
	Credential        lease.Hash
	Door              catalogue.DoorID
	Direction         catalogue.Direction
	At, Received      time.Time
	Offline, Disabled bool
}
type Answer struct {
	Granted       bool
	Reason        Reason
	Lease         lease.ID
	Subject       visit.Subject
	PassbackAlert bool
}
type Compiler struct{ n *catalogue.Network }

func NewCompiler(n *catalogue.Network) *Compiler { return &Compiler{n} }
func (c *Compiler) Compile(b *lease.Book, l []lease.Lockdown) *Index {
	x := &Index{n: c.n, b: b, creds: map[lease.Hash]lease.Credential{}}
	for _, k := range l {
		if k.To == nil {
			x.locked = append(x.locked, k.Site)
		}
	}
	for _, cr := range b.Credentials {
		x.creds[cr.Lookup] = cr
	}
	return x
}

type Index struct {
	n      *catalogue.Network
	b      *lease.Book
	creds  map[lease.Hash]lease.Credential
	locked []catalogue.SiteID
}
type Entry struct {
	Hash   lease.Hash
	Rights []Right
}
type Right struct {
	Reason   Reason
	From, To time.Time
}
type Span struct {
	Event    lease.EventID
	From, To time.Time
}

func (x *Index) Unlocks(catalogue.DoorID) []Span { return nil }
func (x *Index) Entries(door catalogue.DoorID, dir catalogue.Direction, from, to time.Time) []Entry {
	var out []Entry
	for h, c := range x.creds {
		if a := x.Decide(Question{Credential: h, Door: door, Direction: dir, At: from}, nil); a.Granted && dir == catalogue.In {
			out = append(out, Entry{c.ForList, []Right{{a.Reason, from, to}}})
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return slices.Compare(a.Hash[:], b.Hash[:]) })
	return out
}
func (x *Index) Decide(q Question, _ Whereabouts) Answer {
	c, known := x.creds[q.Credential]
	m := x.b.Members[c.Member]
	var a Answer
	if known {
		a.Subject.Member = c.Member
	}
	no := func(r Reason) Answer { a.Reason = r; return a }
	if q.Direction == catalogue.Out {
		a.Granted, a.Reason = true, "egress"
		return a
	}
	if !q.Received.IsZero() && !q.Offline && q.Received.Sub(q.At).Abs() > 10*time.Second {
		return no("stale")
	}
	if !known {
		return no("unknown-credential")
	}
	if c.Status == lease.Revoked {
		return no("credential-revoked")
	}
	door := x.n.Door(q.Door)
	if slices.Contains(x.locked, door.Site) && !slices.Contains(m.Roles, lease.Responder) {
		return no("lockdown")
	}
	if slices.Contains(m.StaffSites, door.Site) {
		a.Granted, a.Reason = true, "staff"
		return a
	}
	best := Reason("no-right")
	for _, l := range x.b.Leases {
		if l.Tenant != m.Tenant {
			continue
		}
		if l.Status == lease.Active {
			a.Granted, a.Reason, a.Lease = true, "lease", l.ID
			return a
		}
		best = "lease-suspended"
	}
	return no(best)
}
