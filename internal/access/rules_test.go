package access_test

import (
	"testing"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// asked is one badge in the field's words, and what must be answered.
type asked struct {
	name, holder string
	door         catalogue.DoorID
	wall         string // Paris
	reason       access.Reason
	lease        tenancy.LeaseID
}

// grants are the reasons that open.
var grants = map[access.Reason]bool{
	access.Egress: true,
	access.Staff:  true,
	access.Lease:  true,
	access.Pass:   true,
	access.Event:  true,
}

func answerAll(t *testing.T, x *access.Index, cases []asked) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			q := access.Question{Credential: badge(c.holder), Door: c.door, Direction: catalogue.In, At: paris(t, c.wall)}
			got := x.Decide(q, nil)
			if got.Reason != c.reason || got.Lease != c.lease || got.Granted != grants[c.reason] {
				t.Errorf("%s at %s, %s: %+v, want %s %s", c.holder, c.door, c.wall, got, c.reason, c.lease)
			}
		})
	}
}

func TestALeaseOpensItsSpacesAndTheWayThere(t *testing.T) {
	answerAll(t, compile(t), []asked{
		{"its office", "alice", "metz-office-door", "2026-10-19 10:00:00", access.Lease, "l-office"},
		{"the coworking on the way", "alice", "metz-coworking-door", "2026-10-19 10:00:00", access.Lease, "l-office"},
		{"the hall before it", "alice", "metz-hall-door", "2026-10-19 10:00:00", access.Lease, "l-office"},
		{"either door of its studio", "alice", "metz-studio-back-door", "2026-10-19 10:00:00", access.Lease, "l-office"},
		{"not what lies below its studio", "alice", "metz-booth-door", "2026-10-19 10:00:00", access.NoRight, ""},
		{"not another town", "alice", "nancy-hall-door", "2026-10-19 10:00:00", access.NoRight, ""},
		{"roaming: here", "bob", "metz-coworking-door", "2026-10-19 03:00:00", access.Lease, "l-roaming"},
		{"roaming: and there", "bob", "nancy-coworking-door", "2026-10-19 03:00:00", access.Lease, "l-roaming"},
		{"roaming: not an office behind", "bob", "metz-office-door", "2026-10-19 03:00:00", access.NoRight, ""},
		{"a kind at the lease's site", "carol", "metz-coworking-door", "2026-10-19 03:00:00", access.Lease, "l-named"},
		{"a kind, not at another site", "carol", "nancy-coworking-door", "2026-10-19 03:00:00", access.NoRight, ""},
		{"a member whom the lease does not name", "dan", "metz-coworking-door", "2026-10-19 10:00:00", access.NoRight, ""},
		{"a door that is none", "alice", "cellar-door", "2026-10-19 10:00:00", access.NoRight, ""},
	})
}

func TestAScheduleKeepsItsHours(t *testing.T) {
	open, shut := access.Lease, access.OutsideHours
	answerAll(t, compile(t), []asked{
		{"a moment before", "alice", "metz-office-door", "2026-10-19 07:59:59.999", shut, "l-office"},
		{"on the dot", "alice", "metz-office-door", "2026-10-19 08:00:00", open, "l-office"},
		{"a moment before the end", "alice", "metz-office-door", "2026-10-19 19:59:59.999", open, "l-office"},
		{"at the end", "alice", "metz-office-door", "2026-10-19 20:00:00", shut, "l-office"},
		{"on Saturday", "alice", "metz-office-door", "2026-10-24 10:00:00", shut, "l-office"},
		{"Monday after the clocks went back", "alice", "metz-office-door", "2026-10-26 08:00:00", open, "l-office"},
		{"and a second before", "alice", "metz-office-door", "2026-10-26 07:59:59", shut, "l-office"},
		{"All Saints is not a holiday on another day", "alice", "metz-office-door", "2026-11-02 10:00:00", open, "l-office"},
		{"Armistice Day", "alice", "metz-office-door", "2026-11-11 10:00:00", shut, "l-office"},
		{"Good Friday in Moselle", "alice", "metz-office-door", "2026-04-03 10:00:00", shut, "l-office"},
		{"Easter Monday", "alice", "metz-office-door", "2026-04-06 10:00:00", shut, "l-office"},
		{"Maundy Thursday", "alice", "metz-office-door", "2026-04-02 10:00:00", open, "l-office"},
		{"until midnight, the last second", "erin", "metz-hall-door", "2026-10-19 23:59:59.999", open, "f-night"},
		{"until midnight, and no longer", "erin", "metz-hall-door", "2026-10-20 00:00:00", shut, "f-night"},
		{"holidays open", "erin", "metz-hall-door", "2026-11-11 22:00:00", open, "f-night"},
		{"always, on a holiday's night", "carol", "metz-coworking-door", "2026-12-26 03:00:00", open, "l-named"},
	})
}

