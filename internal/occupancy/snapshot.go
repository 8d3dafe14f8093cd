package occupancy

import (
	"github.com/lorntech/totem/internal/catalogue"
)

// Snapshot is what a State remembers of sensors, so that another can restore
// it. Presences and the day's flows are in the ledger and not in it.
type Snapshot struct {
	Values map[catalogue.DeviceID]Said
	Heard  map[catalogue.DeviceID]bool
	Silent map[catalogue.DeviceID]bool
}

// Snapshot returns a copy of all that the state remembers, to be stored.
func (s *State) Snapshot() Snapshot {
	out := Snapshot{
		Values: map[catalogue.DeviceID]Said{},
		Heard:  map[catalogue.DeviceID]bool{}, Silent: map[catalogue.DeviceID]bool{},
	}
	for id, v := range s.sensors {
		if v.known {
			out.Values[id] = v.Said
		}
	}
	for _, sp := range s.spaces {
		for id := range sp.heard {
			out.Heard[id] = true
		}
		for id := range sp.silent {
			out.Silent[id] = true
		}
	}
	return out
}

// Restore loads a snapshot, without devices that the catalogue no longer has.
func (s *State) Restore(in Snapshot) {
	for id, v := range in.Values {
		s.SetValue(id, v)
	}
	for id := range in.Heard {
		s.Heard(id)
	}
	for id := range in.Silent {
		s.SetSilent(id, true)
	}
}
