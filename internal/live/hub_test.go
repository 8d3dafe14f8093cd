package live

import (
	"strconv"
	"testing"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
)

func testHub() *hub {
	return newHub(7, func() []occupancy.SpaceAvailability {
		return []occupancy.SpaceAvailability{{Space: "hall"}, {Space: "office"}}
	})
}

func changed(space string) []occupancy.SpaceAvailability {
	return []occupancy.SpaceAvailability{{Space: catalogue.SpaceID(space)}}
}

func TestClientThatComesBackGetsWhatItMissed(t *testing.T) {
	h := testHub()
	h.send(changed("a"))
	h.send(changed("b"))
	h.send(changed("c"))
	replay, _, cancel := h.subscribe("7-1")
	defer cancel()
	if len(replay) != 2 || replay[0].Availability.Space != "b" || replay[1].ID != "7-3" {
		t.Errorf("replay: %+v", replay)
	}
}

func TestUnknownLastIDGetsEverySpace(t *testing.T) {
	h := testHub()
	h.send(changed("a"))
	for _, id := range []string{"", "6-1", "7-2", "7-x", "nonsense", "7--1"} {
		replay, _, cancel := h.subscribe(id)
		if len(replay) != 2 || replay[0].Availability.Space != "hall" {
			t.Errorf("last id %q: %+v", id, replay)
		}
		cancel()
	}
}

func TestWhoMissedMoreThanIsRememberedGetsEverySpace(t *testing.T) {
	h := testHub()
	for i := range hubMemory + 10 {
		h.send(changed(strconv.Itoa(i)))
	}
	replay, _, cancel := h.subscribe("7-1")
	defer cancel()
	if len(replay) != 2 {
		t.Errorf("%d events replayed", len(replay))
	}
}

func TestSlowClientIsLetGoAndTheOthersHearAll(t *testing.T) {
	h := testHub()
	_, slow, _ := h.subscribe("7-0")
	for i := range clientQueue + 1 {
		h.send(changed(strconv.Itoa(i)))
	}
	n := 0
	for range slow {
		n++
	}
	if n != clientQueue {
		t.Errorf("the slow client heard %d before it was let go, want %d", n, clientQueue)
	}
	h.close()
}
