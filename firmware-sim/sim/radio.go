package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// Faults describes what goes wrong between a device and the broker. The zero
// value is a perfect network.
type Faults struct {
	Loss    float64       // percentage of sensor messages that never arrive; readers keep theirs
	Repeat  float64       // percentage of messages that arrive twice
	Reorder time.Duration // a message may arrive after messages sent up to this much later
	Offline time.Duration // once a day each reader is offline this long, and sends afterwards what it kept
	Drift   time.Duration // each device's clock gains or loses this much a day, up to half an hour
	Sync    int           // days after which a clock is set right again; 0: never
	Dead    int           // number of sensors that never send anything
}

// maxDrift is the most that a drifting clock may be wrong. Beyond that, a
// technician would have corrected it.
const maxDrift = 30 * time.Minute

// onAir returns the messages of a day that arrive, in their order of arrival.
func (f Faults) onAir(day []Sent, seed uint64, nth int) []Sent {
	if f == (Faults{Dead: f.Dead}) {
		return day
	}
	rng := rand.New(rand.NewPCG(seed, uint64(nth)+0x7ad10))
	type flight struct {
		Sent
		arrives time.Time
	}
	away := map[catalogue.DeviceID]time.Time{}
	var air []flight
	for _, s := range day {
		reader := s.Message.Topic.What == wire.Badge
		if !reader && rng.Float64()*100 < f.Loss {
			continue
		}
		fl := flight{s, s.At}
		if f.Reorder > 0 {
			fl.arrives = fl.arrives.Add(time.Duration(rng.Int64N(int64(f.Reorder))))
		}
		if reader && f.Offline > 0 {
			dev := s.Message.Topic.Device
			if away[dev].IsZero() {
				away[dev] = s.At.Add(time.Duration(rng.Int64N(int64(6 * time.Hour))))
			}
			if back := away[dev].Add(f.Offline); s.At.After(away[dev]) && s.At.Before(back) {
				fl.arrives = back
			}
		}
		f.drift(s.Message, seed, nth)
		air = append(air, fl)
		if rng.Float64()*100 < f.Repeat {
			again := fl
			again.arrives = fl.arrives.Add(time.Duration(rng.Int64N(int64(time.Hour))))
			air = append(air, again)
		}
	}
	slices.SortStableFunc(air, func(a, b flight) int { return a.arrives.Compare(b.arrives) })
	out := make([]Sent, len(air))
	for i, fl := range air {
		out[i] = fl.Sent
	}
	return out
}

// drift sets a message's at to what its device's clock shows.
func (f Faults) drift(m *wire.Message, seed uint64, nth int) {
	if f.Drift == 0 {
		return
	}
	if f.Sync > 0 {
		nth = (nth-1)%f.Sync + 1
	}
	sign := time.Duration(1)
	if b := m.Boot[0] ^ byte(seed); b&1 == 1 {
		sign = -1
	}
	m.At = m.At.Add(sign * min(maxDrift, f.Drift*time.Duration(nth)))
}
