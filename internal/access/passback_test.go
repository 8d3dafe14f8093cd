package access_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// TestNobodyEntersTwiceWithoutLeaving holds rules 4.8: the studio refuses, the
// FabLab only raises an alarm.
func TestNobodyEntersTwiceWithoutLeaving(t *testing.T) {
	const studio, back, fablab = catalogue.DoorID("metz-studio-door"), catalogue.DoorID("metz-studio-back-door"), catalogue.DoorID("metz-fablab-door")
	cases := []struct {
		name       string
		door       catalogue.DoorID
		at         string
		space      catalogue.SpaceID // where the last read left Alice
		lastAt     catalogue.DoorID
		last       string
		wantReason access.Reason
		wantAlert  bool
		offline    bool
	}{
		{
			"in it",
			studio,
			"2026-10-19 10:00:00",
			"metz-studio",
			back,
			"2026-10-19 09:00:00",
			access.AntiPassback,
			false,
			false,
		},
		{
			"below it",
			studio,
			"2026-10-19 10:00:00",
			"metz-booth",
			"metz-booth-door",
			"2026-10-19 09:00:00",
			access.AntiPassback,
			false,
			false,
		},
		{
			"offline too",
			studio,
			"2026-10-19 10:00:00",
			"metz-studio",
			back,
			"2026-10-19 09:00:00",
			access.AntiPassback,
			false,
			true,
		},
		{
			"only before it",
			studio,
			"2026-10-19 10:00:00",
			"metz-hall",
			"metz-hall-door",
			"2026-10-19 09:00:00",
			access.Lease,
			false,
			false,
		},
		{
			"left the building",
			studio,
			"2026-10-19 10:00:00",
			catalogue.Outside,
			"metz-hall-door",
			"2026-10-19 09:00:00",
			access.Lease,
			false,
			false,
		},
		{
			"badged again at once",
			studio,
			"2026-10-19 10:00:30",
			"metz-studio",
			studio,
			"2026-10-19 10:00:00",
			access.Lease,
			false,
			false,
		},
		{
			"not quite at once",
			studio,
			"2026-10-19 10:00:30.001",
			"metz-studio",
			studio,
			"2026-10-19 10:00:00",
			access.AntiPassback,
			false,
			false,
		},
		{
			"at once, but at the other door",
			back,
			"2026-10-19 10:00:05",
			"metz-studio",
			studio,
			"2026-10-19 10:00:00",
			access.AntiPassback,
			false,
			false,
		},
		{
			"since four o'clock",
			studio,
			"2026-10-19 10:00:00",
			"metz-studio",
			studio,
			"2026-10-19 04:00:00",
			access.AntiPassback,
			false,
			false,
		},
		{
			"forgotten at four o'clock",
			studio,
			"2026-10-19 10:00:00",
			"metz-studio",
			studio,
			"2026-10-19 03:59:59.999",
			access.Lease,
			false,
			false,
		},
		{
			"the FabLab lets in, with an alarm",
			fablab,
			"2026-10-19 10:00:00",
			"metz-fablab",
			fablab,
			"2026-10-19 09:00:00",
			access.Lease,
			true,
			false,
		},
		{
			"a refusal is none the better",
			fablab,
			"2026-10-19 21:00:00",
			"metz-fablab",
			fablab,
			"2026-10-19 09:00:00",
			access.OutsideHours,
			false,
			false,
		},
		{
			"a door that is not marked",
			"metz-hall-door",
			"2026-10-19 10:00:00",
			"metz-studio",
			studio,
			"2026-10-19 09:00:00",
			access.Lease,
			false,
			false,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			last := lastRead{access.Position{Space: c.space, Door: c.lastAt, At: paris(t, c.last)}, true}
			q := access.Question{
				Credential: badge("alice"),
				Door:       c.door,
				Direction:  catalogue.In,
				At:         paris(t, c.at),
				Offline:    c.offline,
			}
			got := compile(t).Decide(q, last)
			if got.Reason != c.wantReason || got.PassbackAlert != c.wantAlert || got.Granted != grants[c.wantReason] {
				t.Errorf("%+v, want %s, alert %v", got, c.wantReason, c.wantAlert)
			}
		})
	}
}

