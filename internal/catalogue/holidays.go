package catalogue

import (
	"fmt"
	"slices"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/fr"
)

// Holidays names a calendar of public holidays.
type Holidays string

// The calendars: the French one, and the one of Moselle, where local law
// (droit local) adds Good Friday and 26 December.
const (
	French  Holidays = "fr"
	Moselle Holidays = "fr-moselle"
)

// Valid reports whether h is a known calendar.
func (h Holidays) Valid() bool { return h == French || h == Moselle }

// HolidaySet answers whether a day is a holiday, without allocation.
type HolidaySet map[Day]struct{}

// Has reports whether d is a public holiday.
func (s HolidaySet) Has(d Day) bool {
	_, ok := s[d]
	return ok
}

// Set computes the holidays of the years [from, to].
func (h Holidays) Set(from, to int) HolidaySet {
	days := append([]*cal.Holiday{}, fr.Holidays...)
	if h == Moselle {
		days = append(days,
			&cal.Holiday{Name: "Vendredi saint", Offset: -2, Func: cal.CalcEasterOffset},
			&cal.Holiday{Name: "Saint-Étienne", Month: time.December, Day: 26, Func: cal.CalcDayOfMonth})
	}
	set := HolidaySet{}
	for year := from; year <= to; year++ {
		for _, day := range days {
			actual, _ := day.Calc(year)
			if !actual.IsZero() {
				set[Date(actual.Date())] = struct{}{}
			}
		}
	}
	return set
}

// UnmarshalText reads "fr" or "fr-moselle".
func (h *Holidays) UnmarshalText(b []byte) error {
	*h = Holidays(b)
	if !h.Valid() {
		return fmt.Errorf("%q is not a holiday calendar: fr fr-moselle", b)
	}
	return nil
}

// holidayFirst and holidayLast are the first and the last year for which holidays are computed.
const holidayFirst, holidayLast = 2000, 2080

// Calendar is a site's opening hours and holidays, ready to be asked.
type Calendar struct {
	Zone     *Zone
	Opening  Week
	Holidays HolidaySet
}

// Calendar computes the site's calendar; call it once and keep it.
func (n *Network) Calendar(s *Site) Calendar {
	return Calendar{Zone: n.Zone, Opening: s.Opening, Holidays: s.Holidays.Set(holidayFirst, holidayLast)}
}

// Calendars keeps the calendars of the sites of several networks, each computed
// once.
type Calendars map[siteIn]Calendar

type siteIn struct {
	network *Network
	site    SiteID
}

// Of returns the calendar of a site that the network has.
func (c Calendars) Of(n *Network, id SiteID) Calendar {
	key := siteIn{n, id}
	cal, ok := c[key]
	if !ok {
		cal = n.Calendar(n.Site(id))
		c[key] = cal
	}
	return cal
}

// Open reports whether the site is open at t: in a window, and not on a
// holiday.
func (c Calendar) Open(t time.Time) bool {
	l := c.Zone.At(t)
	return !c.Holidays.Has(l.Day) && c.Opening.Contains(l.Day.Weekday(), l.Second)
}

// Windows returns the opening windows of a local day; none on a holiday.
func (c Calendar) Windows(d Day) []Window {
	if c.Holidays.Has(d) {
		return nil
	}
	var out []Window
	for _, w := range c.Opening {
		if slices.Contains(w.Days, Weekday(d.Weekday())) {
			out = append(out, w)
		}
	}
	return out
}

// LastClosing returns the instant of the site's last closing on a local day;
// none on a holiday or a day without opening.
func (c Calendar) LastClosing(d Day) (time.Time, bool) {
	if c.Holidays.Has(d) {
		return time.Time{}, false
	}
	m, ok := c.Opening.LastClosing(d.Weekday())
	if !ok {
		return time.Time{}, false
	}
	return c.Zone.Instant(d, int(m)*60), true
}
