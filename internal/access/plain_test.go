package access_test

import (
	"slices"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// plain is section 4 of the rules read aloud: slow, obvious, and sharing nothing with the
// index but the catalogue. The index must agree with it on every question.
type plain struct {
	n         *catalogue.Network
	book      *tenancy.Book
	lockdowns []tenancy.Lockdown
}

func (p plain) decide(q access.Question, w access.Whereabouts) access.Answer {
	member, pass, cred := p.who(q.Credential)
	var a access.Answer
	if member != nil {
		a.Subject = visit.Subject{Member: member.ID}
	} else if pass != nil {
		a.Subject = visit.Subject{Pass: pass.ID}
	}
	refuse := func(r access.Reason) access.Answer {
		a.Reason = r
		return a
	}
	grant := func(r access.Reason, l tenancy.LeaseID) access.Answer {
		a.Granted, a.Reason, a.Lease = true, r, l
		return a
	}
	// 1
	if q.Direction == catalogue.Out {
		return grant(access.Egress, "")
	}
	// 2
	if q.Disabled {
		return refuse(access.DeviceDisabled)
	}
	if off := q.Received.Sub(q.At); !q.Offline && !q.Received.IsZero() && (off > 10*time.Second || off < -10*time.Second) {
		return refuse(access.Stale)
	}
	// 3
	if member == nil && pass == nil {
		return refuse(access.UnknownCredential)
	}
	if r := outOfUse(cred, pass, q.At); r != "" {
		return refuse(r)
	}
	// 4
	door := p.n.Door(q.Door)
	responder := member != nil && slices.Contains(member.Roles, tenancy.Responder)
	if p.locked(door.Site, q) && !responder {
		return refuse(access.Lockdown)
	}
	// 5
	reason, leaseID := p.anyRight(member, pass, door, q.At)
	if reason != "" {
		a = grant(reason, leaseID)
		mode := p.n.Space(door.To).AntiPassback
		if mode == "" || member == nil || responder || reason == access.Staff || !p.inside(member.ID, door, q, w) {
			return a
		}
		if mode == catalogue.Alert {
			a.PassbackAlert = true
			return a
		}
		a.Granted, a.Lease = false, ""
		return refuse(access.AntiPassback)
	}
	// 6
	reason, leaseID = p.whyNot(member, door, q.At)
	a.Lease = leaseID
	return refuse(reason)
}

func (p plain) who(h tenancy.CredentialHash) (*tenancy.Member, *tenancy.Pass, *tenancy.Credential) {
	for c := range p.book.Credentials() {
		if c.Lookup == h {
			m, _ := p.book.Member(c.Member)
			return &m, nil, &c
		}
	}
	for v := range p.book.Passes() {
		if v.Lookup == h {
			return nil, &v, nil
		}
	}
	return nil, nil, nil
}

func outOfUse(c *tenancy.Credential, v *tenancy.Pass, t time.Time) access.Reason {
	if v != nil {
		switch {
		case v.Deleted:
			return access.CredentialRevoked
		case t.Before(v.ValidFrom) || !t.Before(v.ValidTo):
			return access.CredentialOutOfDate
		}
		return ""
	}
	switch {
	case c.Status == tenancy.Lost:
		return access.CredentialLost
	case c.Status == tenancy.Revoked:
		return access.CredentialRevoked
	case c.ValidFrom != nil && t.Before(*c.ValidFrom), c.ValidTo != nil && !t.Before(*c.ValidTo):
		return access.CredentialOutOfDate
	}
	return ""
}

func (p plain) locked(site catalogue.SiteID, q access.Question) bool {
	for _, k := range p.lockdowns {
		if k.Site != site {
			continue
		}
		then := !q.At.Before(k.From) && (k.To == nil || q.At.Before(*k.To))
		if q.Offline && then || !q.Offline && k.To == nil {
			return true
		}
	}
	return false
}

// opens reports whether a right to s opens the door inwards.
func (p plain) opens(s catalogue.SpaceID, d *catalogue.Door) bool {
	for sp := p.n.Space(s); sp != nil; sp = p.n.Space(sp.Parent) {
		if sp.ID == d.To {
			return true
		}
	}
	return false
}

func (p plain) anyOpens(spaces []catalogue.SpaceID, d *catalogue.Door) bool {
	return slices.ContainsFunc(spaces, func(s catalogue.SpaceID) bool { return p.opens(s, d) })
}

func (p plain) anyRight(
	m *tenancy.Member,
	v *tenancy.Pass,
	d *catalogue.Door,
	t time.Time,
) (access.Reason, tenancy.LeaseID) {
	if m != nil && slices.Contains(m.StaffSites, d.Site) {
		return access.Staff, ""
	}
	for l := range p.book.Leases() {
		if m != nil && p.serves(l, m) && p.leaseOpens(l, d) && p.fails(l, d, t) == "" {
			return access.Lease, l.ID
		}
	}
	if v != nil && p.passOpens(v, d, t) {
		return access.Pass, ""
	}
	for e := range p.book.Events() {
		invited := e.Audience == "public" || m != nil && slices.Contains(e.Invited, m.ID)
		if invited && p.anyOpens(e.Spaces, d) && !t.Before(e.StartsAt) && t.Before(e.EndsAt) {
			return access.Event, ""
		}
	}
	return "", ""
}

// passOpens reports whether a pass opens a door: by one of its spaces which that
// day an active lease gives its host's tenant, or which one crosses to what it gives.
func (p plain) passOpens(v *tenancy.Pass, d *catalogue.Door, t time.Time) bool {
	host, _ := p.book.Member(v.Host)
	today := t.In(p.n.Zone.Location()).Format(time.DateOnly)
	for _, s := range v.Spaces {
		if !p.opens(s, d) {
			continue
		}
		if slices.Contains(host.StaffSites, p.n.Space(s).Site) {
			return true
		}
		for l := range p.book.Leases() {
			if l.Tenant != host.Tenant || l.Status != tenancy.Active || today < l.StartsOn.String() ||
				l.EndsOn != nil && today > l.EndsOn.String() {
				continue
			}
			plan, _ := p.book.Plan(l.Plan)
			for _, g := range p.n.Spaces {
				given := slices.Contains(l.Spaces, g.ID) ||
					slices.Contains(plan.Includes, g.Kind) && (plan.Roaming || g.Site == l.Site)
				if given && p.opens(g.ID, &catalogue.Door{To: s}) {
					return true
				}
			}
		}
	}
	return false
}

func (p plain) serves(l tenancy.Lease, m *tenancy.Member) bool {
	if l.Members != nil {
		return slices.Contains(l.Members, m.ID)
	}
	return l.Tenant == m.Tenant
}

func (p plain) leaseOpens(l tenancy.Lease, d *catalogue.Door) bool {
	if p.anyOpens(l.Spaces, d) {
		return true
	}
	plan, _ := p.book.Plan(l.Plan)
	for _, s := range p.n.Spaces {
		site := p.n.Building(s.Building).Site
		if slices.Contains(plan.Includes, s.Kind) && (plan.Roaming || site == l.Site) && p.opens(s.ID, d) {
			return true
		}
	}
	return false
}

// fails returns a lease's first failure: dates, status, schedule; none where it grants.
func (p plain) fails(l tenancy.Lease, d *catalogue.Door, t time.Time) access.Reason {
	local := t.In(p.n.Zone.Location())
	today := local.Format(time.DateOnly)
	if today < l.StartsOn.String() {
		return access.LeaseNotStarted
	}
	if l.EndsOn != nil && today > l.EndsOn.String() {
		return access.LeaseEnded
	}
	if l.Status != tenancy.Active {
		return access.LeaseSuspended
	}
	plan, _ := p.book.Plan(l.Plan)
	if !p.inSchedule(plan.Schedule, p.n.Site(d.Site), local) {
		return access.OutsideHours
	}
	return ""
}

func (p plain) inSchedule(id tenancy.ScheduleID, site *catalogue.Site, local time.Time) bool {
	if id == tenancy.Always {
		return true
	}
	s, _ := p.book.Schedule(id)
	if s.Holidays == "closed" && holiday(site.Holidays, local) {
		return false
	}
	clock := local.Format("15:04")
	for _, w := range s.Windows {
		for _, day := range w.Days {
			if time.Weekday(day) == local.Weekday() && clock >= w.From.String() && clock < w.To.String() {
				return true
			}
		}
	}
	return false
}

// holiday knows France's public holidays by their dates, Easter by Gauss's way.
func holiday(h catalogue.Holidays, t time.Time) bool {
	day := t.Format("01-02")
	if slices.Contains([]string{"01-01", "05-01", "05-08", "07-14", "08-15", "11-01", "11-11", "12-25"}, day) {
		return true
	}
	easter := easterSunday(t.Year())
	after := map[int]bool{1: true, 39: true, 50: true} // Monday, Ascension, Whit Monday
	if h == catalogue.Moselle {
		after[-2] = true // Good Friday
		if day == "12-26" {
			return true
		}
	}
	for n := range after {
		if easter.AddDate(0, 0, n).Format(time.DateOnly) == t.Format(time.DateOnly) {
			return true
		}
	}
	return false
}

func easterSunday(year int) time.Time {
	a, b, c := year%19, year/100, year%100
	d := (19*a + b - b/4 - (b-(b+8)/25+1)/3 + 15) % 30
	e := (32 + 2*(b%4) + 2*(c/4) - d - c%4) % 7
	f := d + e - 7*((a+11*d+22*e)/451) + 114
	return time.Date(year, time.Month(f/31), f%31+1, 0, 0, 0, 0, time.UTC)
}

// inside returns anti-passback's condition (rules 4.8).
func (p plain) inside(m tenancy.MemberID, d *catalogue.Door, q access.Question, w access.Whereabouts) bool {
	last, ok, err := w.Last(m, q.At)
	if !ok || err != nil {
		return false
	}
	local := q.At.In(p.n.Zone.Location())
	four := time.Date(local.Year(), local.Month(), local.Day(), 4, 0, 0, 0, local.Location())
	if four.After(q.At) {
		four = time.Date(local.Year(), local.Month(), local.Day()-1, 4, 0, 0, 0, local.Location())
	}
	if last.At.Before(four) || !p.opens(last.Space, &catalogue.Door{To: d.To}) {
		return false
	}
	return last.Door != q.Door || q.At.Sub(last.At) > 30*time.Second
}

// whyNot returns the best reason of the leases that serve the member and would open the door.
func (p plain) whyNot(m *tenancy.Member, d *catalogue.Door, t time.Time) (access.Reason, tenancy.LeaseID) {
	if m == nil {
		return access.NoRight, ""
	}
	for _, best := range []access.Reason{access.OutsideHours, access.LeaseSuspended, access.LeaseNotStarted,
		access.LeaseEnded} {
		for l := range p.book.Leases() {
			if p.serves(l, m) && p.leaseOpens(l, d) && p.fails(l, d, t) == best {
				return best, l.ID
			}
		}
	}
	return access.NoRight, ""
}