// TestGoodFridayIsAHolidayInMoselleAlone: the holidays are those of the door's
// site, not of the lease's.
func TestGoodFridayIsAHolidayInMoselleAlone(t *testing.T) {
	n, b := town(t)
	plan, _ := b.Plan("roaming")
	plan.Schedule = "working"
	if err := b.PutPlan(plan); err != nil {
		t.Fatal(err)
	}
	answerAll(t, access.NewCompiler(n).Compile(b, nil), []asked{
		{"Good Friday in Metz", "bob", "metz-coworking-door", "2026-04-03 10:00:00", access.OutsideHours, "l-roaming"},
		{"Good Friday in Nancy", "bob", "nancy-coworking-door", "2026-04-03 10:00:00", access.Lease, "l-roaming"},
		{"26 December in Metz", "bob", "metz-coworking-door", "2028-12-26 10:00:00", access.OutsideHours, "l-roaming"},
		{"26 December in Nancy", "bob", "nancy-coworking-door", "2028-12-26 10:00:00", access.Lease, "l-roaming"},
		{"Bastille Day in both", "bob", "nancy-coworking-door", "2026-07-14 10:00:00", access.OutsideHours, "l-roaming"},
	})
}

// TestAWindowInTheRepeatedHourOpensTwice: on 25 October 2026 the clock shows
// 02:00–03:00 twice; on 28 March 2027 never.
func TestAWindowInTheRepeatedHourOpensTwice(t *testing.T) {
	x := compile(t)
	for utc, want := range map[string]access.Reason{
		"2026-10-24T23:59:59.999Z": access.OutsideHours, // 01:59:59 summer time
		"2026-10-25T00:00:00Z":     access.Lease,        // 02:00 summer time
		"2026-10-25T00:59:59.999Z": access.Lease,        // 02:59:59 summer time
		"2026-10-25T01:00:00Z":     access.Lease,        // 02:00 again
		"2026-10-25T01:59:59.999Z": access.Lease,        // 02:59:59 again
		"2026-10-25T02:00:00Z":     access.OutsideHours, // 03:00
		"2027-03-28T00:59:59.999Z": access.OutsideHours, // 01:59:59, and then it is 03:00
		"2027-03-28T01:00:00Z":     access.OutsideHours,
	} {
		at, err := time.Parse(time.RFC3339Nano, utc)
		if err != nil {
			t.Fatal(err)
		}
		got := x.Decide(
			access.Question{Credential: badge("erin"), Door: "metz-hall-door", Direction: catalogue.In, At: at},
			nil,
		)
		if got.Reason != want {
			t.Errorf("%s: %s, want %s", utc, got.Reason, want)
		}
	}
	entries := x.Entries("metz-hall-door", catalogue.In, paris(t, "2026-10-25 00:00:00"), paris(t, "2026-10-26 00:00:00"))
	for _, e := range entries {
		if e.Hash == badge("erin") && (len(e.Rights) != 1 || e.Rights[0].To.Sub(e.Rights[0].From) != 2*time.Hour) {
			t.Errorf("the list says %+v, want two hours in one", e.Rights)
		}
	}
}

func TestTheBestOfTheLeasesExplainsARefusal(t *testing.T) {
	answerAll(t, compile(t), []asked{
		{"outside-hours is best", "erin", "metz-hall-door", "2026-10-19 10:00:00", access.OutsideHours, "f-night"},
		{"then suspended", "erin", "metz-office-door", "2026-10-19 10:00:00", access.LeaseSuspended, "f-suspended"},
		{
			"then not started, before its status",
			"erin",
			"metz-studio-door",
			"2026-10-19 10:00:00",
			access.LeaseNotStarted,
			"f-later",
		},
		{"then ended", "erin", "metz-fablab-door", "2026-10-19 10:00:00", access.LeaseEnded, "f-ended"},
		{"its last day is in", "erin", "metz-fablab-door", "2026-08-31 23:59:59.999", access.LeaseSuspended, "f-ended"},
		{"the day after is not", "erin", "metz-fablab-door", "2026-09-01 00:00:00", access.LeaseEnded, "f-ended"},
		{
			"the eve of its first day",
			"erin",
			"metz-studio-door",
			"2026-11-01 23:59:59.999",
			access.LeaseNotStarted,
			"f-later",
		},
		{"its first day", "erin", "metz-studio-door", "2026-11-02 00:00:00", access.LeaseSuspended, "f-later"},
		{"no lease at all", "erin", "nancy-hall-door", "2026-10-19 10:00:00", access.NoRight, ""},
	})
}

