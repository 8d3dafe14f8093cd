package mosquitto_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/broker/mosquittotest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/freeport"
	"github.com/lorntech/totem/internal/mosquitto"
	"github.com/lorntech/totem/internal/mqttclient"
)

// TestABridgeSpeaksForNobodyElse has a bridge publish to a real Mosquitto under the
// exported rules, and looks at what reaches Totem.
func TestABridgeSpeaksForNobodyElse(t *testing.T) {
	if !mosquittotest.Wanted() {
		t.Skipf("not run: set %s=1", mosquittotest.Variable)
	}
	n := catalogue.New(catalogue.Network{
		Sites: []catalogue.Site{{ID: "metz"}, {ID: "nancy"}},
		Devices: []catalogue.Device{
			{
				ID:   "metz-bridge",
				Site: "metz",
				Kind: catalogue.Gateway,
				Topics: []string{
					"zigbee2mqtt/#",
					"locks/#",
					"application/7/#",
					"totem/v1/metz/metz-count/#",
					"totem/v1/metz/metz-in/command",
				},
			},
			{ID: "metz-in", Site: "metz", Kind: catalogue.Reader, Direction: catalogue.In},
			{ID: "metz-count", Site: "metz", Kind: catalogue.PeopleCounter},
			{ID: "metz-desk", Site: "metz", Kind: catalogue.Desk, Adapter: "zigbee2mqtt", Address: "zigbee2mqtt/desk"},
			{ID: "metz-lock", Site: "metz", Kind: catalogue.Reader, Direction: catalogue.In, Adapter: "esp-rfid",
				Address: "locks/metz", Settings: map[string]string{"doorip": "10.0.0.5"}},
			{ID: "nancy-lock", Site: "nancy", Kind: catalogue.Reader, Direction: catalogue.In, Adapter: "esp-rfid",
				Address: "locks/nancy", Settings: map[string]string{"doorip": "10.0.0.5"}},
			{ID: "nancy-lora", Site: "nancy", Kind: catalogue.Desk, Adapter: "chirpstack-v4", Address: "24e124148b001122"},
			{ID: "nancy-desk", Site: "nancy", Kind: catalogue.Desk, Adapter: "zigbee2mqtt", Address: "zigbee2mqtt/nancy"},
		},
	})
	f, err := foreign.New(n)
	if err != nil {
		t.Fatal(err)
	}
	dir, addr := t.TempDir(), freeport.Addr(t)
	secret := mosquitto.Hash("secret")
	for name, data := range map[string][]byte{
		"acl":    mosquitto.ACL(n, f),
		"passwd": mosquitto.Passwords(map[string]string{mosquitto.User: secret, "metz-bridge": secret}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mosquittotest.StartConfig(t, addr, mosquittotest.Listener(t, addr)+"use_username_as_clientid true\n"+
		"password_file "+filepath.Join(dir, "passwd")+"\nacl_file "+filepath.Join(dir, "acl")+"\n")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	dial := func(user string) *mqttclient.Client {
		c, err := mqttclient.Dial(ctx, addr, user, user, "secret")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Cut)
		return c
	}
	came := make(chan string, 100)
	totem := dial(mosquitto.User)
	for _, filter := range append(f.Filters(), "totem/v1/#") {
		if err := totem.Subscribe(ctx, filter, func(topic string, _ []byte) { came <- topic }); err != nil {
			t.Fatal(err)
		}
	}
	commands := make(chan string, 1)
	bridge := dial("metz-bridge")
	if err := bridge.Subscribe(
		ctx,
		"totem/v1/metz/metz-in/command",
		func(topic string, _ []byte) { commands <- topic },
	); err != nil {
		t.Error("commands down:", err)
	}
	heard := make(chan string, 100) // a command that it had published would come back to it
	if err := bridge.Subscribe(ctx, "locks/#", func(topic string, _ []byte) { heard <- topic }); err != nil {
		t.Fatal(err)
	}
	const last = "totem/v1/metz/metz-bridge/status"
	for _, topic := range []string{
		"totem/v1/metz/metz-in/badge", "totem/v1/metz/metz-bridge/badge", "totem/v1/metz/metz-in/command",
		"totem/v1/metz/metz-in/decision", "zigbee2mqtt/nancy", "locks/nancy/send", "locks/metz/cmd", "locks/nancy/cmd",
		"application/7/device/24e124148b001122/event/up", "totem/v1/nancy/metz-bridge/badge", "locks/metz/send", "totem/v1/nancy/metz-count/count",
		"zigbee2mqtt/desk", "totem/v1/metz/metz-count/count", last,
	} {
		if err := bridge.Publish(topic, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for len(got) == 0 || got[len(got)-1] != last {
		select {
		case topic := <-came:
			got = append(got, topic)
		case <-ctx.Done():
			t.Fatalf("only %q came", got)
		}
	}
	got = slices.Compact(got) // one message for each filter that covers it
	if len(got) != 4 || got[0] != "locks/metz/send" || got[1] != "zigbee2mqtt/desk" ||
		got[2] != "totem/v1/metz/metz-count/count" {
		t.Errorf("Totem got %q", got)
	}
	select {
	case topic := <-heard:
		if topic != "locks/metz/send" {
			t.Errorf("it published %s", topic)
		}
	case <-ctx.Done():
		t.Error("it does not hear its own lock")
	}
	if err := totem.Publish("totem/v1/metz/metz-in/command", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-commands:
	case <-ctx.Done():
		t.Error("the bridge was not sent a command that is its own")
	}
}
