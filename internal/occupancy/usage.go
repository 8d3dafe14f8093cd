package occupancy

import (
	"math"
	"slices"
	"sort"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// Sum is the use of one or more spaces, in milliseconds.
type Sum struct {
	Known, Occupied, Person             int64
	Open                                int64 // the site's opening hours
	KnownOpen, OccupiedOpen, PersonOpen int64 // within the opening hours
	CapacityOpen                        int64 // Σ capacity × KnownOpen
	Peak                                int32
}

// Add adds another space, or another time. Peaks of different spaces at one
// time do not add up that way: see Peaks.
func (s *Sum) Add(o Sum) {
	s.Known += o.Known
	s.Occupied += o.Occupied
	s.Person = plus(s.Person, o.Person)
	s.Open += o.Open
	s.KnownOpen += o.KnownOpen
	s.OccupiedOpen += o.OccupiedOpen
	s.PersonOpen = plus(s.PersonOpen, o.PersonOpen)
	s.CapacityOpen = plus(s.CapacityOpen, o.CapacityOpen)
	s.Peak = max(s.Peak, o.Peak)
}

// plus adds numbers of 0 or more, and saturates.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Utilisation returns the fraction of the known opening hours that was
// occupied; ok is false where none is known.
func (s *Sum) Utilisation() (u float64, ok bool) { return ratio(s.OccupiedOpen, s.KnownOpen) }

// Fill returns the fraction of the places that was taken in the known opening
// hours.
func (s *Sum) Fill() (u float64, ok bool) { return ratio(s.PersonOpen, s.CapacityOpen) }

func ratio(a, b int64) (float64, bool) {
	if b == 0 {
		return 0, false
	}
	return float64(a) / float64(b), true
}

// Slot is a stretch of minutes [From, To) that is open or closed as a whole
// and, where Slots was asked for hours, lies in one hour of the week.
type Slot struct {
	From, To int64
	Open     bool
	Hour     int // of the week, 0 is Monday 00:00; -1 where hours do not matter
}

// Slots cuts the minutes [from, to) at a site's opening and closing times. If
// hours is set it also cuts at every local hour; if days is set, at every local
// midnight.
func Slots(c catalogue.Calendar, from, to int64, hours, days bool) []Slot {
	cuts := []int64{from, to}
	add := func(t time.Time) {
		if m := MinuteOf(t); m > from && m < to {
			cuts = append(cuts, m)
		}
	}
	first, last := c.Zone.At(MinuteTime(from)).Day, c.Zone.At(MinuteTime(to)).Day
	for day := first; day <= last; day++ {
		if days {
			add(c.Zone.Start(day))
		}
		for _, w := range c.Windows(day) {
			add(c.Zone.Instant(day, int(w.From)*60))
			add(c.Zone.Instant(day, int(w.To)*60))
		}
		// On days when clocks change a window may open twice, and an hour may
		// be missing.
		if begin, end := c.Zone.Start(day), c.Zone.Start(day+1); end.Sub(begin) != 24*time.Hour {
			for t := begin; t.Before(end); t = t.Add(time.Minute) {
				add(t)
			}
		}
	}
	if hours {
		for m := from; m < to; {
			second := int64(c.Zone.At(MinuteTime(m)).Second)
			m += 60 - second%3600/60
			add(MinuteTime(m))
		}
	}
	slices.Sort(cuts)
	var out []Slot
	for i := 1; i < len(cuts); i++ {
		if cuts[i] == cuts[i-1] {
			continue
		}
		s := Slot{From: cuts[i-1], To: cuts[i], Hour: -1}
		t := MinuteTime(s.From)
		s.Open = c.Open(t)
		if hours {
			l := c.Zone.At(t)
			s.Hour = (int(l.Day.Weekday())+6)%7*24 + int(l.Second/3600)
		}
		out = append(out, s)
	}
	return out
}

// Spend adds a space's runs, the first of which begins at the minute begin, to sums:
// those of a slot to the sum that of(slot) returns.
func Spend(slots []Slot, begin int64, runs []Run, of func(*Slot) *Sum) {
	i := sort.Search(len(slots), func(i int) bool { return slots[i].To > begin })
	at := begin
	for _, r := range runs {
		end := at + int64(r.Minutes)
		for i < len(slots) && slots[i].From < end {
			s := &slots[i]
			if n := min(end, s.To) - max(at, s.From); n > 0 {
				of(s).spend(n, &r.Minute, s.Open)
			}
			if s.To > end {
				break
			}
			i++
		}
		at = end
	}
}

func (s *Sum) spend(n int64, v *Minute, open bool) {
	known, occupied, person := n*int64(v.Known), n*int64(v.Occupied), int64(math.MaxInt64)
	if v.Person <= math.MaxInt64/n {
		person = n * v.Person
	}
	s.Known += known
	s.Occupied += occupied
	s.Person = plus(s.Person, person)
	s.Peak = max(s.Peak, v.Peak)
	if open {
		s.KnownOpen += known
		s.OccupiedOpen += occupied
		s.PersonOpen = plus(s.PersonOpen, person)
	}
}

// Peaks sums the peaks of several spaces minute by minute.
type Peaks struct {
	from int64
	step []int64 // changes from one minute to the next
}

// NewPeaks returns sums for the minutes [from, to).
func NewPeaks(from, to int64) *Peaks { return &Peaks{from, make([]int64, to-from+1)} }

// Add adds one space's runs, which begin at a minute.
func (p *Peaks) Add(begin int64, runs []Run) {
	at := begin - p.from
	n := int64(len(p.step) - 1)
	for _, r := range runs {
		end := at + int64(r.Minutes)
		if a, b := max(at, 0), min(end, n); r.Peak > 0 && b > a {
			p.step[a] += int64(r.Peak)
			p.step[b] -= int64(r.Peak)
		}
		at = end
	}
}

// Each yields every stretch of minutes [from, to) with the same summed peak.
func (p *Peaks) Each(yield func(from, to int64, peak int32)) {
	var sum int64
	start := int64(0)
	for i, d := range p.step {
		if d == 0 || int64(i) == start {
			sum += d
			continue
		}
		yield(p.from+start, p.from+int64(i), int32(min(sum, math.MaxInt32)))
		start = int64(i)
		sum += d
	}
	if end := int64(len(p.step) - 1); end > start {
		yield(p.from+start, p.from+end, int32(min(sum, math.MaxInt32)))
	}
}
