package occupancy_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/visit"
)

// noon is a Wednesday on which the site is open.
var noon = time.Date(2026, 10, 21, 10, 0, 0, 0, time.UTC)

func site(t interface{ Fatal(...any) }) *catalogue.Network {
	zone, err := catalogue.LoadZone("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	sensor := func(id string, kind catalogue.DeviceKind, space catalogue.SpaceID, hold int) catalogue.Device {
		return catalogue.Device{ID: catalogue.DeviceID(id), Site: "metz", Kind: kind, Space: space, HoldSeconds: hold}
	}
	return catalogue.New(catalogue.Network{
		Name: "n",
		Zone: zone,
		Sites: []catalogue.Site{
			{
				ID:       "metz",
				Holidays: catalogue.French,
				Opening:  catalogue.Week{{Days: []catalogue.Weekday{1, 2, 3, 4, 5}, From: 8 * 60, To: 20 * 60}},
			},
		},
		Buildings: []catalogue.Building{{ID: "b", Site: "metz"}},
		Spaces: []catalogue.Space{
			{
				ID:       "hall",
				Building: "b",
				Kind:     catalogue.Common,
				Capacity: 10,
			},
			{ID: "cowork", Building: "b", Kind: catalogue.Coworking, Parent: "hall", Capacity: 4},
			{
				ID:       "room",
				Building: "b",
				Kind:     catalogue.MeetingRoom,
				Parent:   "hall",
				Capacity: 8,
			},
			{ID: "flow", Building: "b", Kind: catalogue.Cafe, Parent: "hall", Capacity: 20},
		},
		Doors: []catalogue.Door{
			{ID: "street", From: catalogue.Outside, To: "hall"},
			{ID: "glass", From: "hall", To: "cowork"},
		},
		Devices: []catalogue.Device{
			{
				ID:        "street-in",
				Site:      "metz",
				Kind:      catalogue.Reader,
				Door:      "street",
				Direction: "in",
			},
			{ID: "street-out", Site: "metz", Kind: catalogue.Reader, Door: "street", Direction: "out"},
			{ID: "glass-in", Site: "metz", Kind: catalogue.Reader, Door: "glass", Direction: "in"},
			sensor("count-1", catalogue.PeopleCounter, "cowork", 1800),
			sensor("count-2", catalogue.PeopleCounter, "cowork", 1800),
			sensor("pir-1", catalogue.Occupancy, "room", 0),
			sensor("pir-2", catalogue.Occupancy, "room", 0),
			sensor("gate", catalogue.FlowCounter, "flow", 0),
		},
	})
}

func said(at time.Time, value int) occupancy.Said {
	return occupancy.Said{At: at, ID: uuid.Must(uuid.NewV7()), Value: value}
}

func flow(at time.Time, in, out int) occupancy.FlowSaid {
	return occupancy.FlowSaid{At: at, ID: uuid.Must(uuid.NewV7()), In: in, Out: out}
}

func in(t *testing.T, s *occupancy.State, space catalogue.SpaceID, now time.Time) occupancy.SpaceAvailability {
	t.Helper()
	s.Refresh(now)
	for _, a := range s.All() {
		if a.Space == space {
			return a
		}
	}
	t.Fatalf("no space %s", space)
	return occupancy.SpaceAvailability{}
}

func TestUnknownIsNotVacant(t *testing.T) {
	s := occupancy.New(site(t))
	for _, id := range []catalogue.SpaceID{"hall", "cowork", "room", "flow"} {
		if a := in(t, s, id, noon); a.State != occupancy.Unknown || a.Count != nil || a.Occupied != nil || a.Free != nil ||
			a.Source != nil {
			t.Errorf("%s: %+v", id, a)
		}
	}
}

