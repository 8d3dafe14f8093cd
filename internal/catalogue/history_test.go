package catalogue_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/dated"
)

func lorntechWith(t *testing.T, old, with string) *catalogue.Network {
	t.Helper()
	text := string(catalogue.DefaultText())
	if !strings.Contains(text, old) {
		t.Fatalf("the catalogue has no %q", old)
	}
	n, err := catalogue.Parse("changed.yaml", []byte(strings.Replace(text, old, with, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPlacementsAreWhereDevicesHungWhen(t *testing.T) {
	const here = "metz-coworking-count, site: metz, kind: people-counter, space: metz-coworking,"
	first, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	moved := lorntechWith(t, here, strings.Replace(here, "space: metz-coworking", "space: metz-accueil", 1))
	renamed := lorntechWith(t, "name: Accueil", "name: Réception") // moves it back, and changes a name
	monday, friday := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	add := func(h catalogue.History, from time.Time, n *catalogue.Network) catalogue.History {
		return h.Put(dated.Change[int64, *catalogue.Network]{From: from.UnixMilli(), Value: &n, At: friday}, nil)
	}
	before := catalogue.Always(first)
	h := add(add(before, monday, moved), friday, renamed)
	places := catalogue.Placements(h)
	list := places["metz-coworking-count"]
	if len(list) != 3 || list[0].Value.Space != "metz-coworking" || list[1].Value.Space != "metz-accueil" || !list[1].From.Equal(monday) || !list[1].To.Equal(friday) || !list[2].To.IsZero() {
		t.Errorf("%+v", list)
	}
	if at := monday.Add(-time.Millisecond); !list[0].At(at) || list[1].At(at) || !list[1].At(monday) {
		t.Error("one of two places holds at an instant, and not the other")
	}
	if other := places["metz-fablab-count"]; len(other) != 1 || !other[0].From.IsZero() || !other[0].To.IsZero() {
		t.Errorf("a device that nobody touched: %+v", other)
	}
	effects := catalogue.EffectsOf(before, add(before, monday, moved))
	touched := effects.Minutes
	if len(effects.Sums)+len(effects.Visits) != 0 || len(touched) != 2 || !touched["metz-coworking"].Equal(monday) || !touched["metz-accueil"].Equal(monday) {
		t.Errorf("touched: %v", touched)
	}
	if got := catalogue.Differences(first, moved); !slices.Equal(got, []string{"device metz-coworking-count: space metz-coworking → metz-accueil"}) {
		t.Errorf("%q", got)
	}
	if !catalogue.Same(first, first) || catalogue.Same(first, renamed) {
		t.Error("what is the same is not told from what differs")
	}
}
