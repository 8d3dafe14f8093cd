package access

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// Entry is what one credential may do at a door whose reader decides by itself.
// Hash is the credential's hash under the list key.
type Entry struct {
	Hash   tenancy.CredentialHash
	Rights []Right
}

// Right grants with its reason in [From, To).
type Right struct {
	Reason   Reason
	From, To time.Time
}

// interval is the period of a Right, in Unix milliseconds.
type interval struct {
	reason   Reason
	from, to int64
}

// Entries returns what a reader may decide by itself in [from, to): for each
// credential that may pass at some time, when and why, sorted by hash. It
// leaves out anti-passback, which a reader cannot check. For direction out it is
// empty: everybody passes. In a lockdown it holds only responders.
func (x *Index) Entries(id catalogue.DoorID, direction catalogue.Direction, from, to time.Time) []Entry {
	d := x.doors[id]
	if d == nil || direction != catalogue.In || !from.Before(to) {
		return nil
	}
	locked := x.lockedDown(d.site, &Question{At: from})
	e := expansion{x: x, d: d, from: from.UnixMilli(), to: to.UnixMilli(), leases: map[*compiled]*expanded{}}
	who := x.candidates(d)
	out := make([]Entry, 0, len(who))
	for _, n := range who {
		c := &x.credentials[n]
		if locked && !c.responder() {
			continue
		}
		if rights := e.rights(c); len(rights) > 0 {
			out = append(out, Entry{x.forList[n], rights})
		}
	}
	return out
}

// expansion computes one door's rights; each lease's windows are computed once.
type expansion struct {
	x        *Index
	d        *door
	from, to int64
	leases   map[*compiled]*expanded
}

// expanded holds a lease's windows, also as rights for members who have no
// other right.
type expanded struct {
	windows []interval
	rights  []Right
}

