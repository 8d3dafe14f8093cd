package catalogue

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func location(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// asTheClockShows returns the local time as package time tells it.
func asTheClockShows(at time.Time, loc *time.Location) Local {
	l := at.In(loc)
	h, m, s := l.Clock()
	return Local{Day: Date(l.Date()), Second: int32(h*3600 + m*60 + s)}
}

func TestTheClockChangesInMarchAndOctober(t *testing.T) {
	z := NewZone(location(t, "Europe/Paris"))
	for _, c := range []struct {
		at, day string
		second  int32
	}{
		{"2026-03-29T00:59:59Z", "2026-03-29", 2*3600 - 1},
		{"2026-03-29T01:00:00Z", "2026-03-29", 3 * 3600}, // 2:00 is 3:00
		{"2026-10-25T00:30:00Z", "2026-10-25", 2*3600 + 1800},
		{"2026-10-25T00:59:59Z", "2026-10-25", 3*3600 - 1},
		{"2026-10-25T01:00:00Z", "2026-10-25", 2 * 3600}, // 3:00 is 2:00 again
		{"2026-10-25T01:30:00Z", "2026-10-25", 2*3600 + 1800},
		{"2026-10-25T23:00:00Z", "2026-10-26", 0},
		{"2026-12-31T23:00:00Z", "2027-01-01", 0},
		{"1969-12-31T22:59:59Z", "1969-12-31", 24*3600 - 1},
		{"1969-12-31T23:00:00Z", "1970-01-01", 0},
	} {
		if got := z.At(instant(t, c.at)); got.Day.String() != c.day || got.Second != c.second {
			t.Errorf("%s is %s second %d, not %s second %d", c.at, got.Day, got.Second, c.day, c.second)
		}
	}
}

func TestEveryQuarterOfAnHourIsTheLocationsOwn(t *testing.T) {
	for _, name := range []string{"Europe/Paris", "America/Sao_Paulo", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"} {
		loc := location(t, name)
		z := NewZone(loc)
		end := time.Date(2032, 1, 1, 0, 0, 0, 0, time.UTC)
		for at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC); at.Before(end); at = at.Add(15 * time.Minute) {
			if got, want := z.At(at), asTheClockShows(at, loc); got != want {
				t.Fatalf("%s: %s is %v, not %v", name, at, got, want)
			}
		}
	}
}

func TestAnySecondIsTheLocationsOwn(t *testing.T) {
	loc := location(t, "Europe/Paris")
	z := NewZone(loc)
	changes := append([]int64{}, z.starts...)
	rapid.Check(t, func(t *rapid.T) {
		unix := rapid.OneOf(
			rapid.Int64Range(-4e9, 8e9), // 1843 to 2223: beyond what is laid out, too
			rapid.Custom(func(t *rapid.T) int64 {
				return rapid.SampledFrom(changes).Draw(t, "change") + rapid.Int64Range(-7200, 7200).Draw(t, "off")
			}),
		).Draw(t, "unix")
		at := time.Unix(unix, 0)
		if got, want := z.At(at), asTheClockShows(at, loc); got != want {
			t.Fatalf("%s is %v, not %v", at.UTC(), got, want)
		}
	})
}

func TestAnInstantIsTheFirstAtWhichTheClockShowsIt(t *testing.T) {
	loc := location(t, "Europe/Paris")
	z := NewZone(loc)
	rapid.Check(t, func(t *rapid.T) {
		day := Date(rapid.IntRange(1991, 2098).Draw(t, "year"), 1, 1) + Day(rapid.IntRange(0, 365).Draw(t, "day"))
		if rapid.Bool().Draw(t, "change") {
			day = z.AtUnix(rapid.SampledFrom(z.starts[1:]).Draw(t, "at")).Day
		}
		second := rapid.IntRange(0, 86400).Draw(t, "second")
		got := z.Instant(day, second)
		want := firstShowing(loc, day, second)
		if !got.Equal(want) || got.Location() != time.UTC {
			t.Fatalf("%s second %d is %s, not %s", day, second, got, want.UTC())
		}
	})
}