func TestCountersAddUpAndAreKnownTogether(t *testing.T) {
	s := occupancy.New(site(t))
	s.SetValue("count-1", said(noon, 2))
	if a := in(t, s, "cowork", noon); a.State != occupancy.Unknown {
		t.Errorf("one of two counters: %+v", a)
	}
	s.SetValue("count-2", said(noon, 1))
	if a := in(t, s, "cowork", noon); *a.Count != 3 || *a.Free != 1 || a.State != occupancy.Free ||
		*a.Source != occupancy.FromPeopleCounter {
		t.Errorf("both: %+v", a)
	}
	s.SetValue("count-2", said(noon.Add(-time.Minute), 9))
	if a := in(t, s, "cowork", noon); *a.Count != 3 {
		t.Errorf("an older value came late: %+v", a)
	}
	s.SetValue("count-2", said(noon.Add(time.Minute), 2))
	if a := in(t, s, "cowork", noon.Add(time.Minute)); *a.Free != 0 || a.State != occupancy.Busy {
		t.Errorf("full: %+v", a)
	}
	if a := in(t, s, "cowork", noon.Add(30*time.Minute)); a.State != occupancy.Unknown {
		t.Errorf("after hold_seconds of the first: %+v", a)
	}
}

func TestBadgesCountUntilTheirPresenceEnds(t *testing.T) {
	s := occupancy.New(site(t))
	ann, visitor := visit.Subject{Member: "ann"}, visit.Subject{Pass: "v"}
	s.Heard("street-in")
	if a := in(t, s, "hall", noon); *a.Count != 0 || *a.Source != occupancy.FromBadge {
		t.Errorf("known from a reader's first message: %+v", a)
	}
	s.SetPresence(ann, "hall", noon, noon.Add(time.Hour), noon)
	s.SetPresence(visitor, "hall", noon, noon.Add(2*time.Hour), noon)
	if a := in(t, s, "hall", noon); *a.Count != 2 {
		t.Errorf("two inside: %+v", a)
	}
	if a := in(t, s, "hall", noon.Add(time.Hour)); *a.Count != 1 {
		t.Errorf("one presence has ended: %+v", a)
	}
	s.SetPresence(visitor, "", time.Time{}, time.Time{}, noon)
	if a := in(t, s, "hall", noon.Add(time.Hour)); *a.Count != 0 {
		t.Errorf("nobody: %+v", a)
	}
	s.SetSilent("street-out", true)
	if a := in(t, s, "hall", noon.Add(time.Hour)); a.State != occupancy.Unknown {
		// street-out leads out of the hall, not into it: glass has no out reader, so only street-in counts
		if *a.Source != occupancy.FromBadge {
			t.Errorf("%+v", a)
		}
	}
	s.SetSilent("street-in", true)
	if a := in(t, s, "hall", noon.Add(time.Hour)); a.State != occupancy.Unknown {
		t.Errorf("a reader that leads in is silent: %+v", a)
	}
	s.SetSilent("street-in", false)
	if a := in(t, s, "hall", noon.Add(time.Hour)); a.State != occupancy.Free {
		t.Errorf("it is back: %+v", a)
	}
}

func TestYesWhenAnySaysYesNoWhenAllSayNo(t *testing.T) {
	s := occupancy.New(site(t))
	s.SetValue("pir-1", said(noon, 0))
	if a := in(t, s, "room", noon); a.State != occupancy.Unknown {
		t.Errorf("one no: %+v", a)
	}
	s.SetValue("pir-2", said(noon, 1))
	if a := in(t, s, "room", noon); !*a.Occupied || a.Count != nil || a.State != occupancy.Busy || *a.Free != 0 {
		t.Errorf("a yes: %+v", a)
	}
	s.SetValue("pir-2", said(noon.Add(time.Minute), 0))
	if a := in(t, s, "room", noon.Add(time.Minute)); *a.Occupied || a.State != occupancy.Free || *a.Free != 8 {
		t.Errorf("all no: %+v", a)
	}
	if a := in(t, s, "room", noon.Add(time.Hour)); a.State != occupancy.Unknown {
		t.Errorf("past the default hold of an hour: %+v", a)
	}
}

