package visit_test

import (
	"bytes"
	stdcmp "cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/visit"
)

// house returns a hall off the street, coworking off the hall, a booth within
// coworking, a meeting room off the hall with a back door to the street, and
// another site's hall.
func house(t interface{ Fatal(...any) }) (*catalogue.Network, *visit.Places) {
	zone, err := catalogue.LoadZone("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	week := catalogue.Week{{Days: []catalogue.Weekday{1, 2, 3, 4, 5}, From: 8 * 60, To: 20 * 60}}
	n := catalogue.New(catalogue.Network{
		Name: "house",
		Zone: zone,
		Sites: []catalogue.Site{
			{ID: "metz", Holidays: catalogue.Moselle, Opening: week},
			{ID: "nancy", Holidays: catalogue.French, Opening: week},
		},
		Buildings: []catalogue.Building{{ID: "mb", Site: "metz"}, {ID: "nb", Site: "nancy"}},
		Spaces: []catalogue.Space{
			{
				ID:       "hall",
				Building: "mb",
				Kind:     catalogue.Common,
			},
			{ID: "cowork", Building: "mb", Kind: catalogue.Coworking, Parent: "hall"},
			{
				ID:       "booth",
				Building: "mb",
				Kind:     catalogue.Coworking,
				Parent:   "cowork",
			},
			{ID: "meeting", Building: "mb", Kind: catalogue.MeetingRoom, Parent: "hall"},
			{ID: "far", Building: "nb", Kind: catalogue.Common},
		},
		Doors: []catalogue.Door{
			{
				ID:   "street",
				From: catalogue.Outside,
				To:   "hall",
			},
			{ID: "glass", From: "hall", To: "cowork"},
			{ID: "curtain", From: "cowork", To: "booth"},
			{
				ID:   "room",
				From: "hall",
				To:   "meeting",
			},
			{ID: "back", From: catalogue.Outside, To: "meeting"},
			{ID: "nancy", From: catalogue.Outside, To: "far"},
		},
	})
	return n, visit.NewPlaces(catalogue.Always(n))
}

func read(i int, at string, door catalogue.DoorID, dir catalogue.Direction) visit.Read {
	zone, _ := time.LoadLocation("Europe/Paris")
	t, err := time.ParseInLocation("2006-01-02 15:04", at, zone)
	if err != nil {
		panic(err)
	}
	return visit.Read{ID: uuid.UUID{15: byte(i)}, At: t.UTC(), Door: door, Direction: dir}
}

// written shows visits as a person would write them down.
func written(n *catalogue.Network, visits []visit.Visit) []string {
	var out []string
	for _, v := range visits {
		loc := n.Zone.Location()
		out = append(out,
			fmt.Sprintf("%s %s–%s %s", v.Space, v.From.In(loc).Format("02 15:04"), v.To.In(loc).Format("02 15:04"), v.Ended),
		)
	}
	return out
}

func TestVisitsAreAsTheRulesSay(t *testing.T) {
	n, places := house(t)
	const day, next = "2026-10-21 ", "2026-10-22 " // a Wednesday and a Thursday
	for _, c := range []struct {
		name  string
		reads []visit.Read
		want  []string
	}{
		{"in and out", []visit.Read{read(1, day+"09:00", "street", "in"), read(2, day+"17:00", "street", "out")}, []string{"hall 21 09:00–21 17:00 badge"}},
		{"whoever is below is in what lies above", []visit.Read{read(1, day+"09:00", "street", "in"), read(2, day+"09:01", "glass", "in"), read(3, day+"12:00", "glass", "out"), read(4, day+"12:01", "street", "out")},
			[]string{"hall 21 09:00–21 12:01 badge", "cowork 21 09:01–21 12:00 badge"}},
		{"moving within a space does not end it", []visit.Read{read(1, day+"09:00", "glass", "in"), read(2, day+"10:00", "curtain", "in"), read(3, day+"11:00", "curtain", "out"), read(4, day+"12:00", "glass", "out")},
			[]string{"cowork 21 09:00–21 12:00 badge", "hall 21 09:00–21 20:00 closing", "booth 21 10:00–21 11:00 badge"}},
		{"forgotten exit ends at closing", []visit.Read{read(1, day+"09:00", "street", "in")}, []string{"hall 21 09:00–21 20:00 closing"}},
		{"begun after closing ends with the day", []visit.Read{read(1, day+"21:00", "street", "in")}, []string{"hall 21 21:00–22 00:00 closing"}},
		{"an exit outranks closing", []visit.Read{read(1, day+"09:00", "street", "in"), read(2, day+"23:30", "street", "out")}, []string{"hall 21 09:00–21 23:30 badge"}},
		{"an exit through the night, within 16 hours", []visit.Read{read(1, day+"18:00", "street", "in"), read(2, next+"02:00", "street", "out")}, []string{"hall 21 18:00–22 02:00 badge"}},
		{"an exit at 16 hours to the millisecond is one", []visit.Read{read(1, day+"06:00", "street", "in"), read(2, day+"22:00", "street", "out")}, []string{"hall 21 06:00–21 22:00 badge"}},
		{"an exit after more than 16 hours is none", []visit.Read{read(1, day+"06:00", "street", "in"), read(2, day+"22:01", "street", "out")}, []string{"hall 21 06:00–21 20:00 closing"}},
		{"closing comes before 16 hours", []visit.Read{read(1, day+"01:00", "street", "in")}, []string{"hall 21 01:00–21 17:00 max"}},
		{"entering again shows that one was out", []visit.Read{read(1, day+"09:00", "street", "in"), read(2, day+"11:00", "street", "in"), read(3, day+"12:00", "street", "out")},
			[]string{"hall 21 09:00–21 11:00 elsewhere", "hall 21 11:00–21 12:00 badge"}},
		{"elsewhere after closing changes nothing", []visit.Read{read(1, day+"09:00", "street", "in"), read(2, day+"21:00", "nancy", "in")},
			[]string{"hall 21 09:00–21 20:00 closing", "far 21 21:00–22 00:00 closing"}},
		{"a read elsewhere ends it", []visit.Read{read(1, day+"09:00", "street", "in"), read(2, day+"11:00", "nancy", "in"), read(3, day+"12:00", "nancy", "out")},
			[]string{"hall 21 09:00–21 11:00 elsewhere", "far 21 11:00–21 12:00 badge"}},
		{"a read inside after closing begins a new visit", []visit.Read{read(1, day+"09:00", "glass", "in"), read(2, day+"21:00", "curtain", "in"), read(3, day+"21:30", "curtain", "out")},
			[]string{"cowork 21 09:00–21 20:00 closing", "hall 21 09:00–21 20:00 closing", "booth 21 21:00–21 21:30 badge", "cowork 21 21:00–22 00:00 closing", "hall 21 21:00–22 00:00 closing"}},
		{"but an exit within 16 hours of the start outranks it", []visit.Read{read(1, day+"09:00", "glass", "in"), read(2, day+"21:00", "curtain", "in"), read(3, day+"21:30", "curtain", "out"), read(4, day+"22:00", "glass", "out")},
			[]string{"cowork 21 09:00–21 22:00 badge", "hall 21 09:00–21 20:00 closing", "booth 21 21:00–21 21:30 badge", "hall 21 21:00–22 00:00 closing"}},
		{"an out read into a space shows one in it", []visit.Read{read(1, day+"09:00", "glass", "out"), read(2, day+"10:00", "street", "out")}, []string{"hall 21 09:00–21 10:00 badge"}},
		{"leaving by the back door ends the hall too", []visit.Read{read(1, day+"09:00", "street", "in"), read(2, day+"09:05", "room", "in"), read(3, day+"10:00", "back", "out")},
			[]string{"hall 21 09:00–21 10:00 badge", "meeting 21 09:05–21 10:00 badge"}},
		{"entering by the back door shows one came from the street", []visit.Read{read(1, day+"09:00", "street", "in"), read(2, day+"10:00", "back", "in"), read(3, day+"11:00", "back", "out")},
			[]string{"hall 21 09:00–21 10:00 elsewhere", "hall 21 10:00–21 11:00 badge", "meeting 21 10:00–21 11:00 badge"}},
		{"a holiday has no closing time but its end", []visit.Read{read(1, "2026-12-26 09:00", "street", "in")}, []string{"hall 26 09:00–27 00:00 closing"}},
		{"the day on which clocks go back has 25 hours", []visit.Read{read(1, "2026-10-25 00:30", "street", "in"), read(2, "2026-10-25 15:30", "street", "out")}, []string{"hall 25 00:30–25 15:30 badge"}},
		{"repeats say nothing new", []visit.Read{read(1, day+"09:00", "street", "in"), read(1, day+"09:00", "street", "in"), read(2, day+"10:00", "street", "out")}, []string{"hall 21 09:00–21 10:00 badge"}},
	} {
		got := written(n, visit.Make(places, c.reads))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
	}
}

func TestVisitGoesOnUntilItsEndIsDue(t *testing.T) {
	_, places := house(t)
	v := visit.Make(places, []visit.Read{read(1, "2026-10-21 09:00", "street", "in")})[0]
	if open := v.AsOf(v.To.Add(-time.Millisecond)); open.Ended != visit.Open || !open.To.IsZero() {
		t.Errorf("before its end: %+v", open)
	}
	if done := v.AsOf(v.To); done != v {
		t.Errorf("at its end: %+v", done)
	}
}

func TestPresenceIsWhereTheLastReadLeft(t *testing.T) {
	n, places := house(t)
	reads := []visit.Read{read(1, "2026-10-21 09:00", "street", "in"), read(2, "2026-10-21 09:01", "glass", "in")}
	space, since, until := visit.Presence(places, reads)
	if space != "cowork" || !since.Equal(reads[1].At) || until.In(n.Zone.Location()).Format("15:04") != "20:00" {
		t.Errorf("got %s since %s until %s", space, since, until)
	}
	space, since, _ = visit.Presence(places, append(reads, read(3, "2026-10-21 10:00", "glass", "out")))
	if space != "hall" || !since.Equal(reads[0].At) {
		t.Errorf("back in the hall: got %s since %s", space, since)
	}
	if space, _, _ = visit.Presence(places, append(reads, read(4, "2026-10-21 11:00", "street", "out"))); space != "" {
		t.Errorf("on the street: got %s", space)
	}
}

// drawReads draws a month of badges: days with nights, forgotten exits,
// impossible moves, several at one instant, over a clock change.
func drawReads(t *rapid.T, n *catalogue.Network) []visit.Read {
	at := time.Date(2026, 10, 18, 6, 0, 0, 0, time.UTC)
	var reads []visit.Read
	for i := range rapid.IntRange(0, 40).Draw(t, "reads") {
		gap := rapid.SampledFrom(
			[]time.Duration{
				0,
				time.Minute,
				20 * time.Minute,
				3 * time.Hour,
				8 * time.Hour,
				16 * time.Hour,
				16*time.Hour + time.Millisecond,
				40 * time.Hour,
			},
		).Draw(t, "gap")
		at = at.Add(gap)
		reads = append(reads, visit.Read{
			ID:        uuid.UUID{0: byte(rapid.IntRange(0, 255).Draw(t, "id")), 15: byte(i)},
			At:        at,
			Door:      rapid.SampledFrom(n.Doors).Draw(t, "door").ID,
			Direction: rapid.SampledFrom([]catalogue.Direction{"in", "out"}).Draw(t, "direction"),
		})
	}
	return reads
}

// plain finds one space's visits by the words of rules 5, one after the other.
func plain(n *catalogue.Network, s catalogue.SpaceID, reads []visit.Read) []visit.Visit {
	sorted := slices.Clone(reads)
	slices.SortFunc(sorted, func(a, b visit.Read) int {
		if !a.At.Equal(b.At) {
			return a.At.Compare(b.At)
		}
		return slices.Compare(a.ID[:], b.ID[:])
	})
	in := func(sp catalogue.SpaceID) bool {
		for sp != s && n.Space(sp) != nil {
			sp = n.Space(sp).Parent
		}
		return sp == s
	}
	before := func(r visit.Read) bool {
		if d := n.Door(r.Door); r.Direction == "in" {
			return in(d.From)
		} else {
			return in(d.To)
		}
	}
	after := func(r visit.Read) bool {
		if d := n.Door(r.Door); r.Direction == "in" {
			return in(d.To)
		} else {
			return in(d.From)
		}
	}
	var visits []visit.Visit
	for k := 0; k < len(sorted); {
		first := sorted[k]
		if !after(first) {
			k++
			continue
		}
		v := visit.Visit{Space: s, First: first.ID, From: first.At}
		local := first.At.In(n.Zone.Location())
		midnight := time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, local.Location())
		c := n.Calendar(n.Site(n.Space(s).Site))
		closing := time.Date(local.Year(), local.Month(), local.Day(), 20, 0, 0, 0, local.Location())
		weekend := local.Weekday() == time.Saturday || local.Weekday() == time.Sunday
		if weekend || c.Holidays.Has(c.Zone.At(first.At).Day) || !closing.After(first.At) {
			closing = midnight
		}
		ends := map[visit.Ended]time.Time{visit.Closing: closing.UTC(), visit.Max: first.At.Add(16 * time.Hour)}
		shown := k + 1
		for shown < len(sorted) && before(sorted[shown]) && after(sorted[shown]) {
			shown++
		}
		if shown < len(sorted) {
			r := sorted[shown]
			if r.Direction == "out" && before(r) && !after(r) && r.At.Sub(first.At) <= 16*time.Hour {
				ends = map[visit.Ended]time.Time{visit.Badge: r.At}
			} else {
				ends[visit.Elsewhere] = r.At
			}
		}
		for _, why := range []visit.Ended{visit.Max, visit.Closing, visit.Elsewhere, visit.Badge} {
			if at, ok := ends[why]; ok && (v.Ended == "" || !at.After(v.To)) {
				v.To, v.Ended = at, why
			}
		}
		visits = append(visits, v)
		for k++; k < shown && sorted[k].At.Before(v.To); k++ {
		}
		if v.Ended == visit.Badge {
			k = shown
		}
	}
	return visits
}

