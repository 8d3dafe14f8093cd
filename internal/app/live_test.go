package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/wire"
)

// send publishes a message of a device in Metz and waits until it is committed.
func (d *door) send(device, what, body string) {
	d.t.Helper()
	payload := fmt.Sprintf(`{"id":%q,"at":%q,%s}`, uuid.New(), wire.FormatTime(time.Now()), body)
	d.raw("totem/v1/metz/"+device+"/"+what, payload)
}

func (d *door) raw(topic, payload string) {
	d.t.Helper()
	if err := d.c.Publish(topic, []byte(payload)); err != nil {
		d.t.Fatal(err)
	}
	if err := d.c.Drain(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// eventually waits for what follows a commit a moment later.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within half a minute: %s", what)
		}
	}
}

func TestCounterShowsInTheRetainedLiveTopic(t *testing.T) {
	overBrokers(t, func(t *testing.T, a *App, d *door) {
		d.send("metz-coworking-count", "count", `"count":17`)
		eventually(t, "17 people in coworking", func() bool {
			for _, s := range a.live.Availability() {
				if s.Space == "metz-coworking" {
					return s.Count != nil && *s.Count == 17
				}
			}
			return false
		})
		seen := make(chan string, 100)
		err := d.c.Subscribe(t.Context(), "totem/v1/metz/live/metz-coworking", func(_ string, p []byte) { seen <- string(p) })
		if err != nil {
			t.Fatal(err)
		}
		await(t, seen, func(p string) bool {
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
	a := startApp(t, testConfig(t))
	d := openDoor(t, a, a.MQTT.String())
	boot := uuid.New()
	number := func(n int) string { return fmt.Sprintf(`"count":1,"boot":%q,"seq":%d`, boot, n) }
	gap := func() (open, all int) {
		alarms, err := a.ledger.Alarms(t.Context(), ledger.AlarmFilter{Limit: 10})
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
	d.send("metz-coworking-count", "count", number(1))
	d.send("metz-coworking-count", "count", number(3))
	eventually(t, "the alarm", func() bool { open, _ := gap(); return open == 1 })
	d.send("metz-coworking-count", "count", number(2))
	eventually(t, "its end", func() bool { open, all := gap(); return open == 0 && all == 1 })
}

func TestForcedDoorIsAnAlarm(t *testing.T) {
	a := startApp(t, testConfig(t))
	d := openDoor(t, a, a.MQTT.String())
	d.send(string(reader), "door", `"state":"forced"`)
	eventually(t, "the alarm", func() bool {
		alarms, err := a.ledger.Alarms(t.Context(), ledger.AlarmFilter{OpenOnly: true, Limit: 10})
		return err == nil && len(alarms) == 1 && alarms[0].Kind == ingest.AlarmDoorForced && alarms[0].Door == "metz-entrance"
	})
}

type refusedCase struct{ topic, payload, reason string }

// device returns whose message is kept as that of one who sends no cards.
func (c refusedCase) device() string {
	if c.reason == "too-large" { // nobody looks at who sent it
		return ""
	}
	return strings.Split(c.topic, "/")[3]
}

func TestWhatIsRefusedIsKeptWithItsReason(t *testing.T) {
	overBrokers(t, func(t *testing.T, a *App, d *door) {
		id, now := uuid.NewString(), wire.FormatTime(time.Now())
		future := wire.FormatTime(time.Now().Add(10 * time.Minute))
		for _, c := range []refusedCase{
			{"totem/v1/metz/metz-entrance-in/badge", `{"id":"` + id + `","at":"` + now + `"}`, "malformed: credential"},
			{"totem/v1/metz/metz-entrance-in/badge", `nonsense`, "malformed: is not a JSON object"},
			{"totem/v1/metz/metz-entrance-in/badge", `{"id":"1","at":"` + now + `","credential":"04"}`, "malformed: id"},
			{"totem/v1/metz/metz-entrance-in/count", `{"id":"` + id + `","at":"` + now + `","count":1}`, "wrong-kind"},
			{"totem/v1/metz/nobody/count", `{"id":"` + id + `","at":"` + now + `","count":1}`, "unknown-device"},
			{"totem/v1/metz/metz-coworking-count/count", `{"id":"` + id + `","at":"` + future + `","count":1}`, "future"},
			{"totem/v1/metz/metz-coworking-count/count", `{"id":"` + id + `","at":"` + now + `","count":-1}`, "malformed: count"},
			{"totem/v1/metz/metz-coworking-count/count", `{"x":"` + strings.Repeat("a", wire.MaxPayload) + `"}`, "too-large"},
		} {
			d.raw(c.topic, c.payload)
			var rejects []ingest.Reject
			eventually(t, c.reason, func() bool {
				var err error
				rejects, err = a.ledger.Rejects(t.Context(), nil, 0, 1)
				return err == nil && len(rejects) == 1 && strings.HasPrefix(rejects[0].Reason, c.reason)
			})
			if r := rejects[0]; r.Topic != c.topic ||
				!bytes.Equal(r.Payload,
					wire.Conceal(
						[]byte(c.payload[:min(len(c.payload), wire.MaxPayload)]),
						a.Network.Device(catalogue.DeviceID(c.device())),
					),
				) {
				t.Errorf("%s: kept as %s %.40s", c.reason, r.Topic, r.Payload)
			}
		}
	})
}

func TestReadersAreToldOfUnlocksAndLockdowns(t *testing.T) {
	overBrokers(t, func(t *testing.T, a *App, d *door) {
		commands := make(chan wire.CommandBody, 10)
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
		if err := a.down.Unlock("metz-entrance", 30*time.Second); err != nil {
			t.Fatal(err)
		}
		await(t, commands, func(c wire.CommandBody) bool {
			return c.Kind == "unlock" && c.OpenMS == 30000 && c.NotAfter.After(time.Now())
		})
		for _, on := range []bool{true, false} {
			if err := a.Rights.SetLockdown(t.Context(), "test", "metz", on, "drill"); err != nil {
				t.Fatal(err)
			}
			want := map[bool]wire.CommandKind{true: wire.Lockdown, false: wire.Release}[on]
			await(t, commands, func(c wire.CommandBody) bool { return c.Kind == want })
			if on { // a reader that comes back is told again
				d.send(string(reader), "status", `"online":false`)
				d.send(string(reader), "status", `"online":true`)
				await(t, commands, func(c wire.CommandBody) bool { return c.Kind == "lockdown" })
			}
		}
	})
}

func TestOfficesHaveNoLiveTopic(t *testing.T) {
	a := startApp(t, testConfig(t))
	d := openDoor(t, a, a.MQTT.String())
	var topics = make(chan string, 1000)
	if err := d.c.Subscribe(
		t.Context(),
		"totem/v1/metz/live/#",
		func(topic string, _ []byte) { topics <- topic },
	); err != nil {
		t.Fatal(err)
	}
	for _, s := range a.Network.Spaces {
		if s.Site == "metz" && s.Kind == catalogue.Common {
			await(t, topics, func(topic string) bool { return topic == wire.LiveTopic("metz", s.ID) })
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
