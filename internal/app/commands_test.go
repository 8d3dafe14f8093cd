package app_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/mqttclient"
)

// TestWhatACommandWithdrawsEndsAtOnce: a token that was replaced, and a device's secret that
// was made again, beside the running service.
func TestWhatACommandWithdrawsEndsAtOnce(t *testing.T) {
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	token, err := admin.CreateToken(t.Context(), cfg, admin.TokenRequest{ID: "desk", Role: ledger.Admin})
	if err != nil {
		t.Fatal(err)
	}
	c := apptest.Client{Base: "http://" + a.HTTP.String(), Token: token}.For(t)
	c.Must("GET", "/v1/me", "")
	watching, err := mqttclient.Dial(t.Context(), a.MQTT.String(), "token:watching", "token", token)
	if err != nil {
		t.Fatal(err)
	}
	defer watching.Cut()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.Base+"/v1/stream?topics=alarms", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	streaming, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer streaming.Body.Close()
	other, err := admin.CreateToken(t.Context(), cfg, admin.TokenRequest{ID: "desk", Role: ledger.Admin, Replace: true})
	if err != nil {
		t.Fatal(err)
	}
	soon := func() <-chan time.Time { return time.After(20 * time.Second) }
	select {
	case <-watching.Done():
	case <-soon():
		t.Error("the MQTT session of a token that was replaced goes on")
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, streaming.Body)
	}()
	select {
	case <-ended:
	case <-soon():
		t.Error("the stream of a token that was replaced goes on")
	}
	if status, _ := c.Ask("GET", "/v1/me", ""); status != 401 {
		t.Errorf("the token that was replaced: %d", status)
	}
	apptest.Client{Base: c.Base, Token: other}.For(t).Must("GET", "/v1/me", "")
}
