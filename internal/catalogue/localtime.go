package catalogue

import (
	"fmt"
	"sort"
	"time"
)

// Day counts local calendar days since 1970-01-01.
type Day int32

// Date makes the Day of a calendar date.
func Date(year int, month time.Month, day int) Day {
	return Day(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// ParseDay reads "2006-01-02".
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a date like 2026-10-31", s)
	}
	return Day(t.Unix() / 86400), nil
}

// Civil returns the calendar date.
func (d Day) Civil() (year int, month time.Month, day int) {
	return time.Unix(int64(d)*86400, 0).UTC().Date()
}

// String writes "2006-01-02".
func (d Day) String() string { return time.Unix(int64(d)*86400, 0).UTC().Format(time.DateOnly) }

// MarshalText writes "2006-01-02".
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "2006-01-02".
func (d *Day) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDay(string(b))
	return err
}

// Weekday returns the day of the week.
func (d Day) Weekday() time.Weekday { return time.Weekday(((int(d)+4)%7 + 7) % 7) }

// Local is an instant on a site's clock: the day and the second that the clock
// shows (0–86399, also on days of 23 or 25 hours).
type Local struct {
	Day    Day
	Second int32
}

// Zone is a time zone whose clock changes are computed in advance, so that converting an
// instant to local time takes only nanoseconds and no allocation.
type Zone struct {
	loc     *time.Location
	starts  []int64 // Unix seconds at which offsets[i] begins; starts[0] is the beginning of zoneFirst
	offsets []int64 // seconds east of UTC
}

// The clock changes of the years from zoneFirst on and before zoneLast are computed in advance.
// For other years the zone asks time.Location.
const zoneFirst, zoneLast = 1990, 2100

// LoadZone loads a zone by its IANA name.
func LoadZone(name string) (*Zone, error) {
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", name, err)
	}
	return NewZone(loc), nil
}

// NewZone computes the clock changes of loc.
func NewZone(loc *time.Location) *Zone {
	z := &Zone{loc: loc}
	t := time.Date(zoneFirst, 1, 1, 0, 0, 0, 0, time.UTC)
	end := time.Date(zoneLast, 1, 1, 0, 0, 0, 0, time.UTC)
	_, off := t.In(loc).Zone()
	z.starts, z.offsets = append(z.starts, t.Unix()), append(z.offsets, int64(off))
	for {
		_, next := t.In(loc).ZoneBounds()
		if next.IsZero() || next.After(end) {
			return z
		}
		// Years computed from a rule have bounds at their ends too, where the
		// offset does not change; in a leap year the bound may not even lie
		// ahead.
		if !next.After(t) {
			t = t.Add(24 * time.Hour)
			continue
		}
		if _, off := next.Zone(); int64(off) != z.offsets[len(z.offsets)-1] {
			z.starts, z.offsets = append(z.starts, next.Unix()), append(z.offsets, int64(off))
		}
		t = next
	}
}

// Location returns the zone as package time knows it.
func (z *Zone) Location() *time.Location { return z.loc }

// String returns the IANA name.
func (z *Zone) String() string { return z.loc.String() }

func (z *Zone) offset(unix int64) int64 {
	n := len(z.starts)
	if unix < z.starts[0] || unix >= 4102444800 { // 2100-01-01
		_, off := time.Unix(unix, 0).In(z.loc).Zone()
		return int64(off)
	}
	i := sort.Search(n, func(i int) bool { return z.starts[i] > unix }) - 1
	return z.offsets[i]
}

// At returns the local time of t.
func (z *Zone) At(t time.Time) Local { return z.AtUnix(t.Unix()) }

// AtUnix returns the local time of a Unix second.
func (z *Zone) AtUnix(unix int64) Local {
	local := unix + z.offset(unix)
	day := local / 86400
	second := local - day*86400
	if second < 0 {
		day, second = day-1, second+86400
	}
	return Local{Day: Day(day), Second: int32(second)}
}

// Start returns the first instant of a local day.
func (z *Zone) Start(d Day) time.Time { return z.Instant(d, 0) }

// Instant returns the instant at which the clock shows the second of the day.
// Of two such instants (clocks going back) it is the first; where there is none
// (clocks going forward) it is the change itself. second may be 86400: the next
// day's start.
func (z *Zone) Instant(d Day, second int) time.Time {
	wall := int64(d)*86400 + int64(second)
	// Earlier offset first: clocks that go back show a time twice.
	before, after := z.offset(wall-86400), z.offset(wall+86400)
	for _, off := range []int64{before, after} {
		if u := wall - off; z.offset(u) == off {
			return time.Unix(u, 0).UTC()
		}
	}
	// In the gap: the instant of the change lies between the two readings.
	_, change := time.Unix(wall-before-86400, 0).In(z.loc).ZoneBounds()
	return change.UTC()
}
