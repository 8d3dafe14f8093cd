package occupancy_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/occupancy"
)

// Thousands of flows in any order come live to what the series makes of them.
func TestManyFlowsInAnyOrderAreTheirRunningSum(t *testing.T) {
	n := site(t)
	rapid.Check(t, func(t *rapid.T) {
		s := occupancy.New(n)
		zero := occupancy.LastZero(n.Zone, noon)
		e := occupancy.Evidence{Flows: make([]occupancy.FlowSensor, 1), Zeros: []time.Time{zero}}
		e.Flows[0].Timing = occupancy.TimingOf(n.Device("gate"))
		total := uint64(0)
		s.Refresh(noon)
		for i := range rapid.IntRange(1, 3000).Draw(t, "messages") {
			at := noon.Add(
				-time.Duration(rapid.Int64Range(0, int64(10*time.Hour/time.Millisecond)).Draw(t, "ago")) * time.Millisecond,
			)
			f := occupancy.FlowSaid{At: at, ID: uuid.UUID{byte(i), byte(i >> 8), 1}, In: i * 7 % 5, Out: i * 11 % 5}
			if i%17 == 0 { // lifetime totals, which count from those before them
				total += uint64(i % 9)
				f.Totals = &occupancy.Totals{In: total, Out: total / 2}
			}
			s.AddFlow("gate", f)
			e.Flows[0].Said = append(e.Flows[0].Said, f)
		}
		now := noon.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "later")) * time.Minute)
		s.Refresh(now)
		minute := e.Minutes(occupancy.MinuteOf(now), occupancy.MinuteOf(now)+1)[0]
		for _, a := range s.All() {
			if a.Space == "flow" && (a.Count == nil) != (minute.Known == 0) ||
				a.Space == "flow" && a.Count != nil && int32(*a.Count) != minute.Peak {
				t.Fatalf("live %+v, series %+v", a, minute)
			}
		}
	})
}

// Whatever values are said, what is written of them can be read.
func TestWhateverIsSaidCanBeWrittenAndRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom([]int{0, 1, 100_000, math.MaxInt32, math.MaxInt64 / 4, -1, math.MinInt32})
		said := func(label string) (list []occupancy.Said) {
			for i := range rapid.IntRange(0, 4).Draw(t, label) {
				list = append(list,
					occupancy.Said{
						At:    noon.Add(time.Duration(i) * 20 * time.Second),
						ID:    uuid.UUID{byte(i)},
						Value: value.Draw(t, "value"),
					},
				)
			}
			return list
		}
		timing := occupancy.Timing{Hold: time.Hour}
		e := occupancy.Evidence{
			Counters: []occupancy.Sensor{{Timing: timing, Said: said("a")}, {Timing: timing, Said: said("b")}},
		}
		if rapid.Bool().Draw(t, "flows") {
			f := occupancy.FlowSensor{Timing: timing}
			for i := range rapid.IntRange(1, 6).Draw(t, "flows") {
				f.Said = append(f.Said,
					occupancy.FlowSaid{
						At:  noon.Add(time.Duration(i) * time.Second),
						ID:  uuid.UUID{byte(i)},
						In:  value.Draw(t, "in"),
						Out: value.Draw(t, "out"),
					},
				)
			}
			e = occupancy.Evidence{Flows: []occupancy.FlowSensor{f}}
		}
		runs := e.Minutes(occupancy.MinuteOf(noon)-5, occupancy.MinuteOf(noon)+90)
		again, err := occupancy.ReadRuns(nil, occupancy.AppendRuns(nil, runs))
		if err != nil || occupancy.Length(again) != 95 {
			t.Fatalf("%v cannot be read back: %v", runs, err)
		}
		var sum occupancy.Sum
		for range 1000 {
			occupancy.Spend(
				[]occupancy.Slot{{From: 0, To: 95 * 10_000, Open: true}},
				0,
				again,
				func(*occupancy.Slot) *occupancy.Sum { return &sum },
			)
			sum.Add(sum)
		}
		if sum.Person < 0 || sum.PersonOpen < 0 {
			t.Fatalf("a sum of people is %d", sum.Person)
		}
	})
}

// One counter sends a hundred thousand flows between two zeros: the newest
// costs what the first did.
func BenchmarkFlowLive(b *testing.B) {
	n := site(b)
	s := occupancy.New(n)
	s.Refresh(noon)
	for i := range b.N {
		at := noon.Add(-time.Duration(i%1000) * time.Second)
		s.AddFlow(
			"gate",
			occupancy.FlowSaid{At: at, ID: uuid.UUID{byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)}, In: 1, Out: 1},
		)
	}
}
