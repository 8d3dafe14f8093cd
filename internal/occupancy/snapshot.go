package occupancy

import (
	"time"

	"github.com/lorntech/totem/internal/catalogue"
)

// Snapshot is what a State remembers of sensors, to be taken up by another.
// Presences are the ledger's and not in it.
type Snapshot struct {
	Values map[catalogue.DeviceID]Value
	Flows  map[catalogue.SpaceID][]Flow
	Heard  map[catalogue.DeviceID]bool
	Silent map[catalogue.DeviceID]bool
}

// Value is a sensor's latest.
type Value struct {
	At    time.Time
	Value int
}

// Snapshot copies the state's memory.
func (s *State) Snapshot() Snapshot {
	out := Snapshot{
		Values: map[catalogue.DeviceID]Value{}, Flows: map[catalogue.SpaceID][]Flow{},
		Heard: map[catalogue.DeviceID]bool{}, Silent: map[catalogue.DeviceID]bool{},
	}
	for id, v := range s.sensors {
		if v.known {
			out.Values[id] = Value{v.At, v.Value}
		}
	}
	for _, sp := range s.spaces {
		if len(sp.flow) > 0 {
			out.Flows[sp.ID] = append([]Flow(nil), sp.flow...)
		}
		for id := range sp.heard {
			out.Heard[id] = true
		}
		for id := range sp.silent {
			out.Silent[id] = true
		}
	}
	return out
}

// Restore takes up a snapshot; what the catalogue no longer knows is left out.
func (s *State) Restore(in Snapshot) {
	for id, v := range in.Values {
		s.SetValue(id, v.At, v.Value)
	}
	for id, flows := range in.Flows {
		if sp := s.byID[id]; sp != nil && len(flows) > 0 {
			sp.flow, sp.flowAt = flows, flows[len(flows)-1].At
		}
	}
	for id := range in.Heard {
		s.Heard(id)
	}
	for id := range in.Silent {
		s.SetSilent(id, true)
	}
}