func TestAnUnusableCredentialSaysWhy(t *testing.T) {
	answerAll(t, compile(t), []asked{
		{"nobody's", "nobody", "metz-hall-door", "2026-10-19 12:00:00", access.UnknownCredential, ""},
		{"nobody's, at no door", "nobody", "cellar-door", "2026-10-19 12:00:00", access.UnknownCredential, ""},
		{"lost", "lost", "metz-hall-door", "2026-10-19 12:00:00", access.CredentialLost, ""},
		{"revoked", "revoked", "metz-hall-door", "2026-10-19 12:00:00", access.CredentialRevoked, ""},
		{"too early", "dated", "metz-hall-door", "2026-10-19 11:59:59.999", access.CredentialOutOfDate, ""},
		{"from its first instant", "dated", "metz-hall-door", "2026-10-19 12:00:00", access.Lease, "l-office"},
		{"to the one before its end", "dated", "metz-hall-door", "2026-10-19 13:59:59.999", access.Lease, "l-office"},
		{"too late", "dated", "metz-hall-door", "2026-10-19 14:00:00", access.CredentialOutOfDate, ""},
	})
}

func TestAPassOpensItsSpacesInItsTime(t *testing.T) {
	answerAll(t, compile(t), []asked{
		{"its space", "visitor", "metz-coworking-door", "2026-10-19 09:00:00", access.Pass, ""},
		{"the way there", "visitor", "metz-hall-door", "2026-10-19 17:59:59.999", access.Pass, ""},
		{"not beyond", "visitor", "metz-office-door", "2026-10-19 12:00:00", access.NoRight, ""},
		{"before", "visitor", "metz-hall-door", "2026-10-19 08:59:59.999", access.CredentialOutOfDate, ""},
		{"after", "visitor", "metz-hall-door", "2026-10-19 18:00:00", access.CredentialOutOfDate, ""},
		{"deleted", "gone-visitor", "metz-hall-door", "2026-10-19 12:00:00", access.CredentialRevoked, ""},
	})
}

func TestAnEventOpensForWhomItIs(t *testing.T) {
	answerAll(t, compile(t), []asked{
		{"invited", "dan", "metz-studio-door", "2026-10-19 19:00:00", access.Event, ""},
		{"the way there", "dan", "metz-hall-door", "2026-10-19 21:59:59.999", access.Event, ""},
		{"before", "dan", "metz-hall-door", "2026-10-19 18:59:59.999", access.NoRight, ""},
		{"after", "dan", "metz-hall-door", "2026-10-19 22:00:00", access.NoRight, ""},
		{"not invited", "carol", "metz-studio-door", "2026-10-19 20:00:00", access.NoRight, ""},
		{"public: whoever is known", "dan", "nancy-coworking-door", "2026-10-20 10:00:00", access.Event, ""},
		{"public: whose lease had ended", "erin", "nancy-hall-door", "2026-10-20 10:00:00", access.Event, ""},
		{"public: not the unknown", "nobody", "nancy-hall-door", "2026-10-20 10:00:00", access.UnknownCredential, ""},
		{"public: not the lost", "lost", "nancy-hall-door", "2026-10-20 10:00:00", access.CredentialLost, ""},
		{"public: over", "dan", "nancy-coworking-door", "2026-10-20 17:00:00", access.NoRight, ""},
		{"a lease is asked first", "bob", "nancy-coworking-door", "2026-10-20 10:00:00", access.Lease, "l-roaming"},
	})
}

func TestStaffPassAtTheirSiteAlone(t *testing.T) {
	answerAll(t, compile(t), []asked{
		{"everywhere", "stella", "metz-booth-door", "2026-11-11 03:00:00", access.Staff, ""},
		{"not elsewhere", "stella", "nancy-hall-door", "2026-10-19 10:00:00", access.NoRight, ""},
		{"a responder's role alone opens nothing", "remi", "metz-booth-door", "2026-10-19 10:00:00", access.NoRight, ""},
	})
}

