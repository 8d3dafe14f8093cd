package life_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/lorntech/totem/firmware-sim/life"
	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/people"
)

var monday = catalogue.Date(2026, 11, 16)

// town returns the built-in buildings with people, for whom every door opens
// but the refused.
func town(t *testing.T, refused catalogue.DoorID) (*life.Town, *catalogue.Network) {
	t.Helper()
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	decide := func(_ []byte, door catalogue.DoorID, _ catalogue.Direction, _ time.Time) (bool, access.Reason) {
		return door != refused, "test"
	}
	return life.New(people.New(n, 1, monday), 1, decide), n
}

func TestAWeekIsLivedThroughDoors(t *testing.T) {
	l, n := town(t, "")
	counts := map[catalogue.SpaceID]int{}
	weekday, weekend := 0, 0
	for d := monday; d < monday+7; d++ {
		steps, stays := l.Day(d)
		if d < monday+5 {
			weekday += len(stays)
		} else {
			weekend += len(stays)
		}
		var last time.Time
		for _, s := range steps {
			if s.At.Before(last) {
				t.Fatalf("day %s is not in order at %s", d, s.At)
			}
			last = s.At
			if s.Door != "" && n.Door(s.Door) == nil {
				t.Fatalf("there is no door %s", s.Door)
			}
		}
		for _, s := range stays {
			if !s.To.After(s.From) || n.Space(s.Space) == nil {
				t.Fatalf("a stay: %+v", s)
			}
			counts[s.Space]++
		}
		for space, people := range l.Midnight(d) {
			if people < 0 {
				t.Errorf("%d people in %s at midnight", people, space)
			}
		}
	}
	if weekday/5 < 3*(weekend/2)/2 || counts["metz-coworking"] == 0 {
		t.Errorf("%d stays on weekdays, %d at the weekend; %v", weekday, weekend, counts)
	}
}

func TestTheSameSeedLivesTheSameDay(t *testing.T) {
	a, _ := town(t, "")
	b, _ := town(t, "")
	steps, stays := a.Day(monday)
	again, stayed := b.Day(monday)
	if !reflect.DeepEqual(steps, again) || !reflect.DeepEqual(stays, stayed) {
		t.Error("two towns of one seed differ")
	}
}

func TestNobodyIsBehindADoorThatStaysShut(t *testing.T) {
	l, n := town(t, "metz-coworking-door")
	into := n.Door("metz-coworking-door").To
	refused := 0
	for d := monday; d < monday+5; d++ {
		steps, stays := l.Day(d)
		for _, s := range steps {
			if s.Door == "metz-coworking-door" && !s.Granted {
				refused++
			}
		}
		for _, s := range stays {
			if s.Space == into {
				t.Fatalf("somebody is behind the door: %+v", s)
			}
		}
	}
	if refused == 0 {
		t.Error("nobody tried the door: the test shows nothing")
	}
}

func TestARoundIsMadeAtAnyHour(t *testing.T) {
	l, n := town(t, "")
	at := n.Zone.Start(monday).Add(3 * time.Hour)
	for _, site := range n.Sites {
		made := 0
		for i := range 4 {
			if step, ok := l.Rounds(site.ID, i, at); ok {
				made++
				if d := n.Door(step.Door); d == nil || !step.At.Equal(at) {
					t.Errorf("%s: %+v", site.ID, step)
				}
			}
		}
		if made == 0 {
			t.Errorf("nobody makes the round in %s", site.ID)
		}
	}
}
