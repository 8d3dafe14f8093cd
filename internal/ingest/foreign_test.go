package ingest_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/broker/mosquittotest"
	"github.com/lorntech/totem/internal/cli"
	"github.com/lorntech/totem/internal/mqttclient"
)

// overBothBrokers gives a client that may publish what a gateway may.
func overBothBrokers(t *testing.T, test func(t *testing.T, a *app.App, c *mqttclient.Client)) {
	t.Run("embedded", func(t *testing.T) {
		a, err := app.Start(t.Context(), apptest.WithRealDevices(t), app.Options{Log: apptest.Discard()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { apptest.Stop(t, a) })
		secret := apptest.ClientOf(t, a).Must("POST", "/v1/devices/metz-gateway/secret", "")["password"].(string)
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
		cfg := apptest.WithRealDevices(t)
		cfg.MQTTURL = "mqtt://" + m.Addr
		a := apptest.Start(t, cfg)
		apptest.WaitReady(t, a)
		c, err := mqttclient.Dial(t.Context(), m.Addr, "bridge", "", "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		test(t, a, c)
	})
}

func TestRealDevicesTellOfTheirSpaces(t *testing.T) {
	overBothBrokers(t, func(t *testing.T, a *app.App, c *mqttclient.Client) {
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
		apptest.Eventually(t, "the hall's count, the room's motion, the low battery", func() bool {
			seen := map[string]string{}
			for _, s := range a.Live.Availability() {
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
		apptest.Eventually(t, "the alarm of the battery", func() bool {
			apptest.Get(t, apptest.ClientOf(t, a), "/v1/alarms", 200, &alarms)
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
		apptest.Eventually(t, "the unknown sensor", func() bool {
			apptest.Get(t, apptest.ClientOf(t, a), "/v1/devices/unknown", 200, &unknown)
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
		list, err := a.Ledger.ObservationsPage(t.Context(), 0, 100)
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
	overBothBrokers(t, func(t *testing.T, a *app.App, c *mqttclient.Client) {
		h := apptest.ClientOf(t, a)
		h.Must("PUT", "/v1/tenants/atelier", `{"name":"Atelier","site":"metz","kind":"company"}`)
		h.Must(
			"PUT",
			"/v1/members/alice",
			`{"tenant":"atelier","name":"Alice","email":"a@example.org","staff_sites":["metz"]}`,
		)
		h.Must("PUT", "/v1/credentials/card", `{"member":"alice","kind":"card","uid":"04A1B2C3","status":"active"}`)
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
	a, err := app.Start(t.Context(), apptest.WithRealDevices(t), app.Options{Log: apptest.Discard(), Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { apptest.Stop(t, a) })
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
