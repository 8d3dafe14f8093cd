package catalogue_test

import (
	"reflect"
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
	if len(list) != 3 || list[0].Value.Space != "metz-coworking" || list[1].Value.Space != "metz-accueil" ||
		!list[1].From.Equal(monday) ||
		!list[1].To.Equal(friday) ||
		!list[2].To.IsZero() {
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
	if len(effects.Sums)+len(effects.Visits) != 0 || len(touched) != 2 || !touched["metz-coworking"].Equal(monday) ||
		!touched["metz-accueil"].Equal(monday) {
		t.Errorf("touched: %v", touched)
	}
	if got := catalogue.Differences(first, moved); !slices.Equal(got,
		[]string{"device metz-coworking-count: space metz-coworking → metz-accueil"},
	) {
		t.Errorf("%q", got)
	}
	if !catalogue.Same(first, first) || catalogue.Same(first, renamed) {
		t.Error("what is the same is not told from what differs")
	}
}

// Every field of a device makes it another one.
func TestADeviceIsTheSameOnlyWhereAllOfItIs(t *testing.T) {
	first, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	is := reflect.TypeFor[catalogue.Device]()
	for i := range is.NumField() {
		other := *first
		other.Devices = slices.Clone(first.Devices)
		switch f := reflect.ValueOf(&other.Devices[0]).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString("another")
		case reflect.Int:
			f.SetInt(f.Int() + 1)
		case reflect.Bool:
			f.SetBool(!f.Bool())
		case reflect.Map:
			f.Set(reflect.ValueOf(map[string]string{"another": "1"}))
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"another/#"}))
		default:
			t.Fatalf("%s: a test for a %s is missing", is.Field(i).Name, f.Kind())
		}
		n := catalogue.New(other)
		h := catalogue.Always(first).Put(
			dated.Change[int64, *catalogue.Network]{From: 1000, Value: &n, At: time.Unix(1, 0)},
			nil,
		)
		same := true
		for _, list := range catalogue.Placements(h) {
			same = same && len(list) == 1 && list[0].To.IsZero()
		}
		if same {
			t.Errorf("%s is not looked at", is.Field(i).Name)
		}
	}
}
