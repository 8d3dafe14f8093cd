package tariff

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// Visit is a member's visit to a billable space: as measured, with a manager's
// correction where there is one.
type Visit struct {
	ID        uuid.UUID
	Member    tenancy.MemberID
	Tenant    tenancy.TenantID
	Space     catalogue.SpaceID
	From, To  time.Time
	Ended     visit.Ended
	Corrected *catalogue.Interval
}

// Arithmetic is the version of the day arithmetic. Raise it when Day's result
// changes: stored months of another version are computed again.
const Arithmetic = 4

// Day is a member's hours of one local day.
type Day struct {
	Day       catalogue.Day
	Measured  int64 // seconds as measured
	Corrected int64 // seconds with corrections
	Unleased  int64 // seconds, as billed, that no lease covers
	Inferred  int64 // seconds, as measured, of visits not ended by a badge
	Leases    []Share
}

// Share is the part of a day for which one lease pays.
type Share struct {
	Lease   tenancy.LeaseID
	Seconds int64 // seconds, after caps on inferred ends
	Minutes int64 // billable: after grace, rounding and the day's cap
}

// piece is a part of a day that one visit covers.
type piece struct {
	from, to int64 // Unix ms
	rank     int   // rank of the lease that gives it: the lowest counts
	terms    *Terms
}

// Day computes one member's day from all of their visits that overlap it.
// The time counted is that of the visits to outermost coworkings; visits to
// coworkings below them only decide which lease pays. A space's kind is that of the catalogue at each instant.
func (t *Tariff) Day(zone *catalogue.Zone, day catalogue.Day, visits []Visit) Day {
	var measured, inferred, corrected, billed []piece
	for _, during := range t.cutByCatalogue(zone.Start(day), zone.Start(day+1)) {
		begin, end := during.From.UnixMilli(), during.To.UnixMilli()
		clip := func(from, to time.Time) (piece, bool) {
			p := piece{from: max(begin, from.UnixMilli()), to: min(end, to.UnixMilli())}
			return p, p.to > p.from
		}
		for i := range visits {
			v := &visits[i]
			if during.Network.Coworking(v.Space) != v.Space {
				continue
			}
			if p, ok := clip(v.From, v.To); ok {
				measured = append(measured, p)
				if v.Ended != visit.Badge {
					inferred = append(inferred, p)
				}
			}
			if p, ok := clip(v.asCorrected()); ok {
				corrected = append(corrected, p)
			} else {
				continue
			}
			for _, s := range t.countedParts(during.Network, day, v, visits) {
				if p, ok := clip(s.From, s.To); ok {
					p.rank, p.terms = s.rank, s.terms
					billed = append(billed, p)
				}
			}
		}
	}
	d := Day{
		Day:       day,
		Measured:  covered(measured) / 1000,
		Corrected: covered(corrected) / 1000,
		Inferred:  covered(inferred) / 1000,
	}
	d.share(billed)
	return d
}

// asCorrected returns the visit's time: as corrected, else as measured.
func (v *Visit) asCorrected() (from, to time.Time) {
	if v.Corrected != nil {
		return v.Corrected.From, v.Corrected.To
	}
	return v.From, v.To
}

// stretch is a part of a visit, and the lease that gives it: terms is nil where
// none does.
type stretch struct {
	catalogue.Interval
	rank  int
	terms *Terms
}

// countedParts splits a visit to an outermost coworking into the parts that count on one
// of its days, each with the lease that applies to it (rules 6.2). It goes by the corrected
// times where there are any. Otherwise, where the visit's end was inferred, nothing counts
// that lies more than the plan's InferredCapMinutes after its start (rules 6.3).
func (t *Tariff) countedParts(n *catalogue.Network, day catalogue.Day, v *Visit, visits []Visit) []stretch {
	from, to := v.asCorrected()
	inner := inner(n, v, visits)
	cuts := []time.Time{from, to}
	for _, w := range inner {
		for _, at := range []time.Time{w.span.From, w.span.To} {
			if at.After(from) && at.Before(to) {
				cuts = append(cuts, at)
			}
		}
	}
	slices.SortFunc(cuts, time.Time.Compare)
	capped := v.Corrected == nil && (v.Ended == visit.Closing || v.Ended == visit.Max)
	var out []stretch
	for i := 1; i < len(cuts); i++ {
		s := stretch{Interval: catalogue.Interval{From: cuts[i-1], To: cuts[i]}}
		for _, w := range inner {
			if s.terms == nil && !s.From.Before(w.span.From) && s.From.Before(w.span.To) {
				s.rank, s.terms = t.leaseOf(n, day, v, w.space)
			}
		}
		if s.terms == nil {
			s.rank, s.terms = t.leaseOf(n, day, v, v.Space)
		}
		if capped && s.terms != nil && s.terms.Plan.InferredCapMinutes > 0 {
			if last := v.From.Add(time.Duration(s.terms.Plan.InferredCapMinutes) * time.Minute); last.Before(s.To) {
				s.To = last
			}
		}
		if s.To.After(s.From) {
			out = append(out, s)
		}
	}
	return out
}

// within is a visit to a coworking space, with how deep that space lies in others.
type within struct {
	space catalogue.SpaceID
	span  catalogue.Interval
	depth int
}

