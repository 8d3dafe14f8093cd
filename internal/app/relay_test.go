package app_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/broker/mosquittotest"
	"github.com/lorntech/totem/internal/freeport"
	"github.com/lorntech/totem/internal/ledger/pgtest"
)

// Two machines of which one serves, and two relays: whatever relay is asked answers, also
// after a takeover, and a wrong token counts for its own sender.
func TestRelaysFindTheMachineThatServes(t *testing.T) {
	pgtest.Need(t)
	if !mosquittotest.Wanted() {
		t.Skip("not run: needs Mosquitto; set " + mosquittotest.Variable + "=1 (.ci/run and make integration do)")
	}
	cfg := apptest.Config(t)
	cfg.DatabaseURL = pgtest.Start(t).Database(t)
	cfg.MQTTURL = "mqtt://" + mosquittotest.Start(t).Addr
	options := app.Options{Log: apptest.Discard(), Anonymous: true}
	first, err := app.Start(t.Context(), cfg, options)
	if err != nil {
		t.Fatal(err)
	}
	apptest.Settle(t, first)
	next := make(chan *app.App, 1)
	other := cfg
	other.Data, other.Keys = t.TempDir(), cfg.KeysFile()
	go func() {
		a, err := app.Start(t.Context(), other, options)
		if err != nil {
			t.Error(err)
		}
		next <- a
	}()

	relays := []apptest.Client{relayOf(t, other), relayOf(t, other)}
	for _, c := range relays {
		c.Must("PUT", "/v1/sites/metz/lockdown", `{"active":true,"reason":"x"}`)
		if l := c.Must("GET", "/v1/sites/metz/lockdown", ""); l["active"] != true {
			t.Errorf("%v", l)
		}
	}
	stream, err := http.NewRequestWithContext(t.Context(), http.MethodGet, relays[0].Base+"/v1/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream.Header.Set("Authorization", "Bearer "+relays[0].Token)
	resp, err := http.DefaultClient.Do(stream)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() && !strings.Contains(lines.Text(), "ready") {
	}
	ended := make(chan bool)
	go func() {
		defer close(ended)
		for lines.Scan() {
		}
	}()

	apptest.Stop(t, first)
	began := time.Now()
	if l := relays[1].Must("GET", "/v1/sites/metz/lockdown", ""); l["active"] != true {
		t.Errorf("after the takeover: %v", l)
	}
	t.Logf("another machine answers after %s", time.Since(began))
	second := <-next
	t.Cleanup(func() { apptest.Stop(t, second) })
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the stream of the former machine goes on")
	}
	relays[0].Must("PUT", "/v1/sites/metz/lockdown", `{"active":false,"reason":""}`)
	if l := relays[1].Must("GET", "/v1/sites/metz/lockdown", ""); l["active"] != false {
		t.Errorf("what one relay was told, another one does not know: %v", l)
	}
	if status, _ := relays[0].WithToken("wrong").Ask("GET", "/v1/me", ""); status != 401 {
		t.Errorf("a wrong token: %d", status)
	}
}

// relayOf starts a relay, and returns a client that asks it.
func relayOf(t *testing.T, cfg app.Config) apptest.Client {
	t.Helper()
	cfg.HTTP = freeport.Addr(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- app.Relay(ctx, cfg, apptest.Discard()) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the relay ended with %v", err)
		}
	})
	apptest.Eventually(t, "a relay", func() bool {
		resp, err := http.Get("http://" + cfg.HTTP + "/healthz")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	return apptest.ClientAt(t, "http://"+cfg.HTTP, cfg.AdminToken)
}

func TestHalvesSayWhatTheyNeed(t *testing.T) {
	cfg := apptest.Config(t)
	cfg.DatabaseURL = ""
	for name, start := range map[string]error{
		"ingest": app.Ingest(t.Context(), cfg, apptest.Discard()),
		"api":    app.Relay(t.Context(), cfg, apptest.Discard()),
	} {
		if start == nil || !strings.Contains(fmt.Sprint(start), "--database-url (TOTEM_DATABASE_URL)") {
			t.Errorf("%s: %v", name, start)
		}
	}
}
