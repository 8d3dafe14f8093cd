package occupancy_test

import (
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
)

func TestADisplayCannotTellSmallCountsApart(t *testing.T) {
	at := &catalogue.Instant{Time: time.Now()}
	state := func(kind catalogue.SpaceKind, capacity, count int, state string) occupancy.SpaceAvailability {
		free, occupied := max(0, capacity-count), count > 0
		return occupancy.SpaceAvailability{
			Space:     "s",
			Kind:      kind,
			Capacity:  capacity,
			Count:     &count,
			Occupied:  &occupied,
			Free:      &free,
			State:     state,
			Since:     at,
			UpdatedAt: at,
		}
	}
	for n := range 3 {
		v, ok := state(catalogue.Coworking, 3, n, occupancy.Free).ForDisplay()
		if !ok || v.Few == nil || v.Count != nil || v.Occupied != nil || v.Free != nil || v.Since != nil ||
			v.UpdatedAt != nil ||
			v.State != occupancy.Free {
			t.Errorf("%d people: %+v", n, v)
		}
	}
	if v, ok := state(catalogue.Coworking, 3, 3, occupancy.Busy).ForDisplay(); !ok || v.Few != nil || *v.Count != 3 ||
		v.State != occupancy.Busy {
		t.Errorf("three people: %+v", v)
	}
	if v, _ := state(catalogue.Coworking, 40, 1, occupancy.Closed).ForDisplay(); v.State != occupancy.Closed {
		t.Errorf("closed: %+v", v)
	}
	if _, ok := state(catalogue.Studio, 2, 0, occupancy.Free).ForDisplay(); ok {
		t.Error("a space of two places is shown")
	}
	if _, ok := state(catalogue.MeetingRoom, 8, 4, occupancy.Busy).ForDisplay(); ok {
		t.Error("a meeting room is shown")
	}
	if v, ok := state(catalogue.MeetingRoom, 8, 4, occupancy.Busy).ForLive(); !ok || v.Count != nil || !*v.Occupied {
		t.Errorf("a meeting room's live topic: %+v", v)
	}
	if _, ok := state(catalogue.PrivateOffice, 8, 4, occupancy.Busy).ForLive(); ok {
		t.Error("an office has a live topic")
	}
}
