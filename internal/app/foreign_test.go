package app

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/broker/mosquittotest"
	"github.com/lorntech/totem/internal/cli"
	"github.com/lorntech/totem/internal/mqttclient"
)

// realDevices is a catalogue whose devices speak their own payloads.
const realDevices = `
network: LORnTECH
timezone: Europe/Paris
sites:
  - {id: metz, name: TCRM-Blida, city: Metz, holidays: fr-moselle, opening: [{days: [mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "24:00"}]}
buildings:
  - {id: blida, site: metz, name: TCRM-Blida}
spaces:
  - {id: hall, building: blida, floor: 0, name: Hall, kind: common, capacity: 60, area_m2: 180}
  - {id: room, building: blida, floor: 0, name: Room, kind: meeting-room, parent: hall, capacity: 8, area_m2: 20}
doors:
  - {id: street, from: outside, to: hall}
  - {id: room-door, from: hall, to: room}
devices:
  - {id: street-in, site: metz, kind: reader, door: street, direction: in, adapter: esp-rfid, address: lock, settings: {doorip: 192.0.2.7}}
  - {id: room-pir, site: metz, kind: occupancy, space: room, adapter: zigbee2mqtt, address: "zigbee2mqtt/ room pir"}
  - {id: hall-count, site: metz, kind: people-counter, space: hall, adapter: chirpstack-v4, address: 24e124148b001122}
  - {id: hall-air, site: metz, kind: air, space: hall, adapter: chirpstack-v4, address: 24e124148b001122}
  - {id: metz-gateway, site: metz, kind: gateway}
`

