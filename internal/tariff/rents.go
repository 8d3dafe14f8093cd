package tariff

import (
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/dated"
)

// Rent is the price of a m² of a space for a month.
type Rent struct {
	Cents  int64
	Reason string // empty: from the catalogue
	By     string
}

// Revision is a rent that was set through the API, to hold from a day on.
type Revision struct {
	Space catalogue.SpaceID
	From  catalogue.Day
	Rent  Rent
	At    time.Time // when it was recorded
}

// Rents holds the rents of every space, by the day from which each holds.
type Rents map[catalogue.SpaceID]dated.History[catalogue.Day, Rent]

// RentsOf combines the rents in the catalogues with revisions, which are in the order
// of their recording. On any day, of the rents that have begun, the one recorded last
// holds. A
// catalogue sets a rent where its rent differs from that of the catalogue
// recorded before it.
func RentsOf(told catalogue.History, revisions []Revision) Rents {
	all := Rents{}
	put := func(r Revision) {
		all[r.Space] = all[r.Space].Put(
			dated.Change[catalogue.Day, Rent]{From: r.From, Value: &r.Rent, At: r.At, By: r.Rent.By},
			func(c *dated.Change[catalogue.Day, Rent]) bool { return c.From >= r.From },
		)
	}
	var before *catalogue.Network
	for _, c := range told.Changes() {
		for len(revisions) > 0 && before != nil && revisions[0].At.Before(c.At) {
			put(revisions[0])
			revisions = revisions[1:]
		}
		n := *c.Value
		from := catalogue.Day(dated.Beginning)
		if before != nil {
			from = n.Zone.At(time.UnixMilli(c.From)).Day
		}
		for i := range n.Spaces {
			sp := &n.Spaces[i]
			if was := was(before, sp.ID); was == nil || was.RentCents != sp.RentCents {
				if all.On(sp.ID, from) == int64(sp.RentCents) && !all.changes(sp.ID, from) {
					continue // the space has this rent already
				}
				put(Revision{sp.ID, from, Rent{Cents: int64(sp.RentCents)}, c.At})
			}
		}
		before = n
	}
	for _, r := range revisions {
		put(r)
	}
	return all
}

func was(n *catalogue.Network, id catalogue.SpaceID) *catalogue.Space {
	if n == nil {
		return nil
	}
	return n.Space(id)
}

// On returns a space's rent on a day in cents; 0: it is not let by area.
func (r Rents) On(id catalogue.SpaceID, day catalogue.Day) int64 {
	if v := r[id].On(day); v != nil {
		return v.Cents
	}
	return 0
}

// changes reports whether a space's rent changes after a day.
func (r Rents) changes(id catalogue.SpaceID, day catalogue.Day) bool {
	versions := r[id].Versions()
	return len(versions) == 0 || versions[len(versions)-1].From > day
}

// RevisedOn returns the day from which the rent of a given day holds; false
// where it was never revised.
func (r Rents) RevisedOn(id catalogue.SpaceID, day catalogue.Day) (from catalogue.Day, ok bool) {
	last := int64(-1)
	for _, v := range r[id].Versions() {
		if v.From > day {
			break
		}
		if last >= 0 && v.Value.Cents != last {
			from, ok = v.From, true
		}
		last = v.Value.Cents
	}
	return from, ok
}

// Since returns the days after first, up to and including last, on which a space's rent changes.
func (r Rents) Since(id catalogue.SpaceID, first, last catalogue.Day) (days []catalogue.Day) {
	for _, v := range r[id].Versions() {
		if v.From > first && v.From <= last {
			days = append(days, v.From)
		}
	}
	slices.Sort(days)
	return days
}
