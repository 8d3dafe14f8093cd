package readers_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// connect returns a reader that connects again and gets its commands.
func connect(t *testing.T, a *app.App) (commands chan wire.CommandBody, c *mqttclient.Client) {
	t.Helper()
	c, err := mqttclient.Dial(t.Context(), a.MQTT.String(), "reader-"+uuid.NewString(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	site, _ := a.Keys.Site("metz")
	commands = make(chan wire.CommandBody, 100)
	err = c.Subscribe(t.Context(), "totem/v1/metz/"+string(apptest.Reader)+"/command", func(_ string, p []byte) {
		body, err := wire.VerifyCommand(site.Public(), apptest.Reader, p)
		if err != nil {
			t.Errorf("command: %v", err)
		}
		commands <- body
	})
	if err != nil {
		t.Fatal(err)
	}
	return commands, c
}

// heard returns what comes up to a kind.
func heard(t *testing.T, commands chan wire.CommandBody, kind wire.CommandKind) (kinds []wire.CommandKind) {
	t.Helper()
	apptest.Await(t, commands, func(c wire.CommandBody) bool {
		kinds = append(kinds, c.Kind)
		return c.Kind == kind
	})
	return kinds
}

func publicEvent(from, to time.Time) tenancy.Event {
	return tenancy.Event{
		ID:       "fete",
		Title:    "Fête",
		Spaces:   []catalogue.SpaceID{"metz-auditorium"},
		StartsAt: from,
		EndsAt:   to,
		Audience: "public",
	}
}

func TestAReaderThatWasAwayHearsTheEndOfWhatItWasTold(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	commands, c := connect(t, a)
	heard(t, commands, "release") // of before this start nobody knows
	now := time.Now().UTC()
	if err := a.Rights.Apply(
		t.Context(),
		"test",
		apptest.Change(publicEvent(now.Add(-time.Minute), now.Add(8*time.Hour))),
	); err != nil {
		t.Fatal(err)
	}
	heard(t, commands, "unlock")
	c.Close()
	deleteEvent(t, a)
	apptest.Eventually(t,
		"the reader that is away is told",
		func() bool { sent, _ := a.Readers.Sent(apptest.Reader); return sent.Kind == "release" },
	)
	commands, c = connect(t, a)
	if got := heard(t, commands, "release"); slices.Contains(got, "unlock") {
		t.Errorf("after the event was cancelled: %v", got)
	}
	c.Close()
	// The reader is told once: it has heard that it is neither.
	commands, c = connect(t, a)
	if err := a.Readers.Unlock("metz-entrance", 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := heard(t, commands, "unlock"); slices.Contains(got, "release") {
		t.Errorf("a reader that had nothing else to hear: %v", got)
	}
	c.Close()
	// A lockdown that ended, and a service that was killed, while it was away.
	setLockdown(t, a, true)
	commands, c = connect(t, a)
	heard(t, commands, "lockdown")
	c.Close()
	setLockdown(t, a, false)
	apptest.Stop(t, a)
	a = apptest.Start(t, cfg)
	commands, _ = connect(t, a)
	heard(t, commands, "release")
}

func deleteEvent(t *testing.T, a *app.App) {
	t.Helper()
	if err := a.Rights.Apply(t.Context(), "test", apptest.Deletion("event", "fete")); err != nil {
		t.Fatal(err)
	}
}

func setLockdown(t *testing.T, a *app.App, on bool) {
	t.Helper()
	if err := a.Rights.SetLockdown(t.Context(), "test", "metz", on, "drill"); err != nil {
		t.Fatal(err)
	}
}

func TestAShortUnlockDoesNotEndAnEventsHold(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	commands, _ := connect(t, a)
	now := time.Now().UTC()
	if err := a.Rights.Apply(
		t.Context(),
		"test",
		apptest.Change(publicEvent(now.Add(-time.Minute), now.Add(time.Hour))),
	); err != nil {
		t.Fatal(err)
	}
	apptest.Await(t, commands, func(c wire.CommandBody) bool { return c.Kind == "unlock" && c.OpenMS > 3_500_000 })
	if err := a.Readers.Unlock("metz-entrance", 5*time.Second); err != nil {
		t.Fatal(err)
	}
	apptest.Await(t, commands, func(c wire.CommandBody) bool {
		if c.Kind == "unlock" && c.OpenMS <= 5000 {
			t.Error("the door would close after 5 s")
		}
		return c.Kind == "unlock"
	})
}

func TestAStatusAloneIsNoGreeting(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	setLockdown(t, a, true)
	commands, _ := connect(t, a)
	heard(t, commands, "lockdown")
	for range 3 {
		apptest.Say(t, a, string(apptest.Reader), "status", apptest.AtNow(0)+`,"online":true`, false)
	}
	setLockdown(t, a, false)
	if got := heard(t, commands, "release"); len(got) > 2 { // the first status may be a return
		t.Errorf("three statuses were answered by %v", got)
	}
}

func TestADoorThatNobodyCanTellIsAConflict(t *testing.T) {
	cfg := apptest.WithRealDevices(t)
	a := apptest.Start(t, cfg)
	if status, _ := apptest.ClientOf(t, a).Ask(
		"POST",
		"/v1/doors/room-door/unlock",
		`{"seconds":5,"reason":"test"}`,
	); status != 409 {
		t.Errorf("a door without a reader answers %d", status)
	}
	if status, body := apptest.ClientOf(t, a).Ask(
		"POST",
		"/v1/doors/street/unlock",
		`{"seconds":5,"reason":"test"}`,
	); status != 204 {
		t.Errorf("a door that is opened by its own message answers %d: %v", status, body)
	}
}

func TestAListThatIsTooLargeIsToldAndSent(t *testing.T) {
	cfg := apptest.Config(t)
	cfg.ListMaxBytes = 100
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	apptest.Eventually(t, "the alarm", func() bool {
		var alarms struct {
			Items []struct{ Kind, Device string }
		}
		apptest.Get(t, c, "/v1/alarms?open=true&limit=1000", 200, &alarms)
		return slices.ContainsFunc(alarms.Items, func(x struct{ Kind, Device string }) bool {
			return x.Kind == "list-too-large" && x.Device == "metz-entrance-in"
		})
	})
}
