package catalogues_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

// While the catalogue is changed again and again, connections stay, every
// badge is answered, and no message is lost or counted twice.
func TestTheCatalogueChangesWithoutARestart(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	door := apptest.OpenDoor(t, a, a.MQTT.String())
	c := apptest.ClientOf(t, a)
	file := apptest.ChangedCatalogue(t, "name: Accueil", "name: Réception")
	sensors, err := mqttclient.DialOptions(
		t.Context(),
		a.MQTT.String(),
		mqttclient.Options{ClientID: "sensors", Window: 200},
	)
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
		apptest.Edit(t, file, []string{"name: Réception", "name: Réception", "name: Accueil A", "name: Accueil B"}[i], name)
		out := c.Must("PUT", "/v1/catalogue", apptest.ProposalOf(t, file, ""))
		if out["n"] != float64(i+2) || i > 0 && len(out["differences"].([]any)) != 1 {
			t.Errorf("%d: %v", i, out)
		}
		id := uuid.New()
		if got := door.Badge(apptest.BadgeNow(id, apptest.AliceUID)); got.Request != id || !got.Granted {
			t.Errorf("after change %d: %+v", i, got)
		}
	}
	close(stop)
	n := <-sent
	if err := sensors.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept := 0
	if err := a.Ledger.ObservationsAfter(t.Context(), 0, func(o *ingest.Observation) error {
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
	list := c.Must("GET", "/v1/catalogue/versions", "")["items"].([]any)
	if last := list[len(list)-1].(map[string]any); len(list) != 5 || last["by"] != "admin" ||
		list[0].(map[string]any)["since"] != nil {
		t.Errorf("%v", list)
	}
	if status, text := c.Raw("GET", "/v1/catalogue/versions/3", ""); status != 200 ||
		!strings.Contains(string(text), "name: Accueil A") {
		t.Errorf("%d %.200s", status, text)
	}
	if v := c.Must("GET", "/v1/audit/verify", ""); v["ok"] != true {
		t.Errorf("verify: %v", v)
	}
	// The file of the settings, which was not changed, undoes nothing.
	apptest.Stop(t, a)
	a = apptest.Start(t, cfg)
	if got := a.Network.Space("metz-accueil").Name; got != "Accueil" || len(a.Catalogues.Changes()) != 5 {
		t.Errorf("after a restart: %s, %d catalogues", got, len(a.Catalogues.Changes()))
	}
}

func TestACatalogueThatCannotBeChangesNothing(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	c := apptest.ClientOf(t, a)
	file := apptest.ChangedCatalogue(t, "name: Accueil", "name: Réception")
	good := apptest.ProposalOf(t, file, "")
	for name, body := range map[string]string{
		"a day ahead": apptest.ProposalOf(t, file, "2099-01-01"), "no day": apptest.ProposalOf(t, file, "soon"),
		"a space without its building": strings.Replace(good, "{id: metz-blida, site", "{id: metz-blidb, site", 1),
		"no YAML":                      `{"name":"x.yaml","text":"sites: ["}`,
		"a field nobody knows":         strings.Replace(good, `{"name"`, `{"dry":true,"name"`, 1),
		"a setting of an adapter": `{"name":"x.yaml","text":` + string(apptest.Must(json.Marshal(strings.Replace(string(apptest.Must(os.ReadFile(file))), "devices:",
			"devices:\n  - {id: metz-x, site: metz, kind: desk, space: metz-coworking, adapter: zigbee2mqtt, address: \"zigbee2mqtt/x\", settings: {nonsense: 1}}", 1)))) + `}`,
	} {
		status, answer := c.Ask("PUT", "/v1/catalogue", body)
		if status != 422 {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
	dry := c.Must("PUT", "/v1/catalogue?dry_run=true", good)
	if len(dry["differences"].([]any)) != 1 || len(a.Catalogues.Changes()) != 1 ||
		a.Network.Space("metz-accueil").Name != "Accueil" {
		t.Errorf("a dry run: %v, %d", dry, len(a.Catalogues.Changes()))
	}
	if status, _ := c.As("billing", "").Ask("PUT", "/v1/catalogue", good); status != 403 {
		t.Errorf("billing changes the catalogue: %d", status)
	}
}
