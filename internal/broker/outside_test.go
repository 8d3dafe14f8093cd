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
	"testing"
	"time"

	"github.com/lorntech/totem/internal/freeport"
)

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
			o, err := NewOutside(
				OutsideConfig{
					URL:      c.url,
					ClientID: "metz-in",
					Handler:  func(Delivery) {},
					Log:      slog.New(slog.NewTextHandler(log, nil)),
				},
			)
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
	addr := freeport.Addr(t)
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
		c.AllowAnonymous, c.ListenTLS, c.TLS = true, "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}}
	})
	o, _ := connectOutside(t, "mqtts://"+r.AddrTLS().String()+"?ca="+ca)
	if !o.Connected() {
		t.Fatal("not connected")
	}
	log := newLogged()
	stranger, err := NewOutside(
		OutsideConfig{
			URL:      "mqtts://" + r.AddrTLS().String(),
			ClientID: "other",
			Handler:  func(Delivery) {},
			Log:      slog.New(slog.NewTextHandler(log, nil)),
		},
	)
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

// TestEachNodeIsTrustedByItsOwnAuthority: the first node of a cluster is away, the
// second has a certificate of another authority.
func TestEachNodeIsTrustedByItsOwnAuthority(t *testing.T) {
	_, other := selfSigned(t)
	cert, ca := selfSigned(t)
	r := start(t, func(c *EmbeddedConfig) {
		c.AllowAnonymous, c.ListenTLS, c.TLS = true, "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}}
	})
	away := freeport.Addr(t)
	o, _ := connectOutside(t, "mqtts://"+away+"?ca="+other+",mqtts://"+r.AddrTLS().String()+"?ca="+ca)
	if !o.Connected() {
		t.Fatal("not connected")
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
		"mqtt://u:p,q@a,mqtt://b:1884": "mqtt://u:p,q@a:1883 mqtt://b:1884",
		"mqtt://u:secret@a,mqtts://b":  "all begin with",
		"mqtt://a,mqtt://u:secret@:1":  "must be like",
		"mqtt://a,b":                   "must be like",
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
		nodes, _, err := parseURLs(address)
		got := fmt.Sprint(err)
		if err == nil {
			got = strings.Trim(fmt.Sprint(nodes), "[]")
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