// inner returns the visits to coworkings below that of v, the innermost first.
func inner(n *catalogue.Network, v *Visit, visits []Visit) (list []within) {
	for i := range visits {
		w := &visits[i]
		if w.Tenant != v.Tenant || w.Space == v.Space || n.Coworking(w.Space) != v.Space ||
			n.Space(w.Space).Kind != catalogue.Coworking {
			continue
		}
		from, to := w.asCorrected()
		list = append(list, within{w.Space, catalogue.Interval{From: from, To: to}, len(n.Chain(w.Space))})
	}
	slices.SortStableFunc(list, func(a, b within) int { return cmp.Compare(b.depth, a.depth) })
	return list
}

// Counted is a part of a visit that counts on a local day, and the lease that
// gives it; empty where none does: it is unleased.
type Counted struct {
	catalogue.Interval
	Lease tenancy.LeaseID
}

// Counted returns the parts of a visit that count on a local day, before
// overlaps are removed. A visit to a space below a coworking counts as that
// coworking's: it has no parts of its own.
func (t *Tariff) Counted(zone *catalogue.Zone, day catalogue.Day, v *Visit, visits []Visit) (parts []Counted) {
	for _, during := range t.cutByCatalogue(zone.Start(day), zone.Start(day+1)) {
		if during.Network.Coworking(v.Space) != v.Space {
			continue
		}
		for _, s := range t.countedParts(during.Network, day, v, visits) {
			if s.From.Before(during.From) {
				s.From = during.From
			}
			if s.To.After(during.To) {
				s.To = during.To
			}
			if !s.To.After(s.From) {
				continue
			}
			c := Counted{Interval: s.Interval}
			if s.terms != nil {
				c.Lease = s.terms.Lease.ID
			}
			parts = append(parts, c)
		}
	}
	return parts
}

// covered returns the length of the union, in ms.
func covered(pieces []piece) int64 {
	slices.SortFunc(pieces, func(a, b piece) int { return cmp.Compare(a.from, b.from) })
	var sum, until int64
	until = -1 << 62
	for _, p := range pieces {
		if from := max(p.from, until); p.to > from {
			sum += p.to - from
			until = p.to
		}
	}
	return sum
}

// share gives every instant to the cheapest of the leases that cover it, and
// prices each lease's total.
func (d *Day) share(pieces []piece) {
	var cuts []int64
	for _, p := range pieces {
		cuts = append(cuts, p.from, p.to)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	total := map[int]int64{}
	terms := map[int]*Terms{}
	var unleased int64
	for i := 1; i < len(cuts); i++ {
		var best *piece
		for k := range pieces {
			if p := &pieces[k]; p.from <= cuts[i-1] && p.to >= cuts[i] &&
				(best == nil || p.terms != nil && (best.terms == nil || p.rank < best.rank)) {
				best = p
			}
		}
		switch {
		case best == nil:
		case best.terms == nil:
			unleased += cuts[i] - cuts[i-1]
		default:
			total[best.rank] += cuts[i] - cuts[i-1]
			terms[best.rank] = best.terms
		}
	}
	d.Unleased = unleased / 1000
	for rank, ms := range total {
		d.Leases = append(d.Leases,
			Share{Lease: terms[rank].Lease.ID, Seconds: ms / 1000, Minutes: Billable(terms[rank].Plan, ms/1000)},
		)
	}
	slices.SortFunc(d.Leases, func(a, b Share) int { return cmp.Compare(a.Lease, b.Lease) })
}

// Billable returns the billable minutes of a day's seconds (rules 6.3): none
// below the grace, else the whole rounded up, then cut at the day's cap.
func Billable(p *tenancy.Plan, seconds int64) int64 {
	minutes := Rounded(p, seconds)
	if p.DailyCapMinutes > 0 {
		minutes = min(minutes, int64(p.DailyCapMinutes))
	}
	return minutes
}

// Rounded returns the same before the day's cap.
func Rounded(p *tenancy.Plan, seconds int64) int64 {
	if seconds <= 0 || seconds < int64(p.GraceMinutes)*60 {
		return 0
	}
	step := int64(max(p.RoundingMinutes, 1)) * 60
	return (seconds + step - 1) / step * step / 60
}

// Person is whose hours are counted together: a member of a tenant.
type Person struct {
	Tenant tenancy.TenantID
	Member tenancy.MemberID
}

// Days computes the days of [from, to] that any of one person's visits overlap,
// as measured or as corrected.
func (t *Tariff) Days(zone *catalogue.Zone, from, to catalogue.Day, visits []Visit) []Day {
	byDay := map[catalogue.Day][]Visit{}
	for i := range visits {
		v := &visits[i]
		first, last := touches(zone, v.From, v.To)
		begin, end := first, last
		if c := v.Corrected; c != nil {
			begin, end = touches(zone, c.From, c.To)
		}
		for day := max(min(first, begin), from); day <= min(max(last, end), to); day++ {
			if day >= first && day <= last || day >= begin && day <= end {
				byDay[day] = append(byDay[day], *v)
			}
		}
	}
	var out []Day
	for day := from; day <= to; day++ {
		if len(byDay[day]) > 0 {
			out = append(out, t.Day(zone, day, byDay[day]))
		}
	}
	return out
}

// touches returns the first and last local day of [from, to); the last is
// before the first where the interval is empty, as that of a visit that has not
// begun.
func touches(zone *catalogue.Zone, from, to time.Time) (first, last catalogue.Day) {
	if !to.After(from) {
		return 1, 0
	}
	return zone.At(from).Day, zone.At(to.Add(-time.Millisecond)).Day
}
