package api

import (
	"crypto/rand"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// Pass is a visitor's pass as the API writes it; token is in the answer to its
// creation only.
type Pass struct {
	ID        tenancy.PassID      `json:"id"`
	Host      tenancy.MemberID    `json:"host" required:"true"`
	Name      string              `json:"name" required:"true"`
	Spaces    []catalogue.SpaceID `json:"spaces" nullable:"false" required:"true"`
	ValidFrom catalogue.Instant   `json:"valid_from" format:"date-time" required:"true"`
	ValidTo   catalogue.Instant   `json:"valid_to" format:"date-time" required:"true"`
	Token     string              `json:"token,omitempty" readOnly:"true" doc:"What the QR code carries, answered once: a badge message has qr: and this. Signed by the site where the readers can check it by themselves."`
}

func (s *server) changePass(c *caller, b *tenancy.Book, v Pass) (rights.Change, Pass, error) {
	p := tenancy.Pass{
		ID:        v.ID,
		Host:      v.Host,
		Name:      v.Name,
		Spaces:    v.Spaces,
		ValidFrom: milli(v.ValidFrom),
		ValidTo:   milli(v.ValidTo),
	}
	v.Token = ""
	if c.role == Tenant {
		if err := s.tenantsPass(c, b, v); err != nil {
			return rights.Change{}, v, err
		}
	}
	if old, ok := b.Pass(v.ID); ok {
		if old.Deleted {
			return rights.Change{}, v, &tenancy.ConflictError{Field: "id", Msg: "this pass was deleted; make another"}
		}
		p.Lookup, p.ForList, p.Claims = old.Lookup, old.ForList, old.Claims
		return rights.Change{Put: p}, v, nil
	}
	var err error
	if v.Token, p.Claims, err = s.passToken(b, p); err != nil {
		return rights.Change{}, v, err
	}
	token := wire.Credential{QR: true, Bytes: []byte(v.Token)}
	p.Lookup, p.ForList = wire.HashCredential(s.cfg.Keys.Lookup(), token), wire.HashCredential(s.cfg.Keys.List(), token)
	return rights.Change{Put: p}, v, nil
}

// longestSigned is how long the time of a signed pass may be.
const longestSigned = 366 * 24 * time.Hour

// passToken returns the token of a new pass. A site signs it, so that its
// readers can check it by themselves (rules 4.11). It names those spaces of the pass at
// that site which the host's leases give for the whole of the pass's time. Where there is no such space, or the pass
// has more than eight spaces or lasts longer than longestSigned, the token is a random text.
func (s *server) passToken(b *tenancy.Book, p tenancy.Pass) (token string, claims []byte, err error) {
	signed := wire.Pass{From: p.ValidFrom, To: p.ValidTo}
	var site catalogue.SiteID
	for _, id := range p.Spaces {
		sp := s.cfg.Network.Space(id)
		if sp != nil && (site == "" || sp.Site == site) && s.hostGives(b, p, sp) {
			site, signed.Spaces = sp.Site, append(signed.Spaces, wire.HashSpace(id))
		}
	}
	key, ok := s.cfg.Keys.Site(site)
	if !ok || len(p.Spaces) > wire.MostPassSpaces || p.ValidTo.Sub(p.ValidFrom) > longestSigned {
		return keys.NewSecret(), nil, nil
	}
	if _, err := rand.Read(signed.ID[:]); err != nil {
		return "", nil, err
	}
	return wire.SignPass(key.Private, signed), signed.Claims(), nil
}

// hostGives reports whether a pass opens a space at every instant of its time.
func (s *server) hostGives(b *tenancy.Book, p tenancy.Pass, sp *catalogue.Space) bool {
	host, _ := b.Member(p.Host)
	if slices.Contains(host.StaffSites, sp.Site) {
		return true
	}
	first := s.cfg.Network.Zone.At(p.ValidFrom).Day
	last := s.cfg.Network.Zone.At(p.ValidTo.Add(-time.Millisecond)).Day
	for day := first; day <= last; day++ {
		if !s.givesOn(b, host.Tenant, sp.ID, day) {
			return false
		}
	}
	return true
}

// givesOn reports whether an active lease gives a tenant a space on a local day.
func (s *server) givesOn(b *tenancy.Book, t tenancy.TenantID, space catalogue.SpaceID, day catalogue.Day) bool {
	for l, plan := range b.During(day, day) {
		if l.Tenant == t && l.ActiveOn(day) && b.Gives(l, plan, space) {
			return true
		}
	}
	return false
}

// longestPass is how long a tenant's pass may last: whoever comes for longer
// should be a member.
const longestPass = 31 * 24 * time.Hour

// tenantsPass refuses a pass of a tenant for spaces that its leases do not give
// while it lasts, for more than a month, or beyond the number that the settings
// allow.
func (s *server) tenantsPass(c *caller, b *tenancy.Book, v Pass) error {
	for i, id := range v.Spaces {
		if s.cfg.Network.Space(id) != nil && !s.tenantHasSpace(b, c.tenant, id, milli(v.ValidFrom), milli(v.ValidTo)) {
			return invalid(
				"body",
				fmt.Sprintf("spaces[%d]", i),
				"a tenant's pass opens only what its own leases give while it lasts",
			)
		}
	}
	if v.ValidTo.Sub(v.ValidFrom.Time) > longestPass {
		return invalid("body", "valid_to", "is more than 31 days after valid_from: a tenant's pass lasts no longer")
	}
	if _, there := b.Pass(v.ID); there {
		return nil
	}
	n := 0
	for p := range b.Passes() {
		if host, _ := b.Member(p.Host); !p.Deleted && host.Tenant == c.tenant && p.ValidTo.After(s.cfg.Now()) {
			n++
		}
	}
	return s.cfg.Most.check("passes", n, s.cfg.Most.Passes)
}

// tenantHasSpace reports whether some active lease gives a tenant a space on some day of
// a period.
func (s *server) tenantHasSpace(b *tenancy.Book, t tenancy.TenantID, space catalogue.SpaceID, from, to time.Time) bool {
	first, last := s.cfg.Network.Zone.At(from).Day, s.cfg.Network.Zone.At(to).Day
	for l, plan := range b.During(first, last) {
		if l.Tenant == t && l.Status == tenancy.Active && l.StartsOn <= last && (l.EndsOn == nil || *l.EndsOn >= first) &&
			b.Gives(l, plan, space) {
			return true
		}
	}
	return false
}

// passes registers the endpoints of visitors' passes. A deleted pass is kept, but not
// shown.
func (s *server) passes() {
	register(s, resource[Pass]{
		path: "/v1/passes", noun: "pass", kind: rights.KindPass,
		read:  peopleRoles(),
		write: peopleRoles(),
		id:    func(v *Pass) *string { return (*string)(&v.ID) },
		all: func(b *tenancy.Book) iter.Seq[Pass] {
			return convert(only(b.Passes(), func(p tenancy.Pass) bool { return !p.Deleted }), showPass)
		},
		find: func(b *tenancy.Book, id string) (Pass, bool) {
			v, ok := b.Pass(tenancy.PassID(id))
			return showPass(v), ok && !v.Deleted
		},
		may: func(c *caller, b *tenancy.Book, v Pass) bool {
			return s.maySpaces(c, v.Spaces) && s.mayPerson(c, b, v.Host)
		},
		change: s.changePass,
		answer: func(found, changed Pass, _, _ *tenancy.Book) Pass {
			found.Token = changed.Token
			return found
		},
	})
}