func TestTheFirstRuleThatAppliesAnswers(t *testing.T) {
	at := paris(t, "2026-10-19 10:00:00")
	locked := tenancy.Lockdown{Site: "metz", From: at.Add(-time.Hour)}
	cases := []struct {
		name      string
		q         access.Question
		lockdowns []tenancy.Lockdown
		want      access.Reason
	}{
		{"out, whoever", access.Question{Credential: badge("nobody"), Direction: catalogue.Out}, nil, access.Egress},
		{
			"out of a locked site by a disabled, stale reader",
			access.Question{Credential: badge("lost"), Direction: catalogue.Out, Disabled: true, Received: at.Add(time.Hour)},
			[]tenancy.Lockdown{locked},
			access.Egress,
		},
		{
			"disabled before stale",
			access.Question{Credential: badge("alice"), Disabled: true, Received: at.Add(time.Hour)},
			nil,
			access.DeviceDisabled,
		},
		{
			"disabled, offline too",
			access.Question{Credential: badge("alice"), Disabled: true, Offline: true},
			nil,
			access.DeviceDisabled,
		},
		{
			"ten seconds late are not stale",
			access.Question{Credential: badge("alice"), Received: at.Add(10 * time.Second)},
			nil,
			access.Lease,
		},
		{
			"more are",
			access.Question{Credential: badge("alice"), Received: at.Add(10*time.Second + time.Millisecond)},
			nil,
			access.Stale,
		},
		{
			"early is stale too",
			access.Question{Credential: badge("alice"), Received: at.Add(-10*time.Second - time.Millisecond)},
			nil,
			access.Stale,
		},
		{
			"stale before unknown",
			access.Question{Credential: badge("nobody"), Received: at.Add(time.Minute)},
			nil,
			access.Stale,
		},
		{
			"offline is never stale",
			access.Question{Credential: badge("alice"), Received: at.Add(7 * 24 * time.Hour), Offline: true},
			nil,
			access.Lease,
		},
		{
			"unknown before lockdown",
			access.Question{Credential: badge("nobody")},
			[]tenancy.Lockdown{locked},
			access.UnknownCredential,
		},
		{
			"lost before lockdown",
			access.Question{Credential: badge("lost")},
			[]tenancy.Lockdown{locked},
			access.CredentialLost,
		},
		{"lockdown", access.Question{Credential: badge("alice")}, []tenancy.Lockdown{locked}, access.Lockdown},
		{"lockdown for staff", access.Question{Credential: badge("stella")}, []tenancy.Lockdown{locked}, access.Lockdown},
		{"lockdown before no right", access.Question{Credential: badge("dan")}, []tenancy.Lockdown{locked}, access.Lockdown},
		{
			"a responder passes by their own right",
			access.Question{Credential: badge("remi")},
			[]tenancy.Lockdown{locked},
			access.Lease,
		},
		{
			"another site's lockdown",
			access.Question{Credential: badge("alice")},
			[]tenancy.Lockdown{{Site: "nancy", From: at}},
			access.Lease,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.q.Door, c.q.At = "metz-hall-door", at
			if c.q.Direction == "" {
				c.q.Direction = catalogue.In
			}
			if got := compile(t, c.lockdowns...).Decide(c.q, nil); got.Reason != c.want || got.Granted != grants[c.want] {
				t.Errorf("%+v, want %s", got, c.want)
			}
		})
	}
}

// TestALockdownLocksNowAndExplainsThen: what a reader did offline is judged by
// the lockdown of its own instant, everything else by the present.
func TestALockdownLocksNowAndExplainsThen(t *testing.T) {
	began := paris(t, "2026-10-19 10:00:00")
	over := began.Add(time.Hour)
	cases := []struct {
		name    string
		to      *time.Time
		at      time.Time
		offline bool
		locked  bool
	}{
		{"open: now", nil, began.Add(time.Minute), false, true},
		{"open: a read of just before that arrives now", nil, began.Add(-time.Second), false, true},
		{"open: offline, before it", nil, began.Add(-time.Millisecond), true, false},
		{"open: offline, as it began", nil, began, true, true},
		{"over: now", &over, over.Add(time.Minute), false, false},
		{"over: offline, in it", &over, over.Add(-time.Millisecond), true, true},
		{"over: offline, as it ended", &over, over, true, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x := compile(t, tenancy.Lockdown{Site: "metz", From: began, To: c.to})
			q := access.Question{
				Credential: badge("alice"),
				Door:       "metz-hall-door",
				Direction:  catalogue.In,
				At:         c.at,
				Offline:    c.offline,
			}
			if got := x.Decide(q, nil).Reason; (got == access.Lockdown) != c.locked {
				t.Errorf("%s", got)
			}
		})
	}
}

func TestAnAnswerSaysWhoseBadgeItWas(t *testing.T) {
	x := compile(t)
	for holder, want := range map[string]visit.Subject{
		"alice": {Member: "alice"}, "lost": {Member: "lost"}, "visitor": {Pass: "visitor"}, "gone-visitor": {Pass: "gone-visitor"}, "nobody": {},
	} {
		for _, direction := range []catalogue.Direction{catalogue.In, catalogue.Out} {
			q := access.Question{
				Credential: badge(holder),
				Door:       "metz-hall-door",
				Direction:  direction,
				At:         paris(t, "2026-10-19 12:00:00"),
			}
			if got := x.Decide(q, nil).Subject; got != want {
				t.Errorf("%s %s: %+v, want %+v", holder, direction, got, want)
			}
		}
	}
}
