package readers_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

func TestPublicEventHoldsItsDoorsOpenUntilItEnds(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	commands := d.Commands(t)
	now := time.Now().UTC()
	event := func(starts, ends time.Time) rights.Change {
		return apptest.Change(
			tenancy.Event{
				ID:       "fete",
				Title:    "Fête",
				Spaces:   []catalogue.SpaceID{"metz-auditorium"},
				StartsAt: starts,
				EndsAt:   ends,
				Audience: "public",
			},
		)
	}
	if err := a.Rights.Apply(t.Context(), "test", event(now.Add(300*time.Millisecond), now.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	apptest.Await(t, commands, func(c wire.CommandBody) bool {
		return c.Kind == "unlock" && c.OpenMS > 3_500_000 && c.OpenMS <= 3_600_000
	})
	// Bob's lease is suspended; during a public event his badge passes.
	if got := d.Badge(apptest.BadgeNow(uuid.New(), apptest.BobUID)); !got.Granted || got.Reason != "event" {
		t.Errorf("bob: %+v", got)
	}
	for _, on := range []bool{true, false} {
		if err := a.Rights.SetLockdown(t.Context(), "test", "metz", on, "drill"); err != nil {
			t.Fatal(err)
		}
		if on {
			apptest.Await(t, commands, func(c wire.CommandBody) bool { return c.Kind == "lockdown" })
		} else { // its end restores the unlock of a running event
			apptest.Await(t, commands, func(c wire.CommandBody) bool { return c.Kind == "release" })
			apptest.Await(t, commands, func(c wire.CommandBody) bool { return c.Kind == "unlock" })
		}
	}
	if err := a.Rights.Apply(
		t.Context(),
		"test",
		rights.Change{Delete: &rights.Key{Kind: rights.KindEvent, ID: "fete"}},
	); err != nil {
		t.Fatal(err)
	}
	apptest.Await(t, commands, func(c wire.CommandBody) bool { return c.Kind == "release" })
	if got := d.Badge(apptest.BadgeNow(uuid.New(), apptest.BobUID)); got.Granted {
		t.Errorf("after it: %+v", got)
	}
	now = time.Now().UTC()
	if err := a.Rights.Apply(
		t.Context(),
		"test",
		event(now.Add(-time.Minute), now.Add(700*time.Millisecond)),
	); err != nil {
		t.Fatal(err)
	}
	apptest.Await(t, commands, func(c wire.CommandBody) bool { return c.Kind == "unlock" && c.OpenMS <= 700 })
	apptest.Await(t, commands, func(c wire.CommandBody) bool { return c.Kind == "release" })
}
