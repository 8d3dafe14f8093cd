package tenancy

import (
	"fmt"
	"net/mail"
	"slices"
)

// PutTenant checks and sets a tenant. Errors of all Puts are *FieldError and *ConflictError.
func (b *Book) PutTenant(v Tenant) error {
	c := &checker{book: b}
	c.id(string(v.ID))
	c.name("name", v.Name)
	c.site("site", v.Site)
	oneOf(c, "kind", v.Kind, Company, Association, Institution)
	if c.err == nil {
		b.tenants[v.ID] = v
	}
	return c.err
}

// PutMember checks and sets a member.
func (b *Book) PutMember(v Member) error {
	c := &checker{book: b}
	c.id(string(v.ID))
	_, ok := b.tenants[v.Tenant]
	c.must(ok, "tenant", "there is no tenant %q", v.Tenant)
	c.name("name", v.Name)
	if v.Email != "" {
		_, err := mail.ParseAddress(v.Email)
		c.must(err == nil, "email", "is not an email address")
	}
	for i, r := range v.Roles {
		oneOf(c, fmt.Sprintf("roles[%d]", i), r, Responder)
	}
	unique(c, "roles", v.Roles)
	for i, s := range v.StaffSites {
		c.site(fmt.Sprintf("staff_sites[%d]", i), s)
	}
	unique(c, "staff_sites", v.StaffSites)
	if old, there := b.members[v.ID]; there && old.Tenant != v.Tenant && c.err == nil {
		// A lease that names members names only members of its tenant.
		for l := range b.Leases() {
			if slices.Contains(l.Members, v.ID) {
				return &ConflictError{"tenant", fmt.Sprintf("lease %q names this member", l.ID)}
			}
		}
	}
	if c.err == nil {
		v.Roles, v.StaffSites = notNil(v.Roles), notNil(v.StaffSites)
		b.members[v.ID] = v
	}
	return c.err
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// PutCredential checks and sets a credential. No other credential may have its
// UID, and its member never changes.
func (b *Book) PutCredential(v Credential) error {
	c := &checker{book: b}
	c.id(string(v.ID))
	_, ok := b.members[v.Member]
	c.must(ok, "member", "there is no member %q", v.Member)
	oneOf(c, "kind", v.Kind, Card, Mobile, QR)
	oneOf(c, "status", v.Status, Active, Lost, Revoked)
	if v.ValidFrom != nil && v.ValidTo != nil {
		c.must(v.ValidFrom.Before(*v.ValidTo), "valid_to", "is not after valid_from")
	}
	if v.ValidFrom != nil {
		c.instant("valid_from", *v.ValidFrom)
	}
	if v.ValidTo != nil {
		c.instant("valid_to", *v.ValidTo)
	}
	c.must(v.Lookup != CredentialHash{}, "uid", "is missing")
	if c.err != nil {
		return c.err
	}
	old, there := b.credentials[v.ID]
	if there && old.Member != v.Member {
		return &ConflictError{"member", "a credential's member never changes: create another credential"}
	}
	self := "credential/" + string(v.ID)
	if owner, used := b.hashes[v.Lookup]; used && owner != self {
		return &ConflictError{"uid", "another credential has this uid"}
	}
	if there {
		delete(b.hashes, old.Lookup)
	}
	b.hashes[v.Lookup] = self
	b.credentials[v.ID] = v
	return nil
}

// PutSchedule checks and sets a schedule; always is built in.
func (b *Book) PutSchedule(v Schedule) error {
	c := &checker{book: b}
	c.id(string(v.ID))
	if v.ID == Always {
		return &ConflictError{"id", "the schedule always is built in"}
	}
	c.optionalSite(v.Site)
	oneOf(c, "holidays", v.Holidays, OpenOnHolidays, ClosedOnHolidays)
	for i, w := range v.Windows {
		if field, err := w.Check(); err != nil {
			c.must(false, fmt.Sprintf("windows[%d].%s", i, field), "%s", err)
		}
		unique(c, fmt.Sprintf("windows[%d].days", i), w.Days)
	}
	if c.err != nil {
		return c.err
	}
	for p := range b.Plans() {
		if p.Schedule == v.ID && !sameOrNetwork(p.Site, v.Site) {
			return &ConflictError{"site", fmt.Sprintf("plan %q uses it and belongs to another site", p.ID)}
		}
	}
	v.Windows = notNil(v.Windows)
	b.schedules[v.ID] = v
	return nil
}

// PutPlan checks and sets a plan, as if it had always been like this.
func (b *Book) PutPlan(v Plan) error { return b.PutPlanFrom(v, When{}) }

// PutPlanFrom checks and sets a plan from a day on.
func (b *Book) PutPlanFrom(v Plan, w When) error {
	c := &checker{book: b}
	c.id(string(v.ID))
	c.name("name", v.Name)
	for i, k := range v.Includes {
		c.must(k.Valid(), fmt.Sprintf("includes[%d]", i), "%q is not a kind of space", k)
	}
	unique(c, "includes", v.Includes)
	c.optionalSite(v.Site)
	schedule, ok := b.Schedule(v.Schedule)
	c.must(ok, "schedule", "there is no schedule %q", v.Schedule)
	c.must(sameOrNetwork(v.Site, schedule.Site), "schedule", "%q belongs to another site", v.Schedule)
	c.must(v.Site == nil || !v.Roaming, "roaming", "a plan of a site never roams")
	for _, n := range []struct {
		field string
		value int
	}{
		{"included_minutes", v.IncludedMinutes}, {"rounding_minutes", v.RoundingMinutes},
		{"grace_minutes", v.GraceMinutes}, {"daily_cap_minutes", v.DailyCapMinutes}, {"inferred_cap_minutes",
			v.InferredCapMinutes},
	} {
		c.within(n.field, n.value, mostMinutes)
	}
	c.within("hourly_rate_cents", v.HourlyRateCents, mostCents)
	c.must(v.VatPct >= 0 && v.VatPct <= 100, "vat_pct", "is not between 0 and 100")
	if c.err != nil {
		return c.err
	}
	for l := range b.leaseValues {
		if l.Plan == v.ID && !sameOrNetwork(&l.Site, v.Site) {
			return &ConflictError{"site", fmt.Sprintf("lease %q has it and belongs to another site", l.ID)}
		}
	}
	v.Includes = notNil(v.Includes)
	t := b.planTerms[v.ID]
	b.SetPlanTerms(v.ID, put(b, t, t.On(w.From), v, w))
	return nil
}

// PutLease checks and sets a lease, as if it had always been like this.
func (b *Book) PutLease(v Lease) error { return b.PutLeaseFrom(v, When{}) }

// PutLeaseFrom checks and sets a lease from a day on, but its dates for all
// time.
func (b *Book) PutLeaseFrom(v Lease, w When) error {
	c := &checker{book: b}
	c.id(string(v.ID))
	_, ok := b.tenants[v.Tenant]
	c.must(ok, "tenant", "there is no tenant %q", v.Tenant)
	old, there := b.leases[v.ID]
	c.must(!there || old.Tenant == v.Tenant, "tenant", "a lease's tenant never changes: end this lease and create another")
	if !b.loading && (!there || old.Site != v.Site) { // the building may have been removed since
		c.site("site", v.Site)
	}
	c.spaces(v.Spaces, old.Spaces)
	plan, ok := b.plans[v.Plan]
	c.must(ok, "plan", "there is no plan %q", v.Plan)
	c.must(sameOrNetwork(&v.Site, plan.Site), "plan", "%q belongs to another site", v.Plan)
	c.day("starts_on", v.StartsOn)
	if v.EndsOn != nil {
		c.day("ends_on", *v.EndsOn)
		c.must(*v.EndsOn >= v.StartsOn, "ends_on", "is before starts_on")
	}
	oneOf(c, "status", v.Status, Active, Suspended)
	c.members("members", v.Members)
	for i, id := range v.Members {
		c.must(
			b.members[id].Tenant == v.Tenant,
			fmt.Sprintf("members[%d]", i),
			"%q does not belong to tenant %q",
			id,
			v.Tenant,
		)
	}
	c.within("rent_cents_month", v.RentCentsMonth, mostCents)
	if c.err == nil {
		v.Spaces = notNil(v.Spaces)
		t := b.leaseTerms[v.ID]
		b.SetLeaseTerms(v.ID, put(b, t, LeaseOn(t, w.From), v, w))
	}
	return c.err
}

// PutPass checks and sets a pass. A deleted pass opens nothing, and may outlive
// its host and its spaces: it stays to answer credential-revoked.
func (b *Book) PutPass(v Pass) error {
	c := &checker{book: b}
	c.id(string(v.ID))
	if !v.Deleted {
		_, ok := b.members[v.Host]
		c.must(ok, "host", "there is no member %q", v.Host)
		c.name("name", v.Name)
		c.must(len(v.Spaces) > 0, "spaces", "is empty")
		c.spaces(v.Spaces, b.passes[v.ID].Spaces)
		c.instant("valid_from", v.ValidFrom)
		c.instant("valid_to", v.ValidTo)
		c.must(v.ValidFrom.Before(v.ValidTo), "valid_to", "is not after valid_from")
	}
	if c.err != nil {
		return c.err
	}
	self := "pass/" + string(v.ID)
	if owner, used := b.hashes[v.Lookup]; used && owner != self {
		return &ConflictError{"token", "is the token of another pass"}
	}
	if old, there := b.passes[v.ID]; there {
		delete(b.hashes, old.Lookup)
	}
	b.hashes[v.Lookup] = self
	b.passes[v.ID] = v
	return nil
}

// PutEvent checks and sets an event.
func (b *Book) PutEvent(v Event) error {
	c := &checker{book: b}
	c.id(string(v.ID))
	c.name("title", v.Title)
	c.must(len(v.Spaces) > 0, "spaces", "is empty")
	c.spaces(v.Spaces, b.events[v.ID].Spaces)
	c.instant("starts_at", v.StartsAt)
	c.instant("ends_at", v.EndsAt)
	c.must(v.StartsAt.Before(v.EndsAt), "ends_at", "is not after starts_at")
	oneOf(c, "audience", v.Audience, Public, Invited)
	c.members("invited", v.Invited)
	if c.err == nil {
		v.Invited = notNil(v.Invited)
		b.events[v.ID] = v
	}
	return c.err
}
