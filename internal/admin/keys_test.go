package admin_test

import (
	"encoding/base64"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	firmware "github.com/lorntech/totem/firmware-sim/reader"
	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

// TestASitesKeyIsReplacedUnderItsReaders: the next key stands in the lists, the
// present one signs until the last reader has said that it knows the next, and
// no reader is ever told what it cannot verify.
func TestASitesKeyIsReplacedUnderItsReaders(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	was, _ := a.Keys.Site("metz")
	var mu sync.Mutex
	readers, held, refused := map[string]*firmware.Reader{}, true, 0
	for _, d := range a.Network.Devices {
		if d.Site == "metz" && d.Kind == catalogue.Reader {
			readers[string(d.ID)] = firmware.New(
				firmware.Config{
					Device:    d.ID,
					Site:      d.Site,
					Door:      d.Door,
					Direction: d.Direction,
					SiteKey:   was.Public(),
					ListKey:   a.Keys.List(),
					Boot:      uuid.New(),
					NewID:     uuid.New,
				},
			)
		}
	}
	c, err := mqttclient.Dial(t.Context(), a.MQTT.String(), "test-"+uuid.NewString(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tell := make(chan string, 10_000)
	if err := c.Subscribe(t.Context(), "totem/v1/metz/+/allowlist", func(topic string, payload []byte) {
		id := strings.Split(topic, "/")[3]
		mu.Lock()
		defer mu.Unlock()
		if !readers[id].Allowlist(payload) {
			refused++
			return
		}
		tell <- id
	}); err != nil {
		t.Fatal(err)
	}
	status := func(id string) {
		mu.Lock()
		m := readers[id].Status(time.Now(), true, "1.0")
		mu.Unlock()
		payload, err := m.Encode()
		if err != nil {
			t.Error(err)
		}
		if err := c.Publish("totem/v1/metz/"+id+"/status", payload); err != nil {
			t.Error(err)
		}
	}
	go func() {
		for id := range tell {
			mu.Lock()
			silent := held && id == "metz-entrance-in"
			mu.Unlock()
			if !silent {
				status(id)
			}
		}
	}()
	defer close(tell)
	_, next, err := admin.RotateKey(t.Context(), cfg, "metz")
	if err != nil {
		t.Fatal(err)
	}
	if _, again, err := admin.RotateKey(t.Context(), cfg, "metz"); err != nil || again != next {
		t.Errorf("asked twice: %s, %v", again, err)
	}
	asAdmin := apptest.ClientOf(t, a)
	knows := func() (n int) {
		var list struct {
			Items []struct {
				ID, Kind string
				Status   *struct{ Keys []string }
			}
		}
		apptest.Get(t, asAdmin, "/v1/devices?site=metz&limit=1000", 200, &list)
		for _, d := range list.Items {
			if d.Status != nil && strings.Contains(strings.Join(d.Status.Keys, " "), next) {
				n++
			}
		}
		return n
	}
	apptest.Eventually(t, "all but one to know the next key", func() bool { return knows() == len(readers)-1 })
	time.Sleep(2 * app.KeysEvery)
	if k, _ := a.Keys.Site("metz"); k.ID != was.ID {
		t.Fatal("it signs by a key that a reader does not know")
	}
	mu.Lock()
	held = false
	mu.Unlock()
	status("metz-entrance-in")
	apptest.Eventually(t, "the next key to sign", func() bool { k, _ := a.Keys.Site("metz"); return k.ID == next })
	now, _ := a.Keys.Site("metz")
	apptest.Eventually(t, "every reader to verify by it", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range readers {
			if !r.SiteKey.Equal(now.Public()) {
				return false
			}
		}
		return true
	})
	mu.Lock()
	if refused > 0 {
		t.Errorf("%d lists could not be verified", refused)
	}
	mu.Unlock()
	apptest.Stop(t, a)
	apptest.Start(t, cfg) // with the key that it has now
}

func TestALedgerIsNotOpenedWithoutItsKeys(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	apptest.Stop(t, a)
	kept, err := os.ReadFile(keys.Path(cfg.Data))
	if err != nil {
		t.Fatal(err)
	}
	other := apptest.Config(t)
	apptest.Stop(t, apptest.Start(t, other))
	others, err := os.ReadFile(keys.Path(other.Data))
	if err != nil {
		t.Fatal(err)
	}
	for what, data := range map[string][]byte{"missing": nil, "another's": others, "an empty one": []byte("{}"), "half": kept[:len(kept)/2]} {
		if err := os.Remove(keys.Path(cfg.Data)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if data != nil {
			if err := os.WriteFile(keys.Path(cfg.Data), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if b, err := app.Start(t.Context(), cfg, app.Options{Log: apptest.Discard(), Anonymous: true}); err == nil {
			t.Errorf("%s: it starts", what)
			apptest.Stop(t, b)
		} else if what != "half" && !strings.Contains(err.Error(), "restore keys.json") {
			t.Errorf("%s: %v", what, err)
		}
		if now, _ := os.ReadFile(keys.Path(cfg.Data)); string(now) != string(data) {
			t.Errorf("%s: the file was written", what)
		}
	}
	if err := os.WriteFile(keys.Path(cfg.Data), kept, 0o600); err != nil {
		t.Fatal(err)
	}
	apptest.Stop(t, apptest.Start(t, cfg))
}

// TestAListKeyIsALayer: a reader that is given a secret after a new list key was
// made hashes with both; one that has its older secret goes on as before.
func TestAListKeyIsALayer(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	asAdmin := apptest.ClientOf(t, a)
	if _, err := admin.RotateListKey(cfg); err != nil {
		t.Fatal(err)
	}
	var keys []any
	apptest.Eventually(t, "the secret to bring both keys", func() bool {
		keys = asAdmin.Must("POST", "/v1/devices/metz-entrance-in/secret", "")["list_keys"].([]any)
		return len(keys) == 2
	})
	over, err := base64.RawURLEncoding.DecodeString(keys[1].(map[string]any)["key"].(string))
	if err != nil {
		t.Fatal(err)
	}
	alice, err := wire.ParseCredential(apptest.AliceUID)
	if err != nil {
		t.Fatal(err)
	}
	apptest.Stop(t, a)
	a = apptest.Start(t, cfg)
	site, _ := a.Keys.Site("metz")
	var mu sync.Mutex
	lists := map[string][]byte{}
	c, err := mqttclient.Dial(t.Context(), a.MQTT.String(), "test-"+uuid.NewString(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Subscribe(t.Context(), "totem/v1/metz/+/allowlist", func(topic string, payload []byte) {
		mu.Lock()
		lists[strings.Split(topic, "/")[3]] = payload
		mu.Unlock()
	}); err != nil {
		t.Fatal(err)
	}
	for id, layers := range map[catalogue.DeviceID][][]byte{"metz-entrance-in": {over}, "metz-coworking-in": nil} {
		d := a.Network.Device(id)
		r := firmware.New(
			firmware.Config{
				Device:    id,
				Site:      "metz",
				Door:      d.Door,
				Direction: d.Direction,
				SiteKey:   site.Public(),
				ListKey:   a.Keys.List(),
				ListOver:  layers,
				Boot:      uuid.New(),
				NewID:     uuid.New,
			},
		)
		apptest.Eventually(t, "a list that "+string(id)+" opens by", func() bool {
			mu.Lock()
			defer mu.Unlock()
			if lists[string(id)] == nil || !r.Allowlist(lists[string(id)]) {
				return false
			}
			if _, at := r.Badge(alice, time.Now()); at != nil {
				return false
			}
			outcomes, _ := r.Tick(time.Now().Add(2 * firmware.Wait))
			return len(outcomes) == 1 && outcomes[0].Granted
		})
	}
	kept := cfg.Data + "/keys.json"
	data, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	apptest.Stop(t, a)
	if err := os.WriteFile(kept,
		[]byte(strings.Replace(string(data), "list_layers", "lost_layers", 1)),
		0o600,
	); err != nil {
		t.Fatal(err)
	}
	if b, err := app.Start(t.Context(), cfg, app.Options{Log: apptest.Discard(), Anonymous: true}); err == nil {
		t.Error("it starts without its second list key")
		apptest.Stop(t, b)
	}
}