func withRealDevices(t *testing.T) Config {
	t.Helper()
	cfg := testConfig(t)
	cfg.Catalogue = filepath.Join(t.TempDir(), "catalogue.yaml")
	if err := os.WriteFile(cfg.Catalogue, []byte(realDevices), 0o600); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// overBothBrokers gives a client that may publish what a gateway may.
func overBothBrokers(t *testing.T, test func(t *testing.T, a *App, c *mqttclient.Client)) {
	t.Run("embedded", func(t *testing.T) {
		a, err := Start(t.Context(), withRealDevices(t), Options{Log: discard()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stopApp(t, a) })
		secret := clientOf(t, a).must("POST", "/v1/devices/metz-gateway/secret", "")["password"].(string)
		c, err := mqttclient.Dial(t.Context(), a.MQTT.String(), "metz-gateway:z2m", "metz-gateway", secret)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		test(t, a, c)
	})
	t.Run("mosquitto", func(t *testing.T) {
		if !mosquittotest.Wanted() {
			t.Skip("not run: needs Mosquitto; set " + mosquittotest.Variable + "=1 (.ci/run and make integration do)")
		}
		m := mosquittotest.Start(t)
		cfg := withRealDevices(t)
		cfg.MQTTURL = "mqtt://" + m.Addr
		a := startApp(t, cfg)
		waitReady(t, a)
		c, err := mqttclient.Dial(t.Context(), m.Addr, "bridge", "", "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		test(t, a, c)
	})
}

func TestRealDevicesTellOfTheirSpaces(t *testing.T) {
	overBothBrokers(t, func(t *testing.T, a *App, c *mqttclient.Client) {
		now := time.Now().UTC()
		up := fmt.Sprintf(
			`{"deduplicationId":"3ac7e3c4-4401-4b8d-9386-a5c902f9202d","time":%q,"object":{"people_count_all":7.0,"co2":640.0}}`,
			now.Format(time.RFC3339Nano),
		)
		for topic, payload := range map[string]string{
			"zigbee2mqtt/ room pir":    `{"occupancy":true,"battery":12}`,
			"zigbee2mqtt/bridge/state": `{"state":"online"}`,
			"zigbee2mqtt/new sensor":   `{"occupancy":false}`,
			"application/7f9a7a1e-0f7e-4a51-8a57-1c2d3e4f5a6b/device/24e124148b001122/event/up": up,
		} {
			for range 2 { // the uplink has an id and counts once
				if err := c.Publish(topic, []byte(payload)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := c.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the hall's count, the room's motion, the low battery", func() bool {
			seen := map[string]string{}
			for _, s := range a.live.Availability() {
				if s.Count != nil {
					seen[string(s.Space)] = fmt.Sprint(*s.Count)
				} else if s.Occupied != nil {
					seen[string(s.Space)] = fmt.Sprint(*s.Occupied)
				}
			}
			return seen["hall"] == "7" && seen["room"] == "true"
		})
		var alarms struct {
			Items []struct{ Kind, Device string }
		}
		eventually(t, "the alarm of the battery", func() bool {
			get(t, clientOf(t, a), "/v1/alarms", 200, &alarms)
			return len(alarms.Items) == 1 && alarms.Items[0].Kind == "battery-low" && alarms.Items[0].Device == "room-pir"
		})
		var unknown struct {
			Items []struct {
				Topic, Adapter, Address string
				Count                   int
				LastPayload             string `json:"last_payload"`
				Catalogue               []string
			}
		}
		eventually(t, "the unknown sensor", func() bool {
			get(t, clientOf(t, a), "/v1/devices/unknown", 200, &unknown)
			return len(unknown.Items) == 1 && unknown.Items[0].Count == 2
		})
		u := unknown.Items[0]
		if u.Topic != "zigbee2mqtt/new sensor" || u.Adapter != "zigbee2mqtt" || u.LastPayload != `{"occupancy":false}` ||
			len(u.Catalogue) != 2 ||
			!strings.Contains(
				u.Catalogue[0],
				`kind: occupancy, space: SPACE, adapter: zigbee2mqtt, address: "zigbee2mqtt/new sensor"`,
			) {
			t.Errorf("%+v", u)
		}
		list, err := a.ledger.ObservationsPage(t.Context(), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		counts := 0
		for _, o := range list {
			if o.What == "count" {
				counts++
			}
		}
		if counts != 1 {
			t.Errorf("the uplink that came twice is there %d times", counts)
		}
	})
}

func TestReaderThatAsksIsOpenedByItsOwnMessage(t *testing.T) {
	overBothBrokers(t, func(t *testing.T, a *App, c *mqttclient.Client) {
		h := clientOf(t, a)
		h.must("PUT", "/v1/tenants/atelier", `{"name":"Atelier","site":"metz","kind":"company"}`)
		h.must(
			"PUT",
			"/v1/members/alice",
			`{"tenant":"atelier","name":"Alice","email":"a@example.org","staff_sites":["metz"]}`,
		)
		h.must("PUT", "/v1/credentials/card", `{"member":"alice","kind":"card","uid":"04A1B2C3","status":"active"}`)
		opened := make(chan string, 4)
		if err := c.Subscribe(t.Context(), "lock/cmd", func(_ string, p []byte) { opened <- string(p) }); err != nil {
			t.Fatal(err)
		}
		ask := func(uid string) {
			payload := fmt.Sprintf(
				`{"type":"access","time":%d,"isKnown":"false","access":"Denied","username":"Unknown","uid":%q,"hostname":"lock"}`,
				time.Now().Unix(),
				uid,
			)
			if err := c.Publish("lock/send", []byte(payload)); err != nil {
				t.Fatal(err)
			}
		}
		ask("04ffffff") // nobody's
		ask("04a1b2c3")
		select {
		case p := <-opened:
			if p != `{"cmd":"opendoor","doorip":"192.0.2.7"}` {
				t.Errorf("opened by %s", p)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the door was not opened within 10 s")
		}
		if len(opened) > 0 {
			t.Error("it was opened for nobody's card too")
		}
	})
}

func TestWatchShowsWhatArrivesAndWhyItIsRejected(t *testing.T) {
	a, err := Start(t.Context(), withRealDevices(t), Options{Log: discard(), Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopApp(t, a) })
	c, err := mqttclient.Dial(t.Context(), a.MQTT.String(), "watched", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := make(chan string, 100)
	done := make(chan error, 1)
	go func() {
		done <- cli.Watch(ctx, cli.Client{URL: "http://" + a.HTTP.String(), Token: a.Admin}, lineWriter(lines), cli.WatchQuery{})
	}()
	want := []string{"committed  room-pir", "rejected   zigbee2mqtt/new", "rejected   hall-count"}
	got := ""
	for end := time.Now().Add(10 * time.Second); len(want) > 0; {
		if time.Now().After(end) {
			t.Fatalf("never shown: %q in\n%s", want, got)
		}
		for topic, payload := range map[string]string{
			"zigbee2mqtt/ room pir": `{"occupancy":true}`, "zigbee2mqtt/new": `{"contact":true}`,
			"application/a/device/24e124148b001122/event/up": `{"object":{"people_count_all":-1}}`,
		} {
			if err := c.Publish(topic, []byte(payload)); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case l := <-lines:
			got += l
			if i := len(want) - 1; i >= 0 {
				for k, w := range want {
					if strings.Contains(l, w) {
						want = append(want[:k], want[k+1:]...)
						break
					}
				}
			}
		case <-time.After(50 * time.Millisecond):
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type lineWriter chan<- string

func (w lineWriter) Write(p []byte) (int, error) {
	for _, l := range bytes.SplitAfter(p, []byte("\n")) {
		select {
		case w <- string(l):
		default:
		}
	}
	return len(p), nil
}
