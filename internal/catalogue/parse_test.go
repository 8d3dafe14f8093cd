package catalogue

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// example is a catalogue file, with the readers that its
// anti-passback asks for, and a second site.
const example = `network: LORnTECH
timezone: Europe/Paris
sites:
  - id: metz
    name: TCRM-Blida
    city: Metz
    holidays: fr-moselle            # or fr
    opening:                        # weekly, local time; holidays are closed
      - {days: [mon, tue, wed, thu, fri], from: "08:00", to: "20:00"}
  - {id: nancy, name: La Source, city: Nancy, holidays: fr}
buildings:
  - {id: metz-blida, site: metz, name: TCRM-Blida}
  - {id: nancy-source, site: nancy, name: La Source}
spaces:
  - {id: metz-hall, building: metz-blida, floor: 0, name: Hall, kind: common, capacity: 60, area_m2: 180}
  - {id: metz-coworking, building: metz-blida, floor: 0, name: Coworking, kind: coworking, parent: metz-hall, capacity: 40, area_m2: 220, rent_cents_m2_month: 1150, anti_passback: alert}
  - {id: nancy-hall, building: nancy-source, floor: 0, name: Hall, kind: common, capacity: 60, area_m2: 180.5}
doors:
  - {id: metz-entrance, from: outside, to: metz-hall}
  - {id: metz-coworking-door, from: metz-hall, to: metz-coworking}
devices:
  - {id: metz-entrance-in, site: metz, kind: reader, door: metz-entrance, direction: in}
  - {id: metz-entrance-out, site: metz, kind: reader, door: metz-entrance, direction: out}
  - {id: metz-coworking-out, site: metz, kind: reader, door: metz-coworking-door, direction: out}
  - {id: metz-coworking-count, site: metz, kind: people-counter, space: metz-coworking, hold_seconds: 1800}
  - {id: metz-desk-7, site: metz, kind: desk, space: metz-coworking, adapter: zigbee2mqtt, address: "zigbee2mqtt/metz desk 7"}
  - {id: metz-gateway, site: metz, kind: gateway}
`

func TestTheContractsExampleIsRead(t *testing.T) {
	n, err := Parse("example.yaml", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	hall, cowork := n.Space("metz-hall"), n.Space("metz-coworking")
	if diff := cmp.Diff(
		&Space{
			ID:           "metz-coworking",
			Building:     "metz-blida",
			Site:         "metz",
			Name:         "Coworking",
			Kind:         Coworking,
			Parent:       "metz-hall",
			Capacity:     40,
			AreaM2:       220,
			RentCents:    1150,
			AntiPassback: Alert,
		},
		cowork,
	); diff != "" {
		t.Error(diff)
	}
	if hall.Parent != "" || n.Door("metz-entrance").From != Outside || n.Door("metz-entrance").Site != "metz" {
		t.Error("the hall is not reached from outside")
	}
	if diff := cmp.Diff(
		Week{{Days: []Weekday{1, 2, 3, 4, 5}, From: 8 * 60, To: 20 * 60}},
		n.Site("metz").Opening,
	); diff != "" {
		t.Error(diff)
	}
	desk := n.Device("metz-desk-7")
	if desk.Adapter != "zigbee2mqtt" || desk.Address != "zigbee2mqtt/metz desk 7" ||
		n.Device("metz-coworking-count").HoldSeconds != 1800 {
		t.Errorf("desk %+v", desk)
	}
	if !n.Billable("metz-coworking") || n.Billable("metz-hall") || !n.Within("metz-coworking", "metz-hall") ||
		n.Within("metz-hall", Outside) {
		t.Error("the tree is wrong")
	}
	want := []SummaryRow{
		{Site: "metz", Buildings: 1, Spaces: 2, Doors: 2, Devices: 6, AreaM2: 400, LettableM2: 220},
		{Site: "nancy", Buildings: 1, Spaces: 1, AreaM2: 180.5},
	}
	if diff := cmp.Diff(want, n.Summary()); diff != "" {
		t.Error(diff)
	}
}

func TestAnEmptyListMayBeLeftOutOrNull(t *testing.T) {
	for _, text := range []string{
		"network: A\ntimezone: UTC\n",
		"network: A\ntimezone: UTC\nsites:\nbuildings: null\nspaces: ~\ndoors: []\n",
		"{network: A, timezone: UTC, devices: }",
		"\ufeffnetwork: A\r\ntimezone: UTC\r\nsites:\r\n  - {id: a, name: A, city: A, holidays: fr}\r\n",
	} {
		if _, err := Parse("f.yaml", []byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAnchorsAreFollowed(t *testing.T) {
	n, err := Parse("f.yaml", []byte(`network: A
timezone: UTC
sites:
  - {id: a, name: A, city: A, holidays: fr, opening: &week [{days: &all [mon, tue], from: 08:00, to: "24:00"}]}
  - {id: b, name: B, city: B, holidays: fr, opening: *week}
  - {id: c, name: 101, city: C, holidays: fr, opening: [{days: *all, from: 09:00, to: 10:00}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(n.Site("a").Opening, n.Site("b").Opening); diff != "" || n.Site("a").Opening[0].To != 1440 {
		t.Error(diff, n.Site("a").Opening)
	}
	if c := n.Site("c"); len(c.Opening[0].Days) != 2 || c.Name != "101" {
		t.Errorf("%+v", c)
	}
}

// fault is one change of the example and all that is then said of it.
type fault struct {
	name     string
	old, new string
	want     []string
}

func try(t *testing.T, faults []fault) {
	t.Helper()
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			if strings.Count(example, f.old) == 0 {
				t.Fatalf("the example has no %q", f.old)
			}
			_, err := Parse("lorn.yaml", []byte(strings.Replace(example, f.old, f.new, 1)))
			var got []string
			if err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			want := make([]string, len(f.want))
			for i, w := range f.want {
				want[i] = "lorn.yaml:" + w
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAllFaultsAreToldAtOnceUpToTwenty(t *testing.T) {
	var text strings.Builder
	text.WriteString("network: A\ntimezone: UTC\nbuildings:\n")
	for i := range 30 {
		fmt.Fprintf(&text, "  - {id: B%d, site: b, name: B}\n", i)
	}
	_, err := Parse("f.yaml", []byte(text.String()))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 21 || lines[20] != "f.yaml: and 40 more" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	var first *Error
	if !errors.As(err, &first) || first.Line != 4 || first.Field != "buildings[0].id" || first.File != "f.yaml" {
		t.Errorf("first %+v", first)
	}
}