// TestTheNightBelongsToTheDayBefore: before 04:00 a read counts from 04:00 of
// the day before, also over a change of clocks.
func TestTheNightBelongsToTheDayBefore(t *testing.T) {
	n, b := town(t)
	event := tenancy.Event{
		ID:       "night",
		Title:    "E",
		Spaces:   []catalogue.SpaceID{"metz-studio"},
		Audience: "invited",
		Invited:  []tenancy.MemberID{"dan"},
		StartsAt: paris(t, "2026-10-24 00:00:00"),
		EndsAt:   paris(t, "2026-10-26 00:00:00"),
	}
	if err := b.PutEvent(event); err != nil {
		t.Fatal(err)
	}
	x := access.NewCompiler(n).Compile(b, nil)
	for _, c := range []struct {
		at, last string
		want     access.Reason
	}{
		{"2026-10-25 03:59:59", "2026-10-24 04:00:00", access.AntiPassback},
		{"2026-10-25 03:59:59", "2026-10-24 03:59:59", access.Event},
		{"2026-10-25 04:00:00", "2026-10-25 03:59:59", access.Event},
		{"2026-10-25 04:00:01", "2026-10-25 04:00:00", access.AntiPassback},
	} {
		last := lastRead{access.Position{Space: "metz-studio", Door: "metz-studio-back-door", At: paris(t, c.last)}, true}
		q := access.Question{Credential: badge("dan"), Door: "metz-studio-door", Direction: catalogue.In, At: paris(t, c.at)}
		if got := x.Decide(q, last).Reason; got != c.want {
			t.Errorf("at %s after %s: %s, want %s", c.at, c.last, got, c.want)
		}
	}
}

// noted counts what it is asked.
type noted struct{ asked int }

func (n *noted) Last(tenancy.MemberID, time.Time) (access.Position, bool, error) {
	n.asked++
	return access.Position{}, false, nil
}

// broken knows nothing of anybody.
type broken struct{}

func (broken) Last(tenancy.MemberID, time.Time) (access.Position, bool, error) {
	return access.Position{}, false, errors.New("the disk is gone")
}

func TestWithoutTheLedgerNobodyIsLetIntoAMarkedSpace(t *testing.T) {
	x := compile(t)
	got := x.Decide(
		access.Question{
			Credential: badge("alice"),
			Door:       "metz-studio-door",
			Direction:  catalogue.In,
			At:         paris(t, "2026-10-19 10:00:00"),
		},
		broken{},
	)
	if got.Granted || got.Reason != access.Unavailable {
		t.Errorf("%+v", got)
	}
}

// TestWhereaboutsAreAskedOnlyWhereTheyMatter, for they may cost a query.
func TestWhereaboutsAreAskedOnlyWhereTheyMatter(t *testing.T) {
	x := compile(t)
	for _, c := range []struct {
		holder string
		door   catalogue.DoorID
		at     string
		want   int
	}{
		{"alice", "metz-studio-door", "2026-10-19 10:00:00", 1},
		{"alice", "metz-hall-door", "2026-10-19 10:00:00", 0},   // not marked
		{"alice", "metz-studio-door", "2026-10-19 21:00:00", 0}, // refused anyway
		{"stella", "metz-studio-door", "2026-10-19 10:00:00", 0},
		{"remi", "metz-studio-door", "2026-10-19 10:00:00", 0},
	} {
		w := &noted{}
		x.Decide(access.Question{Credential: badge(c.holder), Door: c.door, Direction: catalogue.In, At: paris(t, c.at)}, w)
		if w.asked != c.want {
			t.Errorf("%s at %s, %s: asked %d times, want %d", c.holder, c.door, c.at, w.asked, c.want)
		}
	}
}
