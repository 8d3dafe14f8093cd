package catalogue

import (
	"testing"
	"time"
)

func TestTheFrenchHolidaysAreThoseOfTheLabourCode(t *testing.T) {
	french := []string{"2026-01-01", "2026-04-06", "2026-05-01", "2026-05-08", "2026-05-14", "2026-05-25",
		"2026-07-14", "2026-08-15", "2026-11-01", "2026-11-11", "2026-12-25"}
	moselle := append([]string{"2026-04-03", "2026-12-26"}, french...)
	for calendar, days := range map[Holidays][]string{French: french, Moselle: moselle} {
		set := calendar.Set(2026, 2026)
		if len(set) != len(days) {
			t.Errorf("%s has %d days, not %d", calendar, len(set), len(days))
		}
		for _, s := range days {
			d, err := ParseDay(s)
			if err != nil || !set.Has(d) {
				t.Errorf("%s is not a holiday of %s (%v)", s, calendar, err)
			}
		}
	}
}

// easter returns computed by the anonymous Gregorian algorithm, apart from the
// library that the calendars use.
func easter(year int) Day {
	a, b, c := year%19, year/100, year%100
	h := (19*a + b - b/4 - (b-(b+8)/25+1)/3 + 15) % 30
	l := (32 + 2*(b%4) + 2*(c/4) - h - c%4) % 7
	m := (a + 11*h + 22*l) / 451
	return Date(year, time.Month((h+l-7*m+114)/31), (h+l-7*m+114)%31+1)
}

func TestMoselleKeepsGoodFridayAndTheSecondDayOfChristmas(t *testing.T) {
	french, moselle := French.Set(holidayFirst, holidayLast), Moselle.Set(holidayFirst, holidayLast)
	for year := holidayFirst; year <= holidayLast; year++ {
		for _, d := range []Day{easter(year) - 2, Date(year, time.December, 26)} {
			if !moselle.Has(d) || french.Has(d) {
				t.Errorf("%s: Moselle %t, elsewhere %t", d, moselle.Has(d), french.Has(d))
			}
		}
		for _, d := range []Day{easter(year) + 1, easter(year) + 39, easter(year) + 50} {
			if !moselle.Has(d) || !french.Has(d) {
				t.Errorf("%s is not a holiday", d)
			}
		}
	}
}

func TestASiteIsOpenInItsHoursButOnNoHoliday(t *testing.T) {
	n := lorn(t)
	metz, nancy := n.Calendar(n.Site("metz")), n.Calendar(n.Site("nancy"))
	for _, c := range []struct {
		at          string
		metz, nancy bool
	}{
		{"2026-11-23T06:59:59Z", false, false},
		{"2026-11-23T07:00:00Z", true, false}, // Monday 8:00
		{"2026-11-23T07:30:00Z", true, true},
		{"2026-11-23T18:00:00Z", true, false}, // 19:00
		{"2026-11-23T19:00:00Z", false, false},
		{"2026-11-28T10:00:00Z", false, true},  // Saturday
		{"2026-11-29T10:00:00Z", false, false}, // Sunday
		{"2026-11-11T10:00:00Z", false, false}, // Armistice
		{"2026-04-03T10:00:00Z", false, true},  // Good Friday
		{"2025-12-26T10:00:00Z", false, true},  // a Friday, second day of Christmas
		{"2026-07-23T06:00:00Z", true, false},  // summer time
	} {
		at := instant(t, c.at)
		if metz.Open(at) != c.metz || nancy.Open(at) != c.nancy {
			t.Errorf("%s: Metz %t, Nancy %t", c.at, metz.Open(at), nancy.Open(at))
		}
	}
	for _, c := range []struct{ day, want string }{
		{"2026-11-23", "2026-11-23T19:00:00Z"}, {"2026-07-23", "2026-07-23T18:00:00Z"}, {"2026-11-22", ""}, {"2026-04-03", ""},
	} {
		day, _ := ParseDay(c.day)
		at, ok := metz.LastClosing(day)
		if ok != (c.want != "") || ok && !at.Equal(instant(t, c.want)) {
			t.Errorf("%s closes last at %s", c.day, at)
		}
	}
}

func TestACalendarIsReadByItsName(t *testing.T) {
	var h Holidays
	if err := h.UnmarshalText([]byte("fr-moselle")); err != nil || h != Moselle {
		t.Error(h, err)
	}
	if err := h.UnmarshalText([]byte("de")); err == nil || err.Error() != `"de" is not a holiday calendar: fr fr-moselle` {
		t.Error(err)
	}
}
