package webhooks

import (
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func TestAnAddressIsChecked(t *testing.T) {
	for _, c := range []struct {
		url   string
		plain bool
		wrong string
	}{
		{"https://example.org/totem?key=1", false, ""},
		{"https://[2001:db8::1]:8443/", false, ""},
		{"http://10.1.2.3/", true, ""},
		{"http://example.org/", false, "must begin with https://"},
		{"ftp://example.org/", true, "must begin with https://"},
		{"https://user:pass@example.org/", false, "must not contain a user"},
		{"https://example.org/#x", false, "fragment"},
		{"https:///path", false, "must be an address"},
		{"https://:443/", false, "must be an address"},
		{"example.org", false, "must be an address"},
		{"https:example.org", false, "must be an address"},
		{"https://exa mple.org/", false, "must be an address"},
		{"", false, "must be an address"},
		{"https://example.org:70000/", false, "port"},
		{"https://example.org/" + strings.Repeat("x", mostURL), false, "longer than"},
	} {
		err := CheckURL(c.url, c.plain)
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%.60s: %v, want %q", c.url, err, c.wrong)
		}
	}
}

// FuzzCheckURL: an address that is accepted is one that a request can be made to.
func FuzzCheckURL(f *testing.F) {
	f.Add("https://example.org/totem?key=1")
	f.Add("http://[::1%25eth0]:80/")
	f.Add("https://user@x/#")
	f.Fuzz(func(t *testing.T, raw string) {
		if CheckURL(raw, true) != nil {
			return
		}
		if _, err := http.NewRequest(http.MethodPost, raw, nil); err != nil {
			t.Errorf("%q was accepted: %v", raw, err)
		}
	})
}

func TestWhatIsPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1::1": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"0.0.0.0": false, "100.64.0.1": false, "224.0.0.1": false, "255.255.255.255": false, "198.18.0.1": false,
		"::1": false, "::": false, "fe80::1": false, "fd00::1": false, "ff02::1": false,
		"::ffff:127.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false,
	} {
		if got := public(netip.MustParseAddr(address).Unmap()); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func TestAnEventIsTriedForADay(t *testing.T) {
	queued := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	e := Delivery{At: queued, Outcome: Waiting}
	now := queued
	for e.Outcome == Waiting {
		e = e.recordAttempt(answer{status: 500, fault: "answered 500"}, now, false)
		if e.Attempts > 100 {
			t.Fatal("it is tried for ever")
		}
		if e.Outcome == Waiting {
			if wait := e.NextAt.Sub(now); wait < time.Second || wait > mostWait*11/10 {
				t.Errorf("attempt %d: %s", e.Attempts, wait)
			}
			now = e.NextAt
		}
	}
	if e.Outcome != GivenUp || now.Sub(queued) < giveUp || now.Sub(queued) > giveUp+time.Minute || e.Attempts < 20 {
		t.Errorf("%s after %s and %d attempts", e.Outcome, now.Sub(queued), e.Attempts)
	}
	asked := Delivery{
		At: queued,
	}.recordAttempt(
		answer{status: 503, fault: "answered 503", wait: 10 * time.Minute},
		queued,
		false,
	)
	if got := asked.NextAt.Sub(queued); got != 10*time.Minute {
		t.Errorf("it asked for 10 minutes: %s", got)
	}
	if gone := (Delivery{At: queued}).recordAttempt(
		answer{status: 410, fault: "answered 410"},
		queued,
		true,
	); gone.Outcome != GivenUp {
		t.Errorf("gone: %s", gone.Outcome)
	}
}

func TestWhoWants(t *testing.T) {
	w := Webhook{Topics: []Topic{OfAlarms}, Sites: nil}
	if !w.Wants(OfAlarms, "metz") || !w.Wants(OfAlarms, "") || w.Wants(OfLockdowns, "metz") {
		t.Error("all sites")
	}
	w.Sites = append(w.Sites, "metz")
	if !w.Wants(OfAlarms, "metz") || w.Wants(OfAlarms, "nancy") || w.Wants(OfAlarms, "") {
		t.Error("one site")
	}
	w.Off = true
	if w.Wants(OfAlarms, "metz") {
		t.Error("switched off")
	}
}

// TestTheExampleOfTheDocs: what docs/webhooks.md prints is what a receiver gets.
func TestTheExampleOfTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	field := func(before string) string {
		_, after, found := strings.Cut(string(page), before)
		if !found {
			t.Fatalf("docs/webhooks.md has no %s", before)
		}
		line, _, _ := strings.Cut(after, "\n")
		return strings.Trim(line, "`.) ")
	}
	at, err := strconv.ParseInt(field("webhook-timestamp: "), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	e := Event{Type: LockdownBegun, At: time.Unix(at, 0), Data: struct {
		Site   string `json:"site"`
		Active bool   `json:"active"`
	}{"metz", true}}
	body, err := e.Body()
	if err != nil || !strings.Contains(string(page), "\n"+string(body)+"\n") {
		t.Errorf("the body is %s, %v", body, err)
	}
	signer, err := standardwebhooks.NewWebhook("whsec_" + field("is signed with `whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Sign(field("webhook-id: "), time.Unix(at, 0), body)
	if err != nil || signature != field("webhook-signature: ") {
		t.Errorf("the signature is %s, %v", signature, err)
	}
}
