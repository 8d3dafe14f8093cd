package api_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
)

// A token that a command on the data folder has replaced loses its stream at the next
// heartbeat: nobody has told the service.
func TestAStreamEndsWithATokenThatACommandReplaced(t *testing.T) {
	t.Parallel()
	cfg := apptest.Config(t)
	a := apptest.Start(t, cfg)
	request := admin.TokenRequest{ID: "desk", Role: ledger.Manager, Sites: []catalogue.SiteID{"metz"}}
	token, err := admin.CreateToken(t.Context(), cfg, request)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(
		t.Context(),
		http.MethodGet,
		apptest.ClientOf(t, a).Base+"/v1/stream?topics=reads",
		nil,
	)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	defer resp.Body.Close()
	request.Replace = true
	if _, err := admin.CreateToken(t.Context(), cfg, request); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, resp.Body)
		ended <- err
	}()
	select {
	case <-ended:
	case <-time.After(25 * time.Second):
		t.Error("the stream goes on")
	}
}
