package access

import (
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// Rule is the rule of deciding that gave an answer.
type Rule string

// The rules, in the order in which they are tried.
const (
	RuleExit         Rule = "exit"          // an exit is never refused
	RuleReader       Rule = "reader"        // the reader is disabled
	RuleClock        Rule = "clock"         // the read is stale
	RuleCredential   Rule = "credential"    // unknown, lost, revoked, out of date
	RuleLockdown     Rule = "lockdown"      // only responders
	RuleRight        Rule = "right"         // a right opens the door
	RuleAntiPassback Rule = "anti-passback" // the member is inside already
	RuleNoRight      Rule = "no-right"      // none of the rights opens the door
)

// RuleOf names the rule that a reason comes from.
func RuleOf(r Reason) Rule {
	switch r {
	case Egress:
		return RuleExit
	case DeviceDisabled:
		return RuleReader
	case Stale:
		return RuleClock
	case UnknownCredential, CredentialLost, CredentialRevoked, CredentialOutOfDate:
		return RuleCredential
	case Lockdown:
		return RuleLockdown
	case Staff, Lease, Pass, Event:
		return RuleRight
	case AntiPassback, Unavailable:
		return RuleAntiPassback
	}
	return RuleNoRight
}

// Tried is one right that was tried at a door.
type Tried struct {
	Right  Reason            // staff, lease, pass or event
	Lease  tenancy.LeaseID   // of a lease
	ID     string            // of a pass or an event
	Space  catalogue.SpaceID // the space, of those that the right opens, to which the door leads; empty: it leads to none
	From   time.Time         // when the right begins; zero: without bound
	To     time.Time         // when it ends, excluded; zero: without bound
	Failed Reason            // why it does not open the door at that instant; empty: it does
}

// Explain lists each right that the holder of a question's credential has and, where
// the right does not open the question's door at its instant, the reason. The index
// and the book must be of the same moment. Rights after the one that grants are
// listed too: whoever asks wants to know what else there is.
func (x *Index) Explain(book *tenancy.Book, q Question) []Tried {
	unix := q.At.UnixMilli()
	c := x.holder(q.Credential, unix)
	d := x.doors[q.Door]
	if c == nil || d == nil {
		return nil
	}
	var list []Tried
	if c.member != nil && c.member.staff.has(d.site) {
		list = append(list, Tried{Right: Staff, Space: d.to})
	}
	if c.member != nil {
		local := x.network.Zone.AtUnix(floorSecond(unix))
		for _, l := range c.member.leases {
			if l.holds(unix) {
				list = append(list, x.triedLease(l, d, local))
			}
		}
		list = append(list, x.triedEvents(book, c.member, d, unix)...)
	}
	if c.pass != nil {
		p, _ := book.Pass(c.pass.id)
		t := Tried{Right: Pass, ID: string(p.ID), Space: x.openedSpace(d, p.Spaces), From: p.ValidFrom, To: p.ValidTo}
		if !c.pass.opens(d, unix, x.network.Zone.AtUnix(floorSecond(unix)).Day) {
			t.Failed = NoRight
		}
		list = append(list, t)
	}
	return list
}

func (x *Index) triedLease(l *compiled, d *door, local catalogue.Local) Tried {
	t, terms, plan := Tried{Right: Lease, Lease: l.id}, l.terms, l.plan
	t.From = x.network.Zone.Start(terms.StartsOn)
	if terms.EndsOn != nil {
		t.To = x.network.Zone.Start(*terms.EndsOn + 1)
	}
	if !l.doors.has(d.n) {
		t.Failed = NoRight
		return t
	}
	t.Space = x.openedSpace(d, terms.Spaces)
	if t.Space == "" {
		for _, s := range x.network.Spaces {
			if slices.Contains(plan.Includes, s.Kind) && (plan.Roaming || s.Site == terms.Site) && x.network.Within(s.ID, d.to) {
				t.Space = s.ID
				break
			}
		}
	}
	if reason, rank := l.refusalAt(local, d.calendar.Holidays); rank != granted {
		t.Failed = reason
	}
	return t
}

// triedEvents returns the events that could open a door and are at most 24 hours
// away: the public ones at that door, and those that invite the member.
func (x *Index) triedEvents(book *tenancy.Book, m *member, d *door, unix int64) []Tried {
	const near = int64(24 * time.Hour / time.Millisecond)
	var list []Tried
	for _, e := range slices.Concat(d.public, m.events) {
		if unix < e.from-near || unix > e.to+near || !e.doors.has(d.n) {
			continue
		}
		v, _ := book.Event(e.id)
		t := Tried{Right: Event, ID: string(e.id), Space: x.openedSpace(d, v.Spaces), From: v.StartsAt, To: v.EndsAt}
		if unix < e.from || unix >= e.to {
			t.Failed = OutsideHours
		}
		list = append(list, t)
	}
	return list
}

// openedSpace returns the first of a right's spaces to which a door leads, directly or
// across other spaces; empty where it leads to none.
func (x *Index) openedSpace(d *door, spaces []catalogue.SpaceID) catalogue.SpaceID {
	for _, s := range spaces {
		if x.network.Within(s, d.to) {
			return s
		}
	}
	return ""
}