// rights returns a credential's rights: by staff, then lease, pass and event,
// each only for the time when none before it grants.
func (e *expansion) rights(c *credential) []Right {
	if rights, ok := e.singleLease(c); ok {
		return rights
	}
	var all []interval
	for _, layer := range [][]interval{e.staff(c), e.byLeases(c), e.byPass(c), e.byEvents(c)} {
		all = append(all, subtractIntervals(layer, all)...)
	}
	slices.SortFunc(all, func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	return clip(all, max(e.from, c.from), min(e.to, c.to))
}

// singleLease handles the common case: exactly one lease, or nothing, opens this
// door. Its rights are computed once for all members that the lease serves.
func (e *expansion) singleLease(c *credential) (rights []Right, ok bool) {
	m := c.member
	if m == nil || m.staff != nil || len(m.events) > 0 || len(e.d.public) > 0 {
		return nil, false
	}
	var only *compiled
	for _, l := range m.leases {
		if l.active && l.doors.has(e.d.n) {
			if only != nil {
				return nil, false
			}
			only = l
		}
	}
	if only == nil {
		return nil, true
	}
	if c.from > e.from || c.to < e.to {
		return nil, false
	}
	return e.lease(only).rights, true // cut to the time for which the version holds
}

func clip(all []interval, from, to int64) []Right {
	var out []Right
	for _, v := range all {
		if v.from, v.to = max(v.from, from), min(v.to, to); v.from < v.to {
			out = append(out, Right{v.reason, time.UnixMilli(v.from).UTC(), time.UnixMilli(v.to).UTC()})
		}
	}
	return out
}

func (e *expansion) staff(c *credential) []interval {
	if c.member != nil && c.member.staff.has(e.d.site) {
		return []interval{{Staff, e.from, e.to}}
	}
	return nil
}

func (e *expansion) byLeases(c *credential) []interval {
	if c.member == nil {
		return nil
	}
	var all []interval
	for _, l := range c.member.leases {
		if l.active && l.doors.has(e.d.n) {
			all = append(all, e.lease(l).windows...)
		}
	}
	return mergeIntervals(all)
}

func (e *expansion) byPass(c *credential) []interval {
	if c.pass == nil {
		return nil
	}
	zone := e.x.network.Zone
	first, last := zone.AtUnix(floorSecond(e.from)).Day, zone.AtUnix(floorSecond(e.to)).Day
	var all []interval
	for i := range c.pass.spaces {
		s := &c.pass.spaces[i]
		if !s.doors.has(e.d.n) {
			continue
		}
		if s.staff {
			return []interval{{Pass, e.from, e.to}}
		}
		for _, l := range s.leases {
			from, to := max(first, l.startsOn), min(last, l.endsOn)
			if !l.active || from > to {
				continue
			}
			v := interval{Pass, max(zone.Start(from).UnixMilli(), l.since), min(zone.Start(to+1).UnixMilli(), l.until)}
			if v.from < v.to {
				all = append(all, v)
			}
		}
	}
	return mergeIntervals(all)
}

func (e *expansion) byEvents(c *credential) []interval {
	var all []interval
	add := func(v *event) {
		if v.to > e.from && v.from < e.to {
			all = append(all, interval{Event, v.from, v.to})
		}
	}
	for _, v := range e.d.public {
		add(v)
	}
	if c.member != nil {
		for _, v := range c.member.events {
			if v.doors.has(e.d.n) {
				add(v)
			}
		}
	}
	return mergeIntervals(all)
}

// lease computes the windows of a lease's schedule on its days.
func (e *expansion) lease(l *compiled) *expanded {
	if have := e.leases[l]; have != nil {
		return have
	}
	zone := e.x.network.Zone
	first := max(zone.AtUnix(floorSecond(e.from)).Day, l.startsOn)
	last := min(zone.AtUnix(floorSecond(e.to)).Day, l.endsOn)
	out := []interval{}
	for day := first; day <= last; day++ {
		if l.schedule.always {
			out = append(out, interval{Lease, zone.Start(day).UnixMilli(), zone.Start(day + 1).UnixMilli()})
			continue
		}
		if l.schedule.closedHolidays && e.d.calendar.Holidays.Has(day) {
			continue
		}
		for _, w := range l.schedule.days[day.Weekday()] {
			out = append(out, window(zone, day, w)...)
		}
	}
	out = within(mergeIntervals(out), l.since, l.until)
	e.leases[l] = &expanded{out, clip(out, e.from, e.to)}
	return e.leases[l]
}

// within cuts off what lies outside [from, to).
func within(list []interval, from, to int64) []interval {
	if from == math.MinInt64 && to == math.MaxInt64 {
		return list
	}
	out := list[:0]
	for _, v := range list {
		if v.from, v.to = max(v.from, from), min(v.to, to); v.from < v.to {
			out = append(out, v)
		}
	}
	return out
}

// window returns the intervals in which the clock shows a time within w on a local
// day: usually one; two where clocks go back over one of its ends; none where they
// go forward over all of it.
func window(zone *catalogue.Zone, day catalogue.Day, w span) []interval {
	start, end := zone.Start(day).Unix(), zone.Start(day+1).Unix()
	if end-start == 86400 && zone.AtUnix(start).Second == 0 { // clocks do not change, as on all days but two a year
		return []interval{{Lease, (start + int64(w.from)) * 1000, (start + int64(w.to)) * 1000}}
	}
	var out []interval
	// Zone offsets are whole quarters of an hour: within one, the clock runs
	// evenly.
	for t := start; t < end; t += 900 {
		local := zone.AtUnix(t).Second
		lo, hi := max(w.from, local), min(w.to, local+900)
		if lo < hi {
			out = append(out, interval{Lease, (t + int64(lo-local)) * 1000, (t + int64(hi-local)) * 1000})
		}
	}
	return mergeIntervals(out)
}

// mergeIntervals merges intervals of one reason that touch.
func mergeIntervals(list []interval) []interval {
	if len(list) < 2 {
		return list
	}
	slices.SortFunc(list, func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	out := list[:1]
	for _, v := range list[1:] {
		if last := &out[len(out)-1]; v.from <= last.to {
			last.to = max(last.to, v.to)
			continue
		}
		out = append(out, v)
	}
	return out
}

// subtractIntervals removes from list what taken already covers.
func subtractIntervals(list, taken []interval) []interval {
	out := slices.Clone(list)
	for _, t := range taken {
		var next []interval
		for _, v := range out {
			if left := (interval{v.reason, v.from, min(v.to, t.from)}); left.from < left.to {
				next = append(next, left)
			}
			if right := (interval{v.reason, max(v.from, t.to), v.to}); right.from < right.to {
				next = append(next, right)
			}
		}
		out = next
	}
	return out
}

// Unlock is when a public event holds a door open: [From, To).
type Unlock struct {
	Event    tenancy.EventID
	From, To time.Time
}

// Unlocks lists every public event that unlocks a door, with its period.
func (x *Index) Unlocks(id catalogue.DoorID) []Unlock {
	d := x.doors[id]
	if d == nil {
		return nil
	}
	out := make([]Unlock, len(d.public))
	for i, e := range d.public {
		out[i] = Unlock{e.id, time.UnixMilli(e.from).UTC(), time.UnixMilli(e.to).UTC()}
	}
	return out
}
