package app

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/series"
	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// layoutAt returns the layout that held at an instant: of those that begin by then
// the one that was told last; the first holds from the beginning.
func (w *world) layoutAt(t time.Time) layout {
	is := w.told[0].layout
	for _, l := range w.told[1:] {
		if !l.since.After(t) {
			is = l.layout
		}
	}
	return is
}

// chain returns a place and those around it.
func (l layout) chain(place string) []string {
	switch place {
	case "hall":
		return []string{"hall"}
	case "plateau":
		return []string{"plateau", "hall"}
	case "booth":
		if l.below {
			return []string{"booth", "plateau", "hall"}
		}
		return []string{"booth", "hall"}
	}
	return nil
}

func (l layout) sides(r worldRead) (before, after string) {
	door := r.door // at which the readers of this name hang
	if l.swapped {
		door = map[string]string{"glass": "street", "street": "glass", "curtain": "curtain"}[door]
	}
	from, to := "outside", "hall"
	switch {
	case door == "glass" && l.street:
		to = "plateau"
	case door == "glass":
		from, to = "hall", "plateau"
	case door == "curtain" && l.below:
		from, to = "plateau", "booth"
	case door == "curtain":
		from, to = "hall", "booth"
	}
	if r.in {
		return from, to
	}
	return to, from
}

// plainVisits returns a member's visits to a place, by the text of the rules.
func (w *world) plainVisits(member, place string) (list []spell, ids []uuid.UUID) {
	var reads []worldRead
	for _, r := range w.reads {
		if r.member == member {
			reads = append(reads, r)
		}
	}
	slices.SortFunc(reads, func(a, b worldRead) int { return cmp.Or(a.at.Compare(b.at), bytes.Compare(a.id[:], b.id[:])) })
	inside := func(i int) (was, is bool) {
		l := w.layoutAt(reads[i].at)
		before, after := l.sides(reads[i])
		return slices.Contains(l.chain(before), place), slices.Contains(l.chain(after), place)
	}
	zone := w.Network.Zone.Location()
	for i := 0; i < len(reads); {
		if _, is := inside(i); !is {
			i++
			continue
		}
		from := reads[i].at
		local := from.In(zone)
		limit := time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, zone)
		closing := time.Date(local.Year(), local.Month(), local.Day(), w.layoutAt(from).closes, 0, 0, 0, zone)
		if weekend := local.Weekday() == time.Saturday || local.Weekday() == time.Sunday; !weekend && closing.After(from) {
			limit = closing
		}
		if longest := from.Add(16 * time.Hour); longest.Before(limit) {
			limit = longest
		}
		shown := i + 1
		for ; shown < len(reads); shown++ {
			if was, is := inside(shown); !was || !is {
				break
			}
		}
		v := spell{From: from, To: limit, Inferred: true}
		if shown < len(reads) {
			r := reads[shown]
			was, is := inside(shown)
			switch {
			case !r.in && was && !is && !r.at.After(from.Add(16*time.Hour)):
				v = spell{From: from, To: r.at, Badged: true}
			case !r.at.After(limit):
				v = spell{From: from, To: r.at}
			}
		}
		list, ids = append(list, v), append(ids, visit.ID(catalogue.SpaceID(place), reads[i].id))
		for i++; i < shown && reads[i].at.Before(v.To); i++ {
		}
	}
	return list, ids
}

// billed reports whether time in a place is billed at an instant: whether it is
// a coworking that lies below no other.
func (l layout) billed(place string) bool {
	outer := l.kind == catalogue.Coworking
	switch place {
	case "plateau":
		return outer
	case "booth":
		return !l.below || !outer
	}
	return false
}

// secondsOn returns the seconds of a local day that are covered by visits to places
// while they were billed.
func (w *world) secondsOn(day catalogue.Day, spells map[string][]spell) int64 {
	begin, end := w.Network.Zone.Start(day), w.Network.Zone.Start(day+1)
	var edges []time.Time // between which nothing changes
	add := func(t time.Time) {
		if !t.Before(begin) && !t.After(end) {
			edges = append(edges, t)
		}
	}
	add(begin)
	add(end)
	for _, l := range w.told {
		add(l.since)
	}
	for _, list := range spells {
		for _, v := range list {
			add(v.From)
			add(v.To)
		}
	}
	slices.SortFunc(edges, time.Time.Compare)
	var sum time.Duration
	for i := 1; i < len(edges); i++ {
		from, to := edges[i-1], edges[i]
		l := w.layoutAt(from)
		covered := false
		for place, list := range spells {
			for _, v := range list {
				covered = covered || l.billed(place) && !v.From.After(from) && !v.To.Before(to) && v.To.After(v.From)
			}
		}
		if covered {
			sum += to.Sub(from)
		}
	}
	return int64(sum / time.Second)
}

