package sim_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lorntech/totem/firmware-sim/sim"
	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/demo"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/people"
)

// live runs Metz against a service until the test ends. Its clock is the real
// one, moved to half past nine today, when people come.
func live(t *testing.T, a *app.App, connect func(context.Context) (sim.Link, error)) (stop func()) {
	t.Helper()
	today := a.Network.Zone.At(time.Now()).Day
	w := people.New(a.Network, 1, today)
	if err := demo.Settle(t.Context(), a, w); err != nil {
		t.Fatal(err)
	}
	s, err := sim.New(sim.Config{World: w, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	site, _ := a.Keys.Site("metz")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Live(ctx, sim.LiveConfig{
			Sites: []catalogue.SiteID{"metz"}, Connect: connect, Now: time.Now, Log: apptest.Discard(),
			SiteKeys: map[catalogue.SiteID]ed25519.PublicKey{"metz": site.Public()}, ListKey: a.Keys.List(),
		})
	}()
	return func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Error("it does not end")
		}
	}
}

func TestLiveReadersAskAndSayWhenTheyGo(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	stop := live(t, a, func(ctx context.Context) (sim.Link, error) {
		c, err := mqttclient.DialOptions(ctx, a.MQTT.String(), mqttclient.Options{ClientID: "live", Window: 500})
		return sim.Dialled{Client: c}, err
	})
	apptest.Eventually(t, "a read", func() bool {
		reads, err := a.Ledger.Reads(t.Context(), ledger.ReadFilter{Limit: 10})
		return err == nil && len(reads) > 0
	})
	stop()
	apptest.Eventually(t, "every reader offline", func() bool {
		for id, s := range a.Live.Devices() {
			if d := a.Network.Device(id); d.Site == "metz" && d.Kind == catalogue.Reader && (s.Online == nil || *s.Online) {
				return false
			}
		}
		return true
	})
}

func TestLiveConnectsAgain(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	var tries atomic.Int32
	links := make(chan *mqttclient.Client, 10)
	stop := live(t, a, func(ctx context.Context) (sim.Link, error) {
		if tries.Add(1) == 1 {
			return nil, errors.New("the network is down")
		}
		c, err := mqttclient.DialOptions(ctx, a.MQTT.String(), mqttclient.Options{ClientID: "live", Window: 500})
		if err != nil {
			return nil, err
		}
		links <- c
		return sim.Dialled{Client: c}, nil
	})
	defer stop()
	select {
	case c := <-links:
		c.Close()
	case <-time.After(30 * time.Second):
		t.Fatal("it does not try again after an error")
	}
	select {
	case <-links:
	case <-time.After(30 * time.Second):
		t.Fatal("it does not connect again after its link ended")
	}
}