// firstShowing walks the seconds' hours until the clock shows the time or is past it.
func firstShowing(loc *time.Location, day Day, second int) time.Time {
	past := func(at time.Time) bool {
		l := asTheClockShows(at, loc)
		return int64(l.Day)*86400+int64(l.Second) >= int64(day)*86400+int64(second)
	}
	at := time.Unix(int64(day)*86400+int64(second)-20*3600, 0)
	for _, step := range []time.Duration{time.Hour, time.Minute, time.Second} {
		for !past(at.Add(step)) {
			at = at.Add(step)
		}
	}
	return at.Add(time.Second)
}

func TestGapsAndDoubledHoursHaveOneInstant(t *testing.T) {
	z := NewZone(location(t, "Europe/Paris"))
	for _, c := range []struct {
		name   string
		day    Day
		second int
		want   string
	}{
		{"in the gap: the change itself", Date(2026, 3, 29), 2*3600 + 1800, "2026-03-29T01:00:00Z"},
		{"the gap's first second", Date(2026, 3, 29), 2 * 3600, "2026-03-29T01:00:00Z"},
		{"after the gap", Date(2026, 3, 29), 3*3600 + 1, "2026-03-29T01:00:01Z"},
		{"shown twice: the first", Date(2026, 10, 25), 2*3600 + 1800, "2026-10-25T00:30:00Z"},
		{"after the doubled hour", Date(2026, 10, 25), 3 * 3600, "2026-10-25T02:00:00Z"},
		{"the end of a long day", Date(2026, 10, 25), 86400, "2026-10-25T23:00:00Z"},
		{"the end of a short day", Date(2026, 3, 29), 86400, "2026-03-29T22:00:00Z"},
	} {
		if got := z.Instant(c.day, c.second); !got.Equal(instant(t, c.want)) {
			t.Errorf("%s: %s, not %s", c.name, got, c.want)
		}
	}
	long := z.Start(Date(2026, 10, 26)).Sub(z.Start(Date(2026, 10, 25)))
	short := z.Start(Date(2026, 3, 30)).Sub(z.Start(Date(2026, 3, 29)))
	if long != 25*time.Hour || short != 23*time.Hour {
		t.Errorf("the days of the changes last %s and %s", long, short)
	}
}

func TestADayIsItsDate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Day(rapid.IntRange(-200_000, 200_000).Draw(t, "day"))
		y, m, dd := d.Civil()
		at := time.Date(y, m, dd, 0, 0, 0, 0, time.UTC)
		if Date(y, m, dd) != d || at.Weekday() != d.Weekday() || at.Format(time.DateOnly) != d.String() {
			t.Fatalf("%d is %s", d, d)
		}
		if back, err := ParseDay(d.String()); y > 0 && y < 10000 && (err != nil || back != d) {
			t.Fatalf("%s is read as %d: %v", d, back, err)
		}
	})
	for _, no := range []string{"", "2026-2-1", "2026-02-30", "01/02/2026", "2026-02-01T00:00:00Z"} {
		if _, err := ParseDay(no); err == nil {
			t.Errorf("%q is read as a date", no)
		}
	}
}

func TestLocalTimeCostsNoAllocation(t *testing.T) {
	n := lorn(t)
	c := n.Calendar(n.Site("metz"))
	at := instant(t, "2026-10-25T00:30:00Z")
	if allocs := testing.AllocsPerRun(100, func() {
		n.Zone.At(at)
		c.Open(at)
	}); allocs != 0 {
		t.Errorf("%g allocations", allocs)
	}
}

func BenchmarkLocalTime(b *testing.B) {
	z := NewZone(location(b, "Europe/Paris"))
	at := instant(b, "2026-10-25T00:30:00Z").Unix()
	b.ReportAllocs()
	for b.Loop() {
		at++
		z.AtUnix(at)
	}
}