// checkPlainly compares visits, hours and counted minutes with a plain reading.
func (w *world) checkPlainly() {
	kept, err := w.Ledger.Visits(w.ctx, ledger.VisitFilter{Limit: 1 << 20})
	w.check(err)
	byID := map[uuid.UUID]ledger.Visit{}
	for _, v := range kept {
		byID[v.ID] = v
	}
	for member := range worldMembers {
		measured, corrected := map[string][]spell{}, map[string][]spell{}
		for _, place := range []string{"hall", "plateau", "booth"} {
			list, ids := w.plainVisits(member, place)
			for i, v := range list {
				k, there := byID[ids[i]]
				if !there || !k.From.Equal(v.From) || !k.To.Equal(v.To) || (k.Ended == visit.Badge) != v.Badged {
					w.t.Errorf("%s's visit to the %s from %s: plainly until %s, kept %+v", member, place, v.From, v.To, k)
				}
				delete(byID, ids[i])
				if v.To.After(w.now) {
					v.To = w.now
				}
				measured[place] = append(measured[place], v)
				if k.Correction != nil {
					v = spell{From: k.Correction.From, To: k.Correction.To}
				}
				corrected[place] = append(corrected[place], v)
			}
		}
		w.checkHours(tenancy.MemberID(member), measured, corrected)
	}
	for _, v := range byID {
		w.t.Errorf("there is no such visit: %+v", v)
	}
	w.checkCounted()
}

func (w *world) checkHours(member tenancy.MemberID, measured, corrected map[string][]spell) {
	for _, m := range []tariff.Month{{Year: 2026, Month: time.October}, {Year: 2026, Month: time.November}} {
		hours, err := w.bills().Hours(w.ctx, m, "")
		w.check(err)
		kept := map[catalogue.Day]tariff.Day{}
		for _, d := range hours[tariff.Person{Tenant: "t", Member: member}] {
			kept[d.Day] = d
		}
		first, last := m.Days()
		for day := first; day <= last; day++ {
			plan := w.Rights.InForce().Book.PlanTerms("p").On(day)
			was, is := w.secondsOn(day, measured), w.secondsOn(day, corrected)
			minutes := int64(0)
			if step := int64(max(1, plan.RoundingMinutes)); is > 0 && is >= int64(plan.GraceMinutes)*60 {
				for minutes*60 < is {
					minutes += step
				}
			}
			d, billable := kept[day], int64(0)
			for _, l := range d.Leases {
				billable += l.Minutes
			}
			if d.Measured != was || d.Corrected != is || billable != minutes {
				w.t.Errorf(
					"%s on %s: plainly %d s measured, %d s corrected, %d minutes; made %d, %d, %d",
					member,
					day,
					was,
					is,
					minutes,
					d.Measured,
					d.Corrected,
					billable,
				)
			}
		}
	}
}

// checkCounted compares the minutes in which the counter was known all along.
func (w *world) checkCounted() {
	type counted struct {
		from, to time.Time
		n        int
	}
	said := slices.Clone(w.said)
	slices.SortFunc(said, func(a, b worldCount) int { return cmp.Or(a.at.Compare(b.at), bytes.Compare(a.id[:], b.id[:])) })
	in := map[string][]counted{}
	for i, c := range said {
		place := w.layoutAt(c.at).counter
		to := c.at.Add(worldHold)
		if i+1 < len(said) && said[i+1].at.Before(to) {
			to = said[i+1].at
		}
		for _, l := range w.told { // it hangs there until another layout hangs it elsewhere
			if l.since.After(c.at) && l.since.Before(to) && w.layoutAt(l.since).counter != place {
				to = l.since
			}
		}
		in[place] = append(in[place], counted{c.at, to, c.n})
	}
	reader := series.Reader{History: w.Catalogues, Ledger: w.Ledger}
	from, to := occupancy.MinuteOf(worldBegins.AddDate(0, 0, -6)), occupancy.MinuteOf(w.now)
	for place, list := range in {
		id := catalogue.SpaceID(place)
		if place == "plateau" {
			id = catalogue.SpaceID(w.told[len(w.told)-1].name)
		}
		runs, err := reader.Minutes(w.ctx, id, from, to)
		w.check(err)
		at := from
		for _, r := range runs {
			for range r.Minutes {
				begin, end := occupancy.MinuteTime(at), occupancy.MinuteTime(at+1)
				var known time.Duration
				var person int64
				for _, c := range list {
					a, b := c.from, c.to
					if a.Before(begin) {
						a = begin
					}
					if b.After(end) {
						b = end
					}
					if b.After(a) {
						known += b.Sub(a)
						person += int64(c.n) * b.Sub(a).Milliseconds()
					}
				}
				if known == time.Minute && (r.Person != person || int64(r.Known) != time.Minute.Milliseconds()) {
					w.t.Errorf("%s at %s: plainly %d person milliseconds, made %+v", place, begin, person, r.Minute)
				}
				at++
			}
		}
	}
}
