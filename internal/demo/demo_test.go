package demo_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/demo"
)

// screen is what the demo has printed so far.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestTheDemoLivesUntilItIsStopped(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	cfg := apptest.Config(t)
	cfg.Data, cfg.AdminToken = "", ""
	var out screen
	ended := make(chan error, 1)
	go func() {
		ended <- demo.Run(ctx, cfg, demo.Options{
			Days: 1, Seed: 57, Out: &out, Bar: io.Discard, Log: slog.New(slog.DiscardHandler),
		})
	}()
	apptest.Eventually(t, "the readers' answers", func() bool { return strings.Contains(out.String(), "mosquitto_sub") })
	text := out.String()
	value := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no %s in:\n%s", pattern, text)
		}
		return m[1]
	}
	c := apptest.Client{Base: value(`TOTEM_URL=(\S+)`), Token: value(`TOTEM_TOKEN=(\S+)`)}.For(t)
	if spaces := c.Must("GET", "/v1/availability?site=metz", "")["items"].([]any); len(spaces) < 30 {
		t.Errorf("%d spaces in Metz", len(spaces))
	}
	if n := strings.Count(text, "/connexion?token="); n != 5 {
		t.Errorf("%d links to the page, want the admin's and those of four roles", n)
	}
	apptest.Eventually(t, "live badges", func() bool {
		since := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
		return len(c.Must("GET", "/v1/access/reads?from="+since, "")["items"].([]any)) > 0
	})
	data := value(`data +(\S+)`)
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("its data folder is left: %v", err)
	}
}

func TestTheDemoNeedsItsOwnBroker(t *testing.T) {
	cfg := apptest.Config(t)
	cfg.MQTTURL = "mqtt://127.0.0.1:9"
	err := demo.Run(t.Context(), cfg, demo.Options{Days: 1, Out: io.Discard, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "--mqtt-url") {
		t.Errorf("%v", err)
	}
}
