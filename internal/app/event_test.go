package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

func (d *door) commands(t *testing.T) <-chan wire.CommandBody {
	t.Helper()
	commands := make(chan wire.CommandBody, 100)
	err := d.c.Subscribe(t.Context(), "totem/v1/metz/"+string(reader)+"/command", func(_ string, p []byte) {
		c, err := wire.VerifyCommand(d.key, reader, p)
		if err != nil {
			t.Errorf("command: %v", err)
		}
		commands <- c
	})
	if err != nil {
		t.Fatal(err)
	}
	return commands
}

func TestPublicEventHoldsItsDoorsOpenUntilItEnds(t *testing.T) {
	a := startApp(t, testConfig(t))
	settle(t, a)
	d := openDoor(t, a, a.MQTT.String())
	commands := d.commands(t)
	now := time.Now().UTC()
	event := func(starts, ends time.Time) rights.Change {
		return change(
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
	await(t, commands, func(c wire.CommandBody) bool {
		return c.Kind == "unlock" && c.OpenMS > 3_500_000 && c.OpenMS <= 3_600_000
	})
	// Bob's lease is suspended; during a public event his badge passes.
	if got := d.badge(badgeNow(uuid.New(), bobUID)); !got.Granted || got.Reason != "event" {
		t.Errorf("bob: %+v", got)
	}
	for _, on := range []bool{true, false} {
		if err := a.Rights.SetLockdown(t.Context(), "test", "metz", on, "drill"); err != nil {
			t.Fatal(err)
		}
		if on {
			await(t, commands, func(c wire.CommandBody) bool { return c.Kind == "lockdown" })
		} else { // its end restores the unlock of a running event
			await(t, commands, func(c wire.CommandBody) bool { return c.Kind == "release" })
			await(t, commands, func(c wire.CommandBody) bool { return c.Kind == "unlock" })
		}
	}
	if err := a.Rights.Apply(
		t.Context(),
		"test",
		rights.Change{Delete: &rights.Key{Kind: rights.KindEvent, ID: "fete"}},
	); err != nil {
		t.Fatal(err)
	}
	await(t, commands, func(c wire.CommandBody) bool { return c.Kind == "release" })
	if got := d.badge(badgeNow(uuid.New(), bobUID)); got.Granted {
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
	await(t, commands, func(c wire.CommandBody) bool { return c.Kind == "unlock" && c.OpenMS <= 700 })
	await(t, commands, func(c wire.CommandBody) bool { return c.Kind == "release" })
}

func TestCorrectionStandsBesideWhatWasMeasured(t *testing.T) {
	a := startApp(t, testConfig(t))
	settle(t, a)
	d := openDoor(t, a, a.MQTT.String())
	c := clientOf(t, a)
	d.badge(badgeNow(uuid.New(), aliceUID))
	visit := func() map[string]any {
		return c.must("GET", "/v1/visits?member=alice", "")["items"].([]any)[0].(map[string]any)
	}
	v := visit()
	if v["ended"] != nil || v["to"] != nil || v["correction"] != nil || v["tenant"] != "atelier" {
		t.Errorf("a visit that goes on: %v", v)
	}
	path := "/v1/visits/" + v["id"].(string) + "/correction"
	from := time.Now().Add(-3 * time.Hour)
	got := c.must(
		"PUT",
		path,
		fmt.Sprintf(
			`{"from":%q,"to":%q,"reason":"forgot to badge out"}`,
			wire.FormatTime(from),
			wire.FormatTime(from.Add(90*time.Minute)),
		),
	)
	if status, _ := c.ask(
		"PUT",
		path,
		fmt.Sprintf(
			`{"from":%q,"to":%q,"reason":"a slip"}`,
			wire.FormatTime(from.AddDate(-1, 0, 0)),
			wire.FormatTime(from.AddDate(-1, 0, 0)),
		),
	); status != 422 {
		t.Errorf("a visit moved by a year: %d", status)
	}
	if got["from"] != v["from"] {
		t.Errorf("what was measured has changed: %v", got)
	}
	k := visit()["correction"].(map[string]any)
	if k["from"] != wire.FormatTime(from) || k["reason"] != "forgot to badge out" || k["author"] != "admin" {
		t.Errorf("correction: %v", k)
	}
	c.must("DELETE", path, "")
	if visit()["correction"] != nil {
		t.Error("the correction is still there")
	}
	if status, _ := c.ask("DELETE", path, ""); status != 404 {
		t.Errorf("undone twice: %d", status)
	}
	if v := c.must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
}

func TestTooLargeABodyIsRefused(t *testing.T) {
	a := startApp(t, testConfig(t))
	status, _ := clientOf(t, a).ask("PUT", "/v1/tenants/x", `{"name":"`+strings.Repeat("x", 1<<20)+`"}`)
	if status != 413 {
		t.Errorf("got %d", status)
	}
}
