package catalogue_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// renamedTo returns the built-in catalogue with another id for a space, which
// it declares by was: where was is not empty.
func renamedTo(t *testing.T, was, old, id string) *catalogue.Network {
	t.Helper()
	text := strings.ReplaceAll(string(catalogue.DefaultText()), old, id)
	if was != "" {
		text = strings.Replace(text, "{id: "+id+",", "{id: "+id+", was: "+was+",", 1)
	}
	n, err := catalogue.Parse("renamed.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestARenamedSpaceIsTheSameSpace(t *testing.T) {
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	put := func(c catalogue.Chronicle, days int, n *catalogue.Network) catalogue.Change {
		t.Helper()
		change, err := c.Put(day.AddDate(0, 0, days), day.AddDate(0, 0, days), n)
		if err != nil {
			t.Fatal(err)
		}
		return change
	}
	c := catalogue.Unchanged(n)
	first := put(c, 1, renamedTo(t, "metz-accueil", "metz-accueil", "metz-reception"))
	if first.Renamed["metz-accueil"] != "metz-reception" {
		t.Errorf("renamed: %v", first.Renamed)
	}
	second := put(first.After, 2, renamedTo(t, "metz-reception", "metz-accueil", "metz-welcome"))
	now := *second.After.Told.Last()
	for _, former := range []catalogue.SpaceID{"metz-accueil", "metz-reception", "metz-welcome"} {
		if got := now.PresentName(former); got != "metz-welcome" {
			t.Errorf("%s is now %s", former, got)
		}
	}
	if got := now.FirstName("metz-welcome"); got != "metz-accueil" {
		t.Errorf("its first name is %s", got)
	}
	if got := now.FormerNames(); !slices.Equal(got, []catalogue.SpaceID{"metz-accueil", "metz-reception"}) {
		t.Errorf("former names: %v", got)
	}
	// The past is told with the present name, and was recorded with that of its time.
	then := catalogue.At(second.After.Told, day)
	if then.Space("metz-welcome") == nil || then.Space("metz-accueil") != nil {
		t.Error("the past is not told with the present name")
	}
	if catalogue.At(second.After.Recorded, day).Space("metz-accueil") == nil {
		t.Error("the record was changed")
	}
	if network, sp := catalogue.SpaceAt(second.After.Told, "metz-welcome", day); sp == nil || network != then {
		t.Error("the space is not found in its past")
	}
	// It takes its first name back.
	back := put(second.After, 3, renamedTo(t, "metz-welcome", "metz-accueil", "metz-accueil"))
	if now := *back.After.Told.Last(); now.PresentName("metz-welcome") != "metz-accueil" ||
		now.FirstName("metz-accueil") != "metz-accueil" {
		t.Error("its first name is not its own again")
	}
}

func TestNamesThatWouldMixUpTwoSpacesAreRefused(t *testing.T) {
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	first, err := catalogue.Unchanged(n).Put(day, day, renamedTo(t, "metz-accueil", "metz-accueil", "metz-reception"))
	if err != nil {
		t.Fatal(err)
	}
	for says, next := range map[string]*catalogue.Network{
		"is a former name of metz-reception": renamedTo(t, "", "metz-reception", "metz-accueil"),
		"has no space":                       renamedTo(t, "metz-nothing", "metz-accueil", "metz-reception-2"),
	} {
		_, err := first.After.Put(day.AddDate(0, 0, 1), day.AddDate(0, 0, 1), next)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "renamed.yaml:") {
			t.Errorf("%v, want %q with file and line", err, says)
		}
	}
}

func TestTheHistoryKnowsWhatEverWas(t *testing.T) {
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	// The coworking becomes a demo space: its hours are billed until then.
	const coworking = "{id: metz-coworking, building: metz-blida, floor: 0, name: Coworking, kind: coworking"
	changed := lorntechWith(t, coworking, strings.Replace(coworking, "kind: coworking", "kind: demo", 1))
	c, err := catalogue.Unchanged(n).Put(day, day, changed)
	if err != nil {
		t.Fatal(err)
	}
	h := c.After.Told
	billed := catalogue.BillableOver(h)["metz-coworking"]
	if len(billed) != 1 || !billed[0].From.IsZero() || !billed[0].To.Equal(day) {
		t.Errorf("billed: %+v", billed)
	}
	if !slices.Contains(catalogue.EverBillable(h), "metz-coworking") {
		t.Error("its hours were billed once")
	}
	if got := catalogue.DecidesSince(h); !got.Equal(day) {
		t.Errorf("what decides changed on %s", got)
	}
	if all := catalogue.Ever(h); len(all.Spaces) != len(n.Spaces) || len(catalogue.EverSpaces(h)) != len(n.Spaces) {
		t.Errorf("%d spaces ever, %d in the list", len(all.Spaces), len(catalogue.EverSpaces(h)))
	}
	if pieces := catalogue.Pieces(h, day.Add(-time.Hour), day.Add(time.Hour)); len(pieces) != 2 ||
		!pieces[0].To.Equal(day) || pieces[1].Network == pieces[0].Network {
		t.Errorf("pieces: %+v", pieces)
	}
	if d := catalogue.DeviceAt(h, "metz-coworking-count", day); d == nil || d.Space != "metz-coworking" {
		t.Errorf("%+v", d)
	}
	if catalogue.Same(n, changed) || !catalogue.Same(n, n) {
		t.Error("another kind of space is another content")
	}
}
