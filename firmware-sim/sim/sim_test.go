package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/firmware-sim/life"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/people"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

var monday = catalogue.Date(2026, 11, 16)

// tape keeps what is sent, in order.
type tape struct {
	lines []string
	by    map[string]int
}

func (p *tape) Publish(topic string, payload []byte) error {
	p.lines = append(p.lines, topic+" "+string(payload))
	p.by[topic]++
	return nil
}
func (p *tape) Drain(context.Context) error { return nil }

func record(t *testing.T, f Faults, days int) (*tape, []life.Stay, Summary) {
	t.Helper()
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	var truth bytes.Buffer
	s, err := New(Config{World: people.New(n, 1, monday), Seed: 1, Faults: f, Truth: &truth})
	if err != nil {
		t.Fatal(err)
	}
	p := &tape{by: map[string]int{}}
	sum, err := s.History(t.Context(), p, monday, monday+catalogue.Day(days)-1, time.Now().AddDate(10, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	var stays []life.Stay
	for dec := json.NewDecoder(&truth); dec.More(); {
		var st life.Stay
		if err := dec.Decode(&st); err != nil {
			t.Fatal(err)
		}
		stays = append(stays, st)
	}
	return p, stays, sum
}

func TestSameSeedSendsTheSameBytes(t *testing.T) {
	f := Faults{Loss: 2, Repeat: 10, Reorder: time.Minute, Offline: time.Hour, Drift: time.Second, Dead: 2}
	a, _, _ := record(t, f, 2)
	b, _, _ := record(t, f, 2)
	if !slices.Equal(a.lines, b.lines) || len(a.lines) < 1000 {
		t.Errorf("%d and %d messages, not the same", len(a.lines), len(b.lines))
	}
}

func TestNobodyIsInTwoPlacesAtOnce(t *testing.T) {
	_, stays, _ := record(t, Faults{}, 3)
	by := map[tenancy.MemberID][]life.Stay{}
	for _, s := range stays {
		if !s.From.Before(s.To) {
			t.Errorf("an empty stay: %+v", s)
		}
		by[s.Member] = append(by[s.Member], s)
	}
	if len(by) < 100 {
		t.Errorf("only %d people came in three days", len(by))
	}
	for m, list := range by {
		slices.SortFunc(list, func(a, b life.Stay) int { return a.From.Compare(b.From) })
		for i := 1; i < len(list); i++ {
			if list[i].From.Before(list[i-1].To) {
				t.Errorf("%s is in %s and %s at %s", m, list[i-1].Space, list[i].Space, list[i].From)
			}
		}
	}
}

func TestCountersAgreeWithTheTruthAtEveryMinute(t *testing.T) {
	p, stays, _ := record(t, Faults{}, 1)
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, line := range p.lines {
		var topic, payload string
		if _, err := fmt.Sscanf(line, "%s %s", &topic, &payload); err != nil {
			t.Fatal(err)
		}
		top, err := wire.ParseUp(topic)
		if err != nil || top.What != wire.Count {
			continue
		}
		m, err := wire.Decode(top, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, s := range stays {
			if s.Space == n.Device(top.Device).Space && !s.From.After(m.At) && !s.To.Before(m.At) {
				want++
			}
		}
		checked++
		if m.Count != want {
			t.Fatalf("%s says %d at %s, the truth is %d", top.Device, m.Count, m.At, want)
		}
	}
	if checked < 500 {
		t.Errorf("only %d counts checked", checked)
	}
}

func TestGuestsComeToEvents(t *testing.T) {
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	_, stays, _ := record(t, Faults{}, 3)
	for _, e := range people.New(n, 1, monday).Events {
		if n.Zone.At(e.StartsAt).Day < monday || n.Zone.At(e.StartsAt).Day >= monday+3 {
			continue
		}
		came, uninvited := 0, 0
		for _, s := range stays {
			if s.Space != e.Spaces[0] || !s.From.Before(e.EndsAt) || !s.To.After(e.StartsAt) {
				continue
			}
			came++
			if e.Audience != "public" && !slices.Contains(e.Invited, s.Member) {
				uninvited++
			}
		}
		switch id := string(e.ID); {
		case people.AtClosedHours(&e): // others pass through the hall and the café
			uninvited, came = 0, came/3
		case strings.Contains(id, "-atelier-"): // rooms that have tenants too, and small ones
			uninvited, came = 0, came*3
			if len(e.Invited) < 4 { // who may all be away
				continue
			}
		}
		if came < 3 || uninvited > 0 {
			t.Errorf("%s (%s): %d came, %d of them uninvited", e.ID, e.Audience, came, uninvited)
		}
	}
}

func TestEveryMessageIsWellFormedAndNumbered(t *testing.T) {
	p, _, sum := record(t, Faults{}, 2)
	last := map[catalogue.DeviceID]uint64{}
	for _, line := range p.lines {
		topic, payload, _ := bytes.Cut([]byte(line), []byte(" "))
		top, err := wire.ParseUp(string(topic))
		if err != nil {
			t.Fatal(err)
		}
		m, err := wire.Decode(top, payload)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if m.Seq != last[top.Device]+1 {
			t.Fatalf("%s: number %d after %d", top.Device, m.Seq, last[top.Device])
		}
		last[top.Device] = m.Seq
	}
	if sum.Messages != len(p.lines) || sum.Refused == 0 || sum.Badges < 1000 {
		t.Errorf("summary %+v", sum)
	}
}

func TestFaultsDoWhatTheySay(t *testing.T) {
	clean, _, _ := record(t, Faults{}, 1)
	unique := func(p *tape) int {
		lines := slices.Clone(p.lines)
		slices.Sort(lines)
		return len(slices.Compact(lines))
	}
	if p, _, _ := record(t,
		Faults{Repeat: 10},
		1,
	); unique(p) != len(clean.lines) || len(p.lines) < len(clean.lines)*105/100 ||
		len(p.lines) > len(clean.lines)*115/100 {
		t.Errorf("10%% repeated: %d of %d, %d different", len(p.lines), len(clean.lines), unique(p))
	}
	if p, _, _ := record(t, Faults{Loss: 10}, 1); len(p.lines) >= len(clean.lines) ||
		len(p.lines) < len(clean.lines)*85/100 {
		t.Errorf("10%% lost: %d of %d", len(p.lines), len(clean.lines))
	}
	p, _, _ := record(t, Faults{Reorder: 10 * time.Minute}, 1)
	if slices.Equal(p.lines, clean.lines) || unique(p) != unique(clean) {
		t.Error("reordering lost something or nothing was reordered")
	}
	// Each of the dead is missed on its own topic and on its status.
	if p, _, _ := record(t, Faults{Dead: 5}, 1); len(p.by) != len(clean.by)-2*5 {
		t.Errorf("5 dead sensors: %d of %d topics", len(p.by), len(clean.by))
	}
	if p, _, _ := record(t, Faults{Drift: time.Second}, 1); slices.Equal(p.lines, clean.lines) {
		t.Error("no clock has drifted")
	}
}

// Whoever looks at the demo, at night, on a Sunday or on a holiday, finds people in every site.
func TestSomebodyIsThereAtAnyHour(t *testing.T) {
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	// Christmas; the 8th of May.
	for _, today := range []catalogue.Day{catalogue.Date(2026, 12, 23), catalogue.Date(2026, 5, 4)} {
		s, err := New(Config{World: people.New(n, 57, today), Seed: 57})
		if err != nil {
			t.Fatal(err)
		}
		var stays []life.Stay
		for d := today; d < today+7; d++ {
			_, more := s.devices.town.Day(d)
			stays = append(stays, more...)
		}
		used := map[catalogue.SpaceKind]bool{}
		for _, st := range stays {
			used[n.Space(st.Space).Kind] = true
		}
		for at := n.Zone.Start(today); at.Before(n.Zone.Start(today + 7)); at = at.Add(10 * time.Minute) {
			all, by := 0, map[catalogue.SiteID]int{}
			for _, st := range stays {
				if !st.From.After(at) && st.To.After(at) {
					all++
					by[n.Space(st.Space).Site]++
				}
			}
			if all < 40 || len(by) < len(n.Sites) {
				t.Errorf("%s: %d people, by site %v", at.Format(time.RFC3339), all, by)
			}
		}
		for _, kind := range []catalogue.SpaceKind{catalogue.Studio, catalogue.Training, catalogue.Demo} {
			if !used[kind] {
				t.Errorf("nobody is in any %s all week", kind)
			}
		}
	}
}

// A coworking of 40 places is as full on a working day as a real one.
func TestACoworkingIsAsFullAsARealOne(t *testing.T) {
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{World: people.New(n, 57, monday), Seed: 57})
	if err != nil {
		t.Fatal(err)
	}
	for d := monday; d < monday+5; d++ {
		_, stays := s.devices.town.Day(d)
		at, people := n.Zone.Instant(d, 11*3600), 0
		for _, st := range stays {
			if st.Space == "metz-coworking" && !st.From.After(at) && st.To.After(at) {
				people++
			}
		}
		if people < 15 || people > 35 {
			t.Errorf("%s at eleven: %d people in a coworking of 40 places", d, people)
		}
	}
}