func TestVisitsAgreeWithThePlainReading(t *testing.T) {
	n, places := house(t)
	rapid.Check(t, func(t *rapid.T) {
		reads := drawReads(t, n)
		got := map[catalogue.SpaceID][]visit.Visit{}
		for _, v := range visit.Make(places, reads) {
			got[v.Space] = append(got[v.Space], v)
		}
		for _, s := range n.Spaces {
			if diff := cmp.Diff(plain(n, s.ID, reads), got[s.ID]); diff != "" {
				t.Fatalf("%s: -plain +made\n%s", s.ID, diff)
			}
		}
	})
}

func TestAnyOrderAndRepetitionMakesTheSameVisits(t *testing.T) {
	n, places := house(t)
	rapid.Check(t, func(t *rapid.T) {
		reads := drawReads(t, n)
		want := visit.Make(places, reads)
		again := append(slices.Clone(reads), reads[:rapid.IntRange(0, len(reads)).Draw(t, "repeats")]...)
		shuffled := rapid.Permutation(again).Draw(t, "order")
		if diff := cmp.Diff(want, visit.Make(places, shuffled)); diff != "" {
			t.Fatalf("-in order +shuffled\n%s", diff)
		}
	})
}

func TestNoVisitReachesAcrossABoundary(t *testing.T) {
	n, places := house(t)
	rapid.Check(t, func(t *rapid.T) {
		reads := drawReads(t, n)
		slices.SortFunc(reads, func(a, b visit.Read) int {
			if !a.At.Equal(b.At) {
				return a.At.Compare(b.At)
			}
			return slices.Compare(a.ID[:], b.ID[:])
		})
		var parts []visit.Visit
		for from := 0; from < len(reads); {
			to := from + 1
			for to < len(reads) && !visit.Leaves(places, reads[to-1]) && reads[to].At.Sub(reads[to-1].At) <= visit.Longest {
				to++
			}
			parts = append(parts, visit.Make(places, reads[from:to])...)
			from = to
		}
		slices.SortStableFunc(parts, func(a, b visit.Visit) int {
			if c := a.From.Compare(b.From); c != 0 {
				return c
			}
			return slices.Compare([]byte(a.Space), []byte(b.Space))
		})
		if diff := cmp.Diff(visit.Make(places, reads), parts); diff != "" {
			t.Fatalf("-whole +parts\n%s", diff)
		}
	})
}

