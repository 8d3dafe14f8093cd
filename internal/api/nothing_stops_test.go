package api_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/visit"
	"github.com/lorntech/totem/internal/wire"
)

func TestAnAnswerSaysUpToWhenItHoldsWhileVisitsCannotBeMade(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	d := apptest.OpenDoor(t, a, a.MQTT.String())
	a.Presence.Postpone(visit.Subject{Member: "alice"}, errors.New("a fault for the test"))
	d.Badge(apptest.BadgeNow(uuid.New(), apptest.AliceUID))
	d.Badge(apptest.BadgeNow(uuid.New(), apptest.RemiUID))
	var visits struct {
		Items []struct{ Member string }
		AsOf  *time.Time `json:"as_of"`
	}
	apptest.Get(t, apptest.ClientOf(t, a), "/v1/visits", 200, &visits)
	if visits.AsOf == nil || len(visits.Items) != 1 || visits.Items[0].Member != "remi" {
		t.Errorf("visits while Alice's cannot be made: %+v", visits)
	}
	if there, err := a.Ledger.Presences(t.Context(), time.Now()); err != nil || len(there) != 2 {
		t.Errorf("where people are is known at once: %+v, %v", there, err)
	}
	if status, header, _ := apptest.ClientOf(t, a).In(
		"POST",
		"/v1/statements",
		`{"month":"2026-01"}`,
		"",
	); status != 503 ||
		header.Get("Retry-After") == "" {
		t.Errorf("issuing on less than everything: %d, Retry-After %q", status, header.Get("Retry-After"))
	}
	if got := strings.Join(a.Degraded(), " "); !strings.Contains(got, "visits") || strings.Contains(got, "alice") {
		t.Errorf("degraded: %q", got)
	}
	a.Presence.Resume(visit.Subject{Member: "alice"})
	visits.AsOf, visits.Items = nil, nil
	apptest.Get(t, apptest.ClientOf(t, a), "/v1/visits", 200, &visits)
	if visits.AsOf != nil || len(visits.Items) != 2 {
		t.Errorf("visits afterwards: %+v", visits)
	}
}

// A stream that is cut within its first answer must not be resumed behind it.
func TestOnlyTheLastEventOfTheFirstAnswerCarriesAnID(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	lines := openStream(t, a, a.Admin, "/v1/availability/stream?site=metz")
	var ids []int
	n := 0
	for line := range lines {
		if strings.HasPrefix(line, "id: ") {
			ids = append(ids, n)
		}
		if strings.HasPrefix(line, "data: ") {
			n++
		}
		if line == ": ready" {
			break
		}
	}
	if n < 10 || len(ids) != 1 || ids[0] != n-1 {
		t.Errorf("%d events, ids before those numbered %v", n, ids)
	}
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	c := apptest.ClientOf(t, a)
	for name, end := range map[string]func(){
		"deleted":  func() { c.Must("DELETE", "/v1/tokens/screen", "") },
		"replaced": func() { c.Must("PUT", "/v1/tokens/screen", `{"role":"display"}`) },
		"expired":  func() {},
	} {
		t.Run(name, func(t *testing.T) {
			body := `{"role":"display"}`
			if name == "expired" {
				body = fmt.Sprintf(`{"role":"display","expires_at":%q}`, wire.FormatTime(time.Now().Add(time.Second)))
			}
			token := c.Must("PUT", "/v1/tokens/screen", body)["token"].(string)
			lines := openStream(t, a, token, "/v1/availability/stream")
			for line := range lines {
				if line == ": ready" {
					break
				}
			}
			end()
			select {
			case <-drained(lines):
			case <-time.After(8 * time.Second):
				t.Error("the stream goes on")
			}
		})
	}
}

func drained(lines <-chan string) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range lines {
		}
	}()
	return done
}

// openStream reads a stream's lines until it or the test ends.
func openStream(t *testing.T, a *app.App, token, path string) <-chan string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.HTTP.String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(err, res)
	}
	t.Cleanup(func() { res.Body.Close() })
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(res.Body); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines
}
