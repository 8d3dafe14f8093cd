package main

import (
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"context"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/certs"
	"github.com/lorntech/totem/internal/cli"
)

// printed runs a command and returns its exit code and what it printed.
func printed(t *testing.T, ctx context.Context, args ...string) (code int, text string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, errOut := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = w, w
	all := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(r)
		all <- string(b)
	}()
	code = run(ctx, args)
	os.Stdout, os.Stderr = out, errOut
	w.Close()
	return code, <-all
}

// TestItPopulatesAServiceOfOnesOwn takes the steps of the help, in order.
func TestItPopulatesAServiceOfOnesOwn(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	c := apptest.ClientOf(t, a)
	api := []string{"--api", c.Base, "--token", c.Token}
	broker := []string{"--broker", a.MQTT.String()}
	with := func(args ...string) []string { return append(append(args, api...), broker...) }

	code, text := printed(t, t.Context(), append([]string{"people"}, api...)...)
	if members := c.Must("GET", "/v1/members?limit=1000", "")["items"].([]any); code != 0 || len(members) < 50 {
		t.Fatalf("people: %d, %d members: %s", code, len(members), text)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() { // it ends once its devices have shown themselves
		for ctx.Err() == nil {
			if s := a.Live.Devices()["metz-entrance-in"]; s.Online != nil && *s.Online {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		cancel()
	}()
	if code, text = printed(t, ctx, with("live", "--site", "metz")...); code != 0 {
		t.Errorf("live: %d %s", code, text)
	}
	apptest.Eventually(t, "the farewell of the readers", func() bool {
		s := a.Live.Devices()["metz-entrance-in"]
		return s.Online != nil && !*s.Online
	})
	truth := filepath.Join(t.TempDir(), "truth.jsonl")
	code, text = printed(
		t,
		t.Context(),
		with("history", "--days", "1", "--site", "metz", "--repeat", "10", "--truth", truth)...)
	if code != 0 || !strings.Contains(text, "1 days, ") {
		t.Fatalf("history: %d %s", code, text)
	}
	reads := c.Must("GET", "/v1/access/reads?limit=1000", "")["items"].([]any)
	stays, err := os.ReadFile(truth)
	if err != nil || len(reads) < 20 || strings.Count(string(stays), "\n") < 20 {
		t.Errorf("%d reads, %d stays: %v", len(reads), strings.Count(string(stays), "\n"), err)
	}
	granted := false
	for _, r := range reads {
		granted = granted || r.(map[string]any)["granted"] == true
	}
	if !granted {
		t.Error("nobody was let in")
	}
}

func TestABadgeIsAnswered(t *testing.T) {
	a := apptest.Start(t, apptest.Config(t))
	apptest.Settle(t, a)
	broker := []string{"--broker", a.MQTT.String(), "metz", string(apptest.Reader)}
	for uid, says := range map[string]string{apptest.AliceUID: `"granted":true`, apptest.BobUID: `"granted":false`} {
		code, text := printed(t, t.Context(), append(append([]string{"badge"}, broker...), uid)...)
		if code != 0 || !strings.Contains(text, says) {
			t.Errorf("%d %s, want %s", code, text, says)
		}
	}
}

func TestWrongFlagsAreNamed(t *testing.T) {
	for _, c := range []struct {
		args, says string
		code       int
	}{
		{"history --days 0", "--days", 2},
		{"history --repeat 200", "--repeat", 2},
		{"history --to soon", "--to", 2},
		{"history --site paris", "--site", 2},
		{"history --window 0", "--window", 2},
		{"history --truth /nowhere/truth", "--truth", 1},
		{"history --broker 127.0.0.1:9", "--broker 127.0.0.1:9", 1},
		{"history --catalogue /nowhere.yaml", "/nowhere.yaml", 1},
		{"people --api http://127.0.0.1:9 --token x", "127.0.0.1:9", 1},
		{"live --api http://127.0.0.1:9 --token x", "127.0.0.1:9", 1},
		{"fly", "unexpected argument fly", 2},
	} {
		code, text := printed(t, t.Context(), strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d, want %d with %q: %s", c.args, code, c.code, c.says, text)
		}
	}
}

// A person at a desk elsewhere reaches a service that has a private authority.
func TestOverTLS(t *testing.T) {
	cfg, authority := apptest.TLS(t)
	a := apptest.Start(t, cfg)
	at := []string{"--api", "https://" + a.HTTPTLS.String(), "--token", a.Admin}
	trust := []string{"--ca", authority}
	if code, text := printed(t, t.Context(), append([]string{"people"}, at...)...); code != 1 ||
		!strings.Contains(text, "certificate") {
		t.Errorf("a stranger's authority is trusted: %d %s", code, text)
	}
	if code, text := printed(t, t.Context(), append(append([]string{"people"}, at...), trust...)...); code != 0 {
		t.Errorf("people: %d %s", code, text)
	}
	badge := append(
		[]string{"badge", "--broker", "mqtts://" + a.MQTTTLS.String(), "metz", "metz-entrance-in", "00"},
		trust...)
	if code, text := printed(t, t.Context(), badge...); code != 0 || !strings.Contains(text, "unknown-credential") {
		t.Errorf("badge: %d %s", code, text)
	}
	c := cli.Client{URL: "https://" + a.HTTPTLS.String(), Token: a.Admin}
	if err := c.Show(t.Context(), io.Discard, cli.Resources["tenants"], "x"); err == nil ||
		!strings.Contains(err.Error(), "--ca (TOTEM_CA)") {
		t.Errorf("without the authority: %v", err)
	}
	transport, err := certs.Transport(authority)
	if err != nil {
		t.Fatal(err)
	}
	c.Transport = transport
	if err := c.ShowList(t.Context(), io.Discard, cli.Doors, url.Values{}, cli.Form{}); err != nil {
		t.Errorf("with the authority: %v", err)
	}
	if _, err := certs.Transport(cfg.TLSKey); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Errorf("a key as an authority: %v", err)
	}
}
