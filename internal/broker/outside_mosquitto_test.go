package broker

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/broker/mosquittotest"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/mqttclient"
)

// needMosquitto ends a test that is about Mosquitto where it is not asked for.
func needMosquitto(t *testing.T) bool {
	if !mosquittotest.Wanted() {
		t.Logf("not run: set %s=1", mosquittotest.Variable)
		return false
	}
	return true
}

func guest(t testing.TB, addr, id string) *mqttclient.Client {
	t.Helper()
	c, err := mqttclient.Dial(soon(t), addr, id, "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Cut)
	return c
}

func TestWhatWasNotAcknowledgedComesAgainAfterTheConnectionIsLost(t *testing.T) {
	if !needMosquitto(t) {
		return
	}
	m := mosquittotest.Start(t)
	l := newLine(t, m.Addr)
	_, deliver := connectOutside(t, "mqtt://"+l.Addr().String())
	c := guest(t, m.Addr, "sender")
	for i := range 10 {
		if err := c.Publish("totem/v1/metz/metz-in/badge", fmt.Appendf(nil, "%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	var held []Delivery
	for i := range 10 {
		d := next(t, deliver)
		if held = append(held, d); i%2 == 0 {
			d.Ack()
		}
	}
	// Whether an acknowledgement got through before the cut or not, nothing that was held may be missing.
	l.cut()
	again := map[string]bool{}
	for len(again) < 5 {
		d := next(t, deliver)
		d.Ack()
		var n int
		if _, err := fmt.Sscan(string(d.Payload), &n); err != nil {
			t.Fatal(err)
		}
		if n%2 == 1 {
			again[string(d.Payload)] = true
		}
	}
	for _, d := range held {
		d.Ack() // of a connection that has gone: nothing
	}
	if err := c.Publish("totem/v1/metz/metz-in/badge", []byte("after")); err != nil {
		t.Fatal(err)
	}
	for {
		if d := next(t, deliver); string(d.Payload) == "after" {
			d.Ack()
			return
		}
	}
}

func TestMosquittoThatIsStoppedAndStartedKeepsWhatWasNotTaken(t *testing.T) {
	if !needMosquitto(t) {
		return
	}
	m := mosquittotest.Start(t)
	up := make(chan struct{}, 10)
	o, deliver := connectOutside(t, "mqtt://"+m.Addr, func(c *OutsideConfig) {
		former := c.OnUp
		c.OnUp = func() { former(); up <- struct{}{} }
	})
	next(t, up)
	c := guest(t, m.Addr, "sender")
	for i := range 20 {
		if err := c.Publish("totem/v1/metz/metz-in/badge", fmt.Appendf(nil, "%d", i)); err != nil {
			t.Fatal(err)
		}
		next(t, deliver) // taken and never acknowledged
	}
	m.Stop(syscall.SIGTERM)
	o.waitDown(t)
	if err := o.Publish("totem/v1/metz/metz-in/decision", nil, false); !errors.Is(err, ErrNotConnected) {
		t.Fatalf("publishing to nobody: %v", err)
	}
	m.Restart(t)
	next(t, up)
	seen := map[string]bool{}
	for len(seen) < 20 {
		d := next(t, deliver)
		d.Ack()
		seen[string(d.Payload)] = true
	}
	if err := o.Publish("totem/v1/metz/live/metz-hall", nil, true); err != nil {
		t.Fatal(err)
	}
}

func TestServiceThatWasAwayGetsWhatCameMeanwhile(t *testing.T) {
	if !needMosquitto(t) {
		return
	}
	m := mosquittotest.Start(t)
	o, _ := connectOutside(t, "mqtt://"+m.Addr)
	if err := o.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	c := guest(t, m.Addr, "sender")
	for i := range 2000 {
		if err := c.Publish("totem/v1/metz/metz-in/badge", fmt.Appendf(nil, "%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Drain(soon(t)); err != nil {
		t.Fatal(err)
	}
	_, deliver := connectOutside(t, "mqtt://"+m.Addr)
	for i := range 2000 {
		d := next(t, deliver)
		d.Ack()
		if string(d.Payload) != fmt.Sprint(i) {
			t.Fatalf("%s, want %d", d.Payload, i)
		}
	}
}

func TestMessageThatAnOutsideBrokerKeptSaysSo(t *testing.T) {
	if !needMosquitto(t) {
		return
	}
	m := mosquittotest.Start(t)
	c := guest(t, m.Addr, "sender")
	for topic, payload := range map[string]string{"badge": "old", "status": "on"} {
		if err := c.PublishRetained("totem/v1/metz/metz-in/"+topic, []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Drain(soon(t)); err != nil {
		t.Fatal(err)
	}
	_, deliver := connectOutside(t, "mqtt://"+m.Addr, func(c *OutsideConfig) { c.Sites = []catalogue.SiteID{"metz"} })
	for range 2 {
		d := next(t, deliver)
		d.Ack()
		if !d.Retained {
			t.Fatalf("%+v", d)
		}
	}
}

// waitDown waits until the connection is known to be lost.
func (o *Outside) waitDown(t *testing.T) {
	t.Helper()
	o.mu.Lock()
	up, changed := o.up, o.changed
	o.mu.Unlock()
	if up {
		next(t, changed)
	}
}

// mosquitto_pub and mosquitto_sub are what whoever tries Totem has at hand.
func TestMosquittosOwnClientsAreServed(t *testing.T) {
	if !needMosquitto(t) {
		return
	}
	r := start(t)
	host, port, _ := net.SplitHostPort(r.Addr().String())
	run := func(tool string, args ...string) (string, error) {
		args = append([]string{"-h", host, "-p", port, "-u", "metz-in"}, args...)
		out, err := exec.CommandContext(soon(t), tool, args...).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if err := r.Publish("totem/v1/metz/metz-in/allowlist", []byte("list"), true); err != nil {
		t.Fatal(err)
	}
	if out, err := run(
		"mosquitto_sub",
		"-P",
		"s-in",
		"-i",
		"metz-in:sub",
		"-q",
		"1",
		"-C",
		"1",
		"-t",
		"totem/v1/metz/metz-in/+",
	); err != nil ||
		out != "list" {
		t.Fatalf("%s %v", out, err)
	}
	published := make(chan string, 1)
	go func() {
		out, err := run(
			"mosquitto_pub",
			"-P",
			"s-in",
			"-i",
			"metz-in",
			"-q",
			"1",
			"-t",
			"totem/v1/metz/metz-in/badge",
			"-m",
			"{}",
		)
		published <- fmt.Sprint(out, err)
	}()
	d := next(t, r.deliver)
	select {
	case out := <-published:
		t.Fatalf("it did not wait for the commit: %s", out)
	case <-time.After(20 * time.Millisecond):
	}
	d.Ack()
	if out := next(t, published); out != "<nil>" {
		t.Fatal(out)
	}
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"a wrong password": {[]string{"-P", "wrong", "-i", "metz-in"}, "not authorised"},
		"another id":       {[]string{"-P", "s-in", "-i", "me"}, "dentifier"},
		"version 5":        {[]string{"-P", "s-in", "-i", "metz-in", "-V", "5"}, "Unsupported Protocol Version"},
	} {
		out, err := run("mosquitto_pub", append(c.args, "-q", "1", "-t", "totem/v1/metz/metz-in/badge", "-m", "{}")...)
		if err == nil || !strings.Contains(out, c.says) {
			t.Errorf("%s: %q %v, want %q", name, out, err, c.says)
		}
	}
}