func TestFlowsSumByTheirInstantsFromFourOClock(t *testing.T) {
	s := occupancy.New(site(t))
	s.AddFlow("gate", flow(noon, 5, 0))
	s.AddFlow("gate", flow(noon.Add(-time.Minute), 0, 3)) // late: before it nobody was there, and a sum is never below 0
	if a := in(t, s, "flow", noon); *a.Count != 5 || *a.Source != occupancy.FromFlowCounter {
		t.Errorf("%+v", a)
	}
	s.AddFlow("gate", flow(noon.Add(time.Minute), 1, 2))
	if a := in(t, s, "flow", noon.Add(time.Minute)); *a.Count != 4 {
		t.Errorf("%+v", a)
	}
	next := time.Date(2026, 10, 22, 2, 0, 0, 0, time.UTC) // 04:00 in Paris
	s.AddFlow("gate", flow(next.Add(-time.Minute), 0, 0))
	if a := in(t, s, "flow", next.Add(-time.Second)); *a.Count != 4 {
		t.Errorf("before 04:00: %+v", a)
	}
	if a := in(t, s, "flow", next); *a.Count != 0 {
		t.Errorf("at 04:00: %+v", a)
	}
}

func TestClosedOutsideOpeningHours(t *testing.T) {
	s := occupancy.New(site(t))
	s.SetValue("count-1", said(noon, 1))
	s.SetValue("count-2", said(noon, 0))
	evening := time.Date(2026, 10, 21, 18, 0, 0, 0, time.UTC) // 20:00 in Paris
	s.SetValue("count-1", said(evening, 1))
	s.SetValue("count-2", said(evening, 0))
	if a := in(t, s, "cowork", evening.Add(-time.Millisecond)); a.State != occupancy.Free {
		t.Errorf("before closing: %+v", a)
	}
	if a := in(t, s, "cowork", evening); a.State != occupancy.Closed || *a.Count != 1 {
		t.Errorf("at closing: %+v", a)
	}
	holiday := time.Date(2026, 11, 11, 10, 0, 0, 0, time.UTC)
	if a := in(t, s, "cowork", holiday); a.State != occupancy.Closed {
		t.Errorf("on a holiday: %+v", a)
	}
}

func TestRefreshTellsOnlyWhatChanged(t *testing.T) {
	s := occupancy.New(site(t))
	if n := len(s.Refresh(noon)); n != 4 {
		t.Errorf("the first tells of %d spaces", n)
	}
	if c := s.Refresh(noon.Add(time.Second)); len(c) != 0 {
		t.Errorf("nothing changed: %+v", c)
	}
	s.Heard("street-in")
	s.SetPresence(visit.Subject{Member: "ann"}, "hall", noon, noon.Add(time.Hour), noon)
	if c := s.Refresh(noon.Add(2 * time.Second)); len(c) != 1 || c[0].Space != "hall" {
		t.Errorf("one changed: %+v", c)
	}
}

func TestStateIsWhatItsSnapshotSays(t *testing.T) {
	n := site(t)
	rapid.Check(t, func(t *rapid.T) {
		s := occupancy.New(n)
		var flows []occupancy.FlowSaid // the ledger has them
		for range rapid.IntRange(0, 30).Draw(t, "messages") {
			at := noon.Add(time.Duration(rapid.IntRange(-7200, 0).Draw(t, "ago")) * time.Second)
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				s.SetValue(
					rapid.SampledFrom([]catalogue.DeviceID{"count-1", "count-2", "pir-1", "pir-2"}).Draw(t, "sensor"),
					said(at, rapid.IntRange(0, 1).Draw(t, "value")),
				)
			case 1:
				flows = append(flows, flow(at, rapid.IntRange(0, 5).Draw(t, "in"), rapid.IntRange(0, 5).Draw(t, "out")))
				s.AddFlow("gate", flows[len(flows)-1])
			case 2:
				s.Heard(rapid.SampledFrom([]catalogue.DeviceID{"street-in", "glass-in"}).Draw(t, "reader"))
			case 3:
				s.SetSilent("glass-in", rapid.Bool().Draw(t, "silent"))
			}
		}
		again := occupancy.New(n)
		again.Restore(s.Snapshot())
		for _, f := range flows {
			again.AddFlow("gate", f)
		}
		s.Refresh(noon)
		again.Refresh(noon)
		for i, a := range s.All() {
			b := again.All()[i]
			if a.State != b.State || (a.Count == nil) != (b.Count == nil) || a.Count != nil && *a.Count != *b.Count {
				t.Fatalf("%+v became %+v", a, b)
			}
		}
	})
}
