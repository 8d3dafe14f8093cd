package broker

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/broker/mqttload"
	"github.com/lorntech/totem/internal/catalogue"
)

// needMosquitto ends a test that is about Mosquitto where it is not asked for.
func needMosquitto(t *testing.T) bool {
	if os.Getenv(withMosquitto) == "" {
		t.Logf("not run: set %s=1", withMosquitto)
		return false
	}
	return true
}

func guest(t testing.TB, addr, id string) *mqttload.Client {
	t.Helper()
	c, err := mqttload.Dial(soon(t), addr, id, "", "")
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
	m := startMosquitto(t)
	l := newLine(t, m.addr)
	_, deliver := connectOutside(t, "mqtt://"+l.Addr().String())
	c := guest(t, m.addr, "sender")
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
	m := startMosquitto(t)
	up := make(chan struct{}, 10)
	o, deliver := connectOutside(t, "mqtt://"+m.addr, func(c *OutsideConfig) {
		former := c.OnUp
		c.OnUp = func() { former(); up <- struct{}{} }
	})
	next(t, up)
	c := guest(t, m.addr, "sender")
	for i := range 20 {
		if err := c.Publish("totem/v1/metz/metz-in/badge", fmt.Appendf(nil, "%d", i)); err != nil {
			t.Fatal(err)
		}
		next(t, deliver) // taken and never acknowledged
	}
	m.stop(syscall.SIGTERM)
	o.waitDown(t)
	if err := o.Publish("totem/v1/metz/metz-in/decision", nil, false); !errors.Is(err, ErrNotConnected) {
		t.Fatalf("publishing to nobody: %v", err)
	}
	m.start(t)
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
	m := startMosquitto(t)
	o, _ := connectOutside(t, "mqtt://"+m.addr)
	if err := o.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	c := guest(t, m.addr, "sender")
	for i := range 2000 {
		if err := c.Publish("totem/v1/metz/metz-in/badge", fmt.Appendf(nil, "%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Drain(soon(t)); err != nil {
		t.Fatal(err)
	}
	_, deliver := connectOutside(t, "mqtt://"+m.addr)
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
	m := startMosquitto(t)
	c := guest(t, m.addr, "sender")
	for topic, payload := range map[string]string{"badge": "old", "status": "on"} {
		if err := c.PublishRetained("totem/v1/metz/metz-in/"+topic, []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Drain(soon(t)); err != nil {
		t.Fatal(err)
	}
	_, deliver := connectOutside(t, "mqtt://"+m.addr, func(c *OutsideConfig) { c.Sites = []catalogue.SiteID{"metz"} })
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

// logged is a log that tests read.
type logged struct {
	mu      sync.Mutex
	written chan struct{}
	bytes.Buffer
}

func newLogged() *logged { return &logged{written: make(chan struct{}, 1)} }

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	poke(l.written)
	return l.Buffer.Write(b)
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.String()
}

func (l *logged) waitFor(t *testing.T, text string) {
	t.Helper()
	for !strings.Contains(l.text(), text) {
		select {
		case <-l.written:
		case <-time.After(10 * time.Second):
			t.Fatalf("no %q in:\n%s", text, l.text())
		}
	}
}

// The embedded broker, as an outside one, refuses what this client wants.
func TestRefusalsOfAnOutsideBrokerAreNamedInTheLog(t *testing.T) {
	r := start(t)
	for name, c := range map[string]struct{ url, says string }{
		"subscription": {"mqtt://metz-in:s-in@" + r.Addr().String(), "refuses the subscription to totem/v1/"},
		"password":     {"mqtt://metz-in:hidden-word@" + r.Addr().String(), "not Authorized"},
	} {
		t.Run(name, func(t *testing.T) {
			log := newLogged()
			o, err := NewOutside(OutsideConfig{URL: c.url, ClientID: "metz-in", Handler: func(Delivery) {}, Log: slog.New(slog.NewTextHandler(log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			if err := o.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			log.waitFor(t, c.says)
			if o.Connected() {
				t.Fatal("it claims to be connected")
			}
			if err := o.Close(soon(t)); err != nil {
				t.Fatal(err)
			}
			if text := log.text(); strings.Contains(text, "hidden-word") || strings.Contains(text, "s-in") {
				t.Fatalf("a password in the log:\n%s", text)
			}
		})
	}
}

func TestOutsideBrokerThatIsNotThereIsWaitedFor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	up := make(chan struct{}, 1)
	log := newLogged()
	o, err := NewOutside(OutsideConfig{URL: "mqtt://" + addr, ClientID: "totem", Handler: func(Delivery) {},
		OnUp: func() { up <- struct{}{} }, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	log.waitFor(t, "connecting failed")
	start(t, func(c *EmbeddedConfig) { c.Listen, c.AllowAnonymous = addr, true })
	next(t, up)
	if err := o.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
}

func TestOutsideBrokerOverTLSIsTrustedByItsAuthority(t *testing.T) {
	cert, ca := selfSigned(t)
	r := start(t, func(c *EmbeddedConfig) {
		c.AllowAnonymous, c.TLS = true, &tls.Config{Certificates: []tls.Certificate{cert}}
	})
	o, _ := connectOutside(t, "mqtts://"+r.Addr().String()+"?ca="+ca)
	if !o.Connected() {
		t.Fatal("not connected")
	}
	log := newLogged()
	stranger, err := NewOutside(OutsideConfig{URL: "mqtts://" + r.Addr().String(), ClientID: "other", Handler: func(Delivery) {}, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	log.waitFor(t, "certificate")
	if err := stranger.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
}

func selfSigned(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

func TestAddressesOfOutsideBrokers(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.pem")
	for address, want := range map[string]string{
		"mqtt://broker":                "mqtt://broker:1883",
		"mqtt://u:p%40@broker:1884":    "mqtt://u:p%40@broker:1884",
		"tcp://broker/":                "mqtt://broker:1883",
		"mqtts://broker":               "mqtts://broker:8883",
		"ssl://[::1]":                  "mqtts://[::1]:8883",
		"":                             "must begin with mqtt://",
		"broker:1883":                  "must begin with mqtt://",
		"http://broker":                "must begin with mqtt://",
		"mqtt://":                      "must be like",
		"mqtt://u:secret@:1883":        "must be like",
		"mqtt://broker/path":           "must be like",
		"mqtt://u:secret@b:x":          "not like",
		"mqtt://broker?ca=x":           "unknown setting",
		"mqtts://broker?verify=no":     "unknown setting",
		"mqtts://broker?ca=" + missing: "authorities",
	} {
		u, _, err := parseURL(address)
		got := fmt.Sprint(err)
		if err == nil {
			got = u.String()
		}
		if err == nil && got != want || err != nil && !strings.Contains(got, want) || strings.Contains(got, "secret") {
			t.Errorf("%q: %s, want %s", address, got, want)
		}
	}
}

func TestPublishingFasterThanTheBrokerTakesIsRefusedNotForgotten(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.AllowAnonymous = true })
	handler := r.cfg.Handler
	gate := make(chan struct{})
	r.cfg.Handler = func(d Delivery) { <-gate; handler(d) }
	o, _ := connectOutside(t, "mqtt://"+r.Addr().String())
	accepted := 0
	for ; accepted < 20_000; accepted++ {
		if err := o.Publish("totem/v1/metz/metz-in/badge", nil, false); err != nil {
			if !errors.Is(err, ErrBusy) {
				t.Fatal(err)
			}
			break
		}
	}
	if accepted < outsideQueue || accepted == 20_000 {
		t.Fatalf("%d accepted", accepted)
	}
	close(gate)
	for range accepted {
		next(t, r.deliver).Ack()
	}
}
