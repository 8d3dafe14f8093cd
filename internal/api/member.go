package api

import (
	"slices"

	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
)

// mayMember reports whether the caller may see and change a member. A tenant's token may for the members of its
// tenant, a token limited to sites for the members of tenants at these sites.
func mayMember(c *caller, b *tenancy.Book, m tenancy.Member) bool {
	t, ok := b.Tenant(m.Tenant)
	if ok && !c.reaches(t.Site) {
		return false
	}
	return c.role != Tenant || m.Tenant == c.tenant
}

func (s *server) mayPerson(c *caller, b *tenancy.Book, id tenancy.MemberID) bool {
	m, ok := b.Member(id)
	return ok && mayMember(c, b, m)
}

// changeMember refuses roles and staff sites that the caller may not give: a tenant may change neither, and a manager
// may add only staff sites of its own.
func (s *server) changeMember(c *caller, b *tenancy.Book, v tenancy.Member) (rights.Change, tenancy.Member, error) {
	old, there := b.Member(v.ID)
	if c.role == Tenant && !there {
		n := 0
		for m := range b.MembersUnordered() {
			if m.Tenant == c.tenant {
				n++
			}
		}
		if err := s.cfg.Most.check("members", n, s.cfg.Most.Members); err != nil {
			return rights.Change{}, v, err
		}
	}
	if c.role == Tenant && (!slices.Equal(v.Roles, old.Roles) || !slices.Equal(v.StaffSites, old.StaffSites)) {
		return rights.Change{}, v, forbidden("a role or staff site")
	}
	for _, site := range v.StaffSites {
		if !c.reaches(site) && !slices.Contains(old.StaffSites, site) {
			return rights.Change{}, v, forbidden("staff site " + string(site))
		}
	}
	return rights.Change{Put: v}, v, nil
}

// members registers the endpoints of members.
func (s *server) members() {
	register(s, resource[tenancy.Member]{
		path: "/v1/members", noun: "member", kind: rights.KindMember,
		read:   peopleRoles(),
		write:  peopleRoles(),
		id:     func(v *tenancy.Member) *string { return (*string)(&v.ID) },
		all:    (*tenancy.Book).Members,
		find:   func(b *tenancy.Book, id string) (tenancy.Member, bool) { return b.Member(tenancy.MemberID(id)) },
		may:    mayMember,
		change: s.changeMember,
	})
}

// peopleRoles are the roles that see and write members, credentials and passes.
func peopleRoles() []Role { return []Role{Admin, Manager, Tenant} }
