package occupancy_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
)

// What is shown live is what the series will hold of that minute.
func TestLiveStateAgreesWithTheSeries(t *testing.T) {
	n := site(t)
	rapid.Check(t, func(t *rapid.T) {
		s := occupancy.New(n)
		e := occupancy.Evidence{
			Counters: make([]occupancy.Sensor, 2),
			YesNo:    make([]occupancy.Sensor, 2),
			Flows:    make([]occupancy.FlowSensor, 1),
		}
		sensors := map[catalogue.DeviceID]*occupancy.Sensor{
			"count-1": &e.Counters[0],
			"count-2": &e.Counters[1],
			"pir-1":   &e.YesNo[0],
			"pir-2":   &e.YesNo[1],
		}
		for id, sensor := range sensors {
			sensor.Timing = occupancy.TimingOf(n.Device(id))
		}
		e.Flows[0].Timing = occupancy.TimingOf(n.Device("gate"))
		now := noon
		e.Zeros = occupancy.Zeros(n.Zone, now.Add(-48*time.Hour), now)
		for range rapid.IntRange(0, 40).Draw(t, "messages") {
			at := now.Add(-time.Duration(rapid.IntRange(0, 40_000).Draw(t, "ago")) * time.Second)
			id := uuid.UUID{byte(rapid.IntRange(0, 255).Draw(t, "id")), byte(rapid.IntRange(0, 255).Draw(t, "id")), 1}
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				f := occupancy.FlowSaid{
					At:  at,
					ID:  id,
					In:  rapid.IntRange(0, 4).Draw(t, "in"),
					Out: rapid.IntRange(0, 3).Draw(t, "out"),
				}
				s.AddFlow("gate", f)
				e.Flows[0].Said = append(e.Flows[0].Said, f)
				continue
			}
			dev := rapid.SampledFrom([]catalogue.DeviceID{"count-1", "count-2", "pir-1", "pir-2"}).Draw(t, "device")
			v := occupancy.Said{At: at, ID: id, Value: rapid.IntRange(0, 1).Draw(t, "value")}
			s.SetValue(dev, v)
			sensors[dev].Said = append(sensors[dev].Said, v)
		}
		s.Refresh(now)
		for _, c := range []struct {
			space catalogue.SpaceID
			e     occupancy.Evidence
		}{{"cowork", occupancy.Evidence{Counters: e.Counters}}, {"room", occupancy.Evidence{YesNo: e.YesNo}}, {"flow", occupancy.Evidence{Flows: e.Flows, Zeros: e.Zeros}}} {
			minute := c.e.Minutes(occupancy.MinuteOf(now), occupancy.MinuteOf(now)+1)[0]
			for _, a := range s.All() {
				if a.Space != c.space {
					continue
				}
				known := a.Occupied != nil
				// Values may run out within the minute; at its first instant both are alike.
				if known != (minute.Known > 0) || known && *a.Occupied != (minute.Occupied > 0) {
					t.Fatalf("%s: live %+v, series %+v", c.space, a, minute)
				}
				if a.Count != nil && int32(*a.Count) != minute.Peak {
					t.Fatalf("%s: %d people live, %d in the series", c.space, *a.Count, minute.Peak)
				}
			}
		}
	})
}
