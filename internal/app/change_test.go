package app

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/broker/mqttload"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/wire"
)

// proposalOf is a catalogue file as it is sent.
func proposalOf(t *testing.T, file, since string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{"name": "new.yaml", "text": string(text), "since": since})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// While the catalogue is changed again and again, connections stay, every
// badge is answered, and no message is lost or counted twice.
func TestTheCatalogueChangesWithoutARestart(t *testing.T) {
	cfg := testConfig(t)
	a := startApp(t, cfg)
	settle(t, a)
	door := openDoor(t, a, a.MQTT.String())
	c := clientOf(t, a)
	file := changedCatalogue(t, "name: Accueil", "name: Réception")
	sensors, err := mqttload.DialOptions(t.Context(), a.MQTT.String(), mqttload.Options{ClientID: "sensors", Window: 200})
	if err != nil {
		t.Fatal(err)
	}
	defer sensors.Close()
	stop, sent := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				sent <- n
				return
			default:
			}
			payload := fmt.Appendf(nil, `{"id":%q,"at":%q,"count":%d}`, uuid.New(), wire.FormatTime(time.Now()), n%30)
			if err := sensors.Publish("totem/v1/metz/metz-coworking-count/count", payload); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Millisecond)
		}
	}()
	for i, name := range []string{"name: Réception", "name: Accueil A", "name: Accueil B", "name: Accueil"} {
		edit(t, file, []string{"name: Réception", "name: Réception", "name: Accueil A", "name: Accueil B"}[i], name)
		out := c.must("PUT", "/v1/catalogue", proposalOf(t, file, ""))
		if out["n"] != float64(i+2) || i > 0 && len(out["differences"].([]any)) != 1 {
			t.Errorf("%d: %v", i, out)
		}
		id := uuid.New()
		if got := door.badge(badgeNow(id, aliceUID)); got.Request != id || !got.Granted {
			t.Errorf("after change %d: %+v", i, got)
		}
	}
	close(stop)
	n := <-sent
	if err := sensors.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept := 0
	if err := a.ledger.ObservationsAfter(t.Context(), 0, func(o *ingest.Observation) error {
		if o.Device == "metz-coworking-count" {
			kept++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if kept != n {
		t.Errorf("%d messages were acknowledged, %d are kept", n, kept)
	}
	list := c.must("GET", "/v1/catalogue/versions", "")["items"].([]any)
	if last := list[len(list)-1].(map[string]any); len(list) != 5 || last["by"] != "admin" || list[0].(map[string]any)["since"] != nil {
		t.Errorf("%v", list)
	}
	if status, text := c.raw("GET", "/v1/catalogue/versions/3", ""); status != 200 || !strings.Contains(string(text), "name: Accueil A") {
		t.Errorf("%d %.200s", status, text)
	}
	if v := c.must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
	// The file of the settings, which was not changed, undoes nothing.
	stopApp(t, a)
	a = startApp(t, cfg)
	if got := a.Network.Space("metz-accueil").Name; got != "Accueil" || len(a.catalogues.Changes()) != 5 {
		t.Errorf("after a restart: %s, %d catalogues", got, len(a.catalogues.Changes()))
	}
}

func TestACatalogueThatCannotBeChangesNothing(t *testing.T) {
	a := startApp(t, testConfig(t))
	c := clientOf(t, a)
	file := changedCatalogue(t, "name: Accueil", "name: Réception")
	good := proposalOf(t, file, "")
	for name, body := range map[string]string{
		"a day ahead": proposalOf(t, file, "2099-01-01"), "no day": proposalOf(t, file, "soon"),
		"a space without its building": strings.Replace(good, "{id: metz-blida, site", "{id: metz-blidb, site", 1),
		"no YAML":                      `{"name":"x.yaml","text":"sites: ["}`,
		"a field nobody knows":         strings.Replace(good, `{"name"`, `{"dry":true,"name"`, 1),
		"a setting of an adapter": `{"name":"x.yaml","text":` + string(must(json.Marshal(strings.Replace(string(must(os.ReadFile(file))), "devices:",
			"devices:\n  - {id: metz-x, site: metz, kind: desk, space: metz-coworking, adapter: zigbee2mqtt, address: \"zigbee2mqtt/x\", settings: {nonsense: 1}}", 1)))) + `}`,
	} {
		status, answer := c.ask("PUT", "/v1/catalogue", body)
		if status != 422 {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
	dry := c.must("PUT", "/v1/catalogue?dry_run=true", good)
	if len(dry["differences"].([]any)) != 1 || len(a.catalogues.Changes()) != 1 || a.Network.Space("metz-accueil").Name != "Accueil" {
		t.Errorf("a dry run: %v, %d", dry, len(a.catalogues.Changes()))
	}
	if status, _ := c.as("billing", "").ask("PUT", "/v1/catalogue", good); status != 403 {
		t.Errorf("billing changes the catalogue: %d", status)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// What is no longer there leaves connections, lists, alarms and the broker's rules at once.
func TestWhatIsNoLongerThereLeaves(t *testing.T) {
	a := startApp(t, testConfig(t))
	c := clientOf(t, a)
	secret := c.must("POST", "/v1/devices/metz-coworking-count/secret", "")
	dial := func() (*mqttload.Client, error) {
		return mqttload.Dial(t.Context(), a.MQTT.String(), "metz-coworking-count", secret["username"].(string), secret["password"].(string))
	}
	sensor, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer sensor.Close()
	said := fmt.Appendf(nil, `{"id":%q,"at":%q,"online":true,"battery_pct":3}`, uuid.New(), wire.FormatTime(time.Now()))
	if err := sensor.Publish("totem/v1/metz/metz-coworking-count/status", said); err != nil {
		t.Fatal(err)
	}
	alarms := func() (n int) {
		for _, x := range c.must("GET", "/v1/alarms?open=true", "")["items"].([]any) {
			if x.(map[string]any)["device"] == "metz-coworking-count" {
				n++
			}
		}
		return n
	}
	for end := time.Now().Add(20 * time.Second); alarms() == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no alarm of an empty battery")
		}
	}
	text := string(must(os.ReadFile(changedCatalogue(t, "name: Accueil", "name: Accueil"))))
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "id: metz-coworking-count,") {
			lines = append(lines, line)
		}
	}
	body, _ := json.Marshal(map[string]string{"name": "less.yaml", "text": strings.Join(lines, "")})
	out := c.must("PUT", "/v1/catalogue", string(body))
	if got := fmt.Sprint(out["differences"], out["touches"]); !strings.Contains(got, "device metz-coworking-count: removed") || !strings.Contains(got, "minutes of metz-coworking") {
		t.Errorf("said: %s", got)
	}
	for end := time.Now().Add(20 * time.Second); alarms() != 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the alarm of what is gone stands")
		}
	}
	for _, d := range c.must("GET", "/v1/devices?limit=1000", "")["items"].([]any) {
		if d.(map[string]any)["id"] == "metz-coworking-count" {
			t.Error("the device is listed")
		}
	}
	if again, err := dial(); err == nil {
		again.Close()
		t.Error("a device that is gone is let in")
	}
}