func BenchmarkMakeADay(b *testing.B) {
	_, places := house(b)
	const day = "2026-10-21 "
	reads := []visit.Read{
		read(1, day+"08:30", "street", "in"),
		read(2, day+"08:31", "glass", "in"),
		read(3, day+"12:00", "glass", "out"),
		read(4, day+"12:01", "street", "out"),
		read(5, day+"13:00", "street", "in"),
		read(6, day+"13:01", "glass", "in"),
		read(7, day+"15:00", "curtain", "in"),
		read(8, day+"15:30", "curtain", "out"),
		read(9, day+"18:00", "glass", "out"),
		read(10, day+"18:01", "street", "out"),
	}
	b.ReportAllocs()
	for b.Loop() {
		visit.Make(places, reads)
	}
}

// TestVisitsBetweenBoundariesAreThoseOfAllReads computes the visits around some
// reads as if they were new: those between the boundaries and those of all reads
// are the same there, with the new reads and without them.
func TestVisitsBetweenBoundariesAreThoseOfAllReads(t *testing.T) {
	n, places := house(t)
	rapid.Check(t, func(t *rapid.T) {
		reads := drawReads(t, n)
		slices.SortFunc(reads,
			func(a, b visit.Read) int { return stdcmp.Or(a.At.Compare(b.At), bytes.Compare(a.ID[:], b.ID[:])) },
		)
		if len(reads) == 0 {
			return
		}
		i := rapid.IntRange(0, len(reads)-1).Draw(t, "first new")
		k := rapid.IntRange(i, len(reads)-1).Draw(t, "last new")
		from, to := reads[i].At, reads[k].At
		begin, end := reads[0].At.Add(-40*time.Hour), reads[len(reads)-1].At.Add(40*time.Hour)
		first, last, ok := visit.Between(places, reads, from, to, begin, end)
		if !ok || first > i || last <= k {
			t.Fatalf("reads %d to %d of %d are new, and lie between %d and %d: %t", i, k, len(reads), first, last, ok)
		}
		pieces := slices.Concat(
			visit.Make(places, reads[:first]),
			visit.Make(places, reads[first:last]),
			visit.Make(places, reads[last:]),
		)
		if diff := cmp.Diff(sorted(n, visit.Make(places, reads)), sorted(n, pieces)); diff != "" {
			t.Errorf("with the new reads: -all +pieces\n%s", diff)
		}
		former := slices.Concat(reads[:i], reads[k+1:])
		pieces = slices.Concat(
			visit.Make(places, reads[:first]),
			visit.Make(places, slices.Concat(reads[first:i], reads[k+1:last])),
			visit.Make(places, reads[last:]),
		)
		if diff := cmp.Diff(sorted(n, visit.Make(places, former)), sorted(n, pieces)); diff != "" {
			t.Errorf("without them: -all +pieces\n%s", diff)
		}
	})
}

func sorted(n *catalogue.Network, visits []visit.Visit) []string {
	list := written(n, visits)
	slices.Sort(list)
	return list
}
