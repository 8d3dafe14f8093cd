package live

import (
	"strconv"
	"testing"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/occupancy"
)

func testHub() *hub {
	return newHub(7, func() []occupancy.SpaceAvailability {
		return []occupancy.SpaceAvailability{{Space: "hall"}, {Space: "office"}}
	})
}

func changed(space string) []*Event {
	return []*Event{{Topic: TopicAvailability, Availability: occupancy.SpaceAvailability{Space: catalogue.SpaceID(space)}}}
}

var spacesOnly = []Topic{TopicAvailability}

func TestAClientHearsOnlyTheTopicsItAskedFor(t *testing.T) {
	h := testHub()
	spaces, alarms := h.subscribe("", spacesOnly), h.subscribe("", []Topic{TopicAlarms})
	h.send([]*Event{{Topic: TopicAlarms, Alarm: ingest.Alarm{ID: "gap"}}})
	h.send(changed("a"))
	if e := <-spaces.Events; e.Availability.Space != "a" {
		t.Errorf("the first that the page of spaces hears: %+v", e)
	}
	if e := <-alarms.Events; e.Alarm.ID != "gap" || len(alarms.Events) != 0 {
		t.Errorf("alarms: %+v and %d more", e, len(alarms.Events))
	}
	if again := h.subscribe("7-0", []Topic{TopicAlarms}); !again.Resumed || len(again.Replay) != 1 ||
		again.Replay[0].ID != "7-1" {
		t.Errorf("resumed: %+v", again)
	}
}

func TestClientThatComesBackGetsWhatItMissed(t *testing.T) {
	h := testHub()
	h.send(changed("a"))
	h.send(changed("b"))
	h.send(changed("c"))
	sub := h.subscribe("7-1", spacesOnly)
	defer sub.Cancel()
	replay := sub.Replay
	if len(replay) != 2 || replay[0].Availability.Space != "b" || replay[1].ID != "7-3" {
		t.Errorf("replay: %+v", replay)
	}
}

func TestUnknownLastIDGetsEverySpace(t *testing.T) {
	h := testHub()
	h.send(changed("a"))
	for _, id := range []string{"", "6-1", "7-2", "7-x", "nonsense", "7--1"} {
		sub := h.subscribe(id, spacesOnly)
		replay := sub.Replay
		if len(replay) != 2 || replay[0].Availability.Space != "hall" {
			t.Errorf("last id %q: %+v", id, replay)
		}
		sub.Cancel()
	}
}

func TestWhoMissedMoreThanIsRememberedGetsEverySpace(t *testing.T) {
	h := testHub()
	for i := range hubMemory + 10 {
		h.send(changed(strconv.Itoa(i)))
	}
	sub := h.subscribe("7-1", spacesOnly)
	defer sub.Cancel()
	replay := sub.Replay
	if len(replay) != 2 {
		t.Errorf("%d events replayed", len(replay))
	}
}

func TestSlowClientIsLetGoAndTheOthersHearAll(t *testing.T) {
	h := testHub()
	slow := h.subscribe("7-0", spacesOnly).Events
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
	h.endStreams()
}
