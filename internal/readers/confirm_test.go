package readers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/wire"
)

func TestAReaderConfirmsTheCommandItObeyed(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	c := apptest.ClientOf(t, a)
	commands, line := connect(t, a)
	heard(t, commands, "release")
	status := func(obeyed uuid.UUID) {
		payload := fmt.Sprintf(`{"id":%q,"at":%q,"online":true,"obeyed":%q}`, uuid.New(), wire.FormatTime(time.Now()), obeyed)
		if err := line.Publish("totem/v1/metz/"+string(apptest.Reader)+"/status", []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	command := func() map[string]any {
		for _, d := range c.Must("GET", "/v1/devices?site=metz&limit=1000", "")["items"].([]any) {
			if d := d.(map[string]any); d["id"] == string(apptest.Reader) {
				said, _ := d["command"].(map[string]any)
				return said
			}
		}
		t.Fatal("the reader is not in the list of devices")
		return nil
	}
	status(uuid.New())
	apptest.Eventually(t, "its first status", func() bool { return a.Live.Devices()[apptest.Reader].Online != nil })
	c.Must("POST", "/v1/doors/metz-entrance/unlock", `{"seconds":7,"reason":"delivery"}`)
	var told wire.CommandBody
	apptest.Await(t, commands, func(b wire.CommandBody) bool { told = b; return b.Kind == "unlock" })
	if told.OpenMS > 7000 || told.OpenMS <= 6000 {
		t.Errorf("the unlock lasts %d ms", told.OpenMS)
	}
	k := command() // 6: what was left of it when the reader's state was sent again, as below
	if k["open_seconds"] != 7.0 && k["open_seconds"] != 6.0 {
		t.Errorf("before the reader has said anything: %v", k)
	}
	if k["kind"] != "unlock" || k["confirmed_at"] != nil || k["confirms"] != true {
		t.Errorf("before the reader has said anything: %v", k)
	}
	status(uuid.New()) // of another command: it confirms nothing
	if k := command(); k["confirmed_at"] != nil {
		t.Errorf("another command's confirmation counts: %v", k)
	}
	// A first status is answered with the reader's state: the unlock may come a
	// second time, as a command of its own, and the last one is to be confirmed.
	apptest.Eventually(t, "the reader's confirmation", func() bool {
		for len(commands) > 0 {
			told = <-commands
		}
		status(told.ID)
		return command()["confirmed_at"] != nil
	})
	c.Must("PUT", "/v1/sites/metz/lockdown", `{"active":true,"reason":"drill"}`)
	apptest.Await(t, commands, func(b wire.CommandBody) bool { return b.Kind == "lockdown" })
	if k := command(); k["kind"] != "lockdown" || k["confirmed_at"] != nil {
		t.Errorf("the former confirmation stands for a new command: %v", k)
	}
}
