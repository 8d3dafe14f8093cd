package live_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/wire"
)

func TestCounterShowsInTheRetainedLiveTopic(t *testing.T) {
	apptest.OverBrokers(t, func(t *testing.T, a *app.App, d *apptest.Door) {
		d.Send("metz-coworking-count", "count", `"count":17`)
		apptest.Eventually(t, "17 people in coworking", func() bool {
			for _, s := range a.Live.Availability() {
				if s.Space == "metz-coworking" {
					return s.Count != nil && *s.Count == 17
				}
			}
			return false
		})
		seen := make(chan string, 100)
		err := d.C.Subscribe(t.Context(), "totem/v1/metz/live/metz-coworking", func(_ string, p []byte) { seen <- string(p) })
		if err != nil {
			t.Fatal(err)
		}
		apptest.Await(t, seen, func(p string) bool {
			var s struct {
				Count    *int   `json:"count"`
				Source   string `json:"source"`
				Capacity int    `json:"capacity"`
				Free     *int   `json:"free"`
			}
			return json.Unmarshal([]byte(p), &s) == nil && s.Count != nil && *s.Count == 17 && s.Source == "people-counter" &&
				s.Free != nil &&
				*s.Free == s.Capacity-17
		})
	})
}

func TestHoleInTheNumbersIsAnAlarmUntilItCloses(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	boot := uuid.New()
	number := func(n int) string { return fmt.Sprintf(`"count":1,"boot":%q,"seq":%d`, boot, n) }
	gap := func() (open, all int) {
		alarms, err := a.Ledger.Alarms(t.Context(), ledger.AlarmFilter{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, al := range alarms {
			if al.Kind != ingest.AlarmGap || al.Device != "metz-coworking-count" || al.Space != "metz-coworking" ||
				al.Site != "metz" {
				t.Errorf("alarm %+v", al)
			}
			all++
			if al.ClearedAt == nil {
				open++
			}
		}
		return open, all
	}
	d.Send("metz-coworking-count", "count", number(1))
	d.Send("metz-coworking-count", "count", number(3))
	apptest.Eventually(t, "the alarm", func() bool { open, _ := gap(); return open == 1 })
	d.Send("metz-coworking-count", "count", number(2))
	apptest.Eventually(t, "its end", func() bool { open, all := gap(); return open == 0 && all == 1 })
}

func TestForcedDoorIsAnAlarm(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	d.Send(string(apptest.Reader), "door", `"state":"forced"`)
	apptest.Eventually(t, "the alarm", func() bool {
		alarms, err := a.Ledger.Alarms(t.Context(), ledger.AlarmFilter{OpenOnly: true, Limit: 10})
		return err == nil && len(alarms) == 1 && alarms[0].Kind == ingest.AlarmDoorForced && alarms[0].Door == "metz-entrance"
	})
}

func TestReadersAreToldOfUnlocksAndLockdowns(t *testing.T) {
	apptest.OverBrokers(t, func(t *testing.T, a *app.App, d *apptest.Door) {
		commands := make(chan wire.CommandBody, 10)
		err := d.C.Subscribe(t.Context(), "totem/v1/metz/"+string(apptest.Reader)+"/command", func(_ string, p []byte) {
			c, err := wire.VerifyCommand(d.Key, apptest.Reader, p)
			if err != nil {
				t.Errorf("command: %v", err)
			}
			commands <- c
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Readers.Unlock("metz-entrance", 30*time.Second); err != nil {
			t.Fatal(err)
		}
		apptest.Await(t, commands, func(c wire.CommandBody) bool {
			return c.Kind == "unlock" && c.OpenMS == 30000 && c.NotAfter.After(time.Now())
		})
		for _, on := range []bool{true, false} {
			if err := a.Rights.SetLockdown(t.Context(), "test", "metz", on, "drill"); err != nil {
				t.Fatal(err)
			}
			want := map[bool]wire.CommandKind{true: wire.Lockdown, false: wire.Release}[on]
			apptest.Await(t, commands, func(c wire.CommandBody) bool { return c.Kind == want })
			if on { // a reader that comes back is told again
				d.Send(string(apptest.Reader), "status", `"online":false`)
				d.Send(string(apptest.Reader), "status", `"online":true`)
				apptest.Await(t, commands, func(c wire.CommandBody) bool { return c.Kind == "lockdown" })
			}
		}
	})
}

func TestOfficesHaveNoLiveTopic(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	var topics = make(chan string, 1000)
	if err := d.C.Subscribe(
		t.Context(),
		"totem/v1/metz/live/#",
		func(topic string, _ []byte) { topics <- topic },
	); err != nil {
		t.Fatal(err)
	}
	for _, s := range a.Network.Spaces {
		if s.Site == "metz" && s.Kind == catalogue.Common {
			apptest.Await(t, topics, func(topic string) bool { return topic == wire.LiveTopic("metz", s.ID) })
			break
		}
	}
	for len(topics) > 0 {
		topic := <-topics
		id := catalogue.SpaceID(topic[strings.LastIndex(topic, "/")+1:])
		if s := a.Network.Space(id); s == nil || s.Kind.Office() {
			t.Errorf("%s is published", topic)
		}
	}
}
