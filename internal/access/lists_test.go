package access_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// listed returns what a door's list of a day says of each holder, as "reason from–to".
func listed(t *testing.T, x *access.Index, door catalogue.DoorID, from, to string) map[string][]string {
	t.Helper()
	loc := paris(t, from).Location()
	got := map[string][]string{}
	for _, e := range x.Entries(door, catalogue.In, paris(t, from), paris(t, to)) {
		for _, r := range e.Rights {
			who := badges[e.Hash[0]-1]
			got[who] = append(
				got[who],
				string(r.Reason)+" "+r.From.In(loc).Format("02 15:04")+"–"+r.To.In(loc).Format("02 15:04"),
			)
		}
	}
	return got
}

func TestAListSaysWhoMayPassWhenAndWhy(t *testing.T) {
	x := compile(t)
	cases := []struct {
		name     string
		door     catalogue.DoorID
		from, to string
		want     map[string][]string
	}{
		{
			"a door of one lease, over a night",
			"metz-office-door",
			"2026-10-19 12:00:00",
			"2026-10-20 12:00:00",
			map[string][]string{
				"alice":  {"lease 19 12:00–19 20:00", "lease 20 08:00–20 12:00"},
				"remi":   {"lease 19 12:00–19 20:00", "lease 20 08:00–20 12:00"},
				"dated":  {"lease 19 12:00–19 14:00"},
				"stella": {"staff 19 12:00–20 12:00"},
			},
		},
		{
			"a pass, a lease for some, a lease around the clock",
			"metz-coworking-door",
			"2026-10-19 08:00:00",
			"2026-10-20 08:00:00",
			map[string][]string{
				"alice": {"lease 19 08:00–19 20:00"}, "remi": {"lease 19 08:00–19 20:00"}, "dated": {"lease 19 12:00–19 14:00"},
				"bob": {"lease 19 08:00–20 08:00"}, "carol": {"lease 19 08:00–20 08:00"},
				"visitor": {"pass 19 09:00–19 18:00"}, "stella": {"staff 19 08:00–20 08:00"},
			},
		},
		{"an event for the invited", "metz-studio-door", "2026-10-19 19:30:00", "2026-10-20 00:00:00", map[string][]string{
			"alice": {"lease 19 19:30–19 20:00"}, "remi": {"lease 19 19:30–19 20:00"}, "dan": {"event 19 19:30–19 22:00"},
			"stella": {"staff 19 19:30–20 00:00"},
		}},
		{
			"a public event for all who are known, a lease first",
			"nancy-coworking-door",
			"2026-10-20 09:00:00",
			"2026-10-20 18:00:00",
			map[string][]string{
				"alice": {"event 20 10:00–20 17:00"}, "dan": {"event 20 10:00–20 17:00"}, "carol": {"event 20 10:00–20 17:00"},
				"erin": {"event 20 10:00–20 17:00"}, "remi": {"event 20 10:00–20 17:00"}, "stella": {"event 20 10:00–20 17:00"},
				"bob": {"lease 20 09:00–20 18:00"},
			},
		},
		{"a lease that ends within", "metz-fablab-door", "2026-11-11 00:00:00", "2026-11-12 00:00:00", map[string][]string{
			"stella": {"staff 11 00:00–12 00:00"}, // a holiday for the others
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, listed(t, x, c.door, c.from, c.to)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInALockdownAListHoldsRespondersAlone(t *testing.T) {
	began := paris(t, "2026-10-19 11:00:00")
	over := began.Add(time.Hour)
	all := []string{"2026-10-19 12:00:00", "2026-10-19 13:00:00"}
	want := map[string][]string{"remi": {"lease 19 12:00–19 13:00"}}
	if diff := cmp.Diff(want,
		listed(t, compile(t, tenancy.Lockdown{Site: "metz", From: began}), "metz-office-door", all[0], all[1]),
	); diff != "" {
		t.Errorf("in the lockdown: %s", diff)
	}
	for name, k := range map[string]tenancy.Lockdown{"over": {Site: "metz", From: began, To: &over}, "elsewhere": {Site: "nancy", From: began}} {
		if got := listed(t, compile(t, k), "metz-office-door", all[0], all[1]); len(got) != 4 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAListOfNothingIsEmpty(t *testing.T) {
	x := compile(t)
	from := paris(t, "2026-10-19 12:00:00")
	for name, got := range map[string][]access.Entry{
		"outwards":        x.Entries("metz-hall-door", catalogue.Out, from, from.Add(time.Hour)),
		"an unknown door": x.Entries("cellar-door", catalogue.In, from, from.Add(time.Hour)),
		"no time":         x.Entries("metz-hall-door", catalogue.In, from, from),
		"time backwards":  x.Entries("metz-hall-door", catalogue.In, from, from.Add(-time.Hour)),
	} {
		if len(got) != 0 {
			t.Errorf("%s: %d entries", name, len(got))
		}
	}
}

func TestOnlyPublicEventsHoldDoorsOpen(t *testing.T) {
	x := compile(t)
	fair := []access.Unlock{
		{Event: "fair", From: paris(t, "2026-10-20 10:00:00").UTC(), To: paris(t, "2026-10-20 17:00:00").UTC()},
	}
	for door, want := range map[catalogue.DoorID][]access.Unlock{
		"nancy-coworking-door": fair, "nancy-hall-door": fair, "metz-studio-door": nil, "metz-hall-door": nil, "cellar-door": nil,
	} {
		got := x.Unlocks(door)
		if len(got) != len(want) || len(want) > 0 && got[0] != want[0] {
			t.Errorf("%s: %+v", door, got)
		}
	}
}
