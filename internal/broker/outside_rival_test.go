package broker

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/broker/mosquittotest"
)

func TestARivalIsToldOfOnce(t *testing.T) {
	now := time.Date(2026, 11, 30, 7, 0, 0, 0, time.UTC)
	var r rivalry
	connection := func(lasted time.Duration, err error) (tell, known bool) {
		r.connected(now)
		now = now.Add(lasted)
		return r.lost(now, err)
	}
	for i, want := range []bool{false, false, true, false, false} {
		if tell, _ := connection(2*time.Second, io.EOF); tell != want {
			t.Errorf("loss %d is told: %v", i+1, tell)
		}
	}
	if _, hidden := connection(2*time.Second, io.EOF); !hidden {
		t.Error("an end by a rival that was told of is told again")
	}
	if _, hidden := connection(2*time.Second, errors.New("no route to host")); hidden {
		t.Error("a bad network is hidden because there was a rival")
	}
	if _, hidden := connection(10*time.Minute, io.EOF); hidden || r.told {
		t.Error("a connection that lasted ten minutes still has a rival")
	}
	for range 10 {
		if tell, _ := connection(2*time.Second, errors.New("reset by peer")); tell {
			t.Error("a bad network is taken for a rival")
		}
	}
	for range 10 { // a broker that is started again and again refuses connections in between
		r.attemptFailed()
		if tell, _ := connection(2*time.Second, io.EOF); tell {
			t.Error("a broker that was away is taken for a rival")
		}
	}
}

// lines is a log that a test reads while others write it.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

func TestASecondClientOfTotemsNameIsNamedInTheLog(t *testing.T) {
	if !needMosquitto(t) {
		return
	}
	m := mosquittotest.Start(t)
	var log lines
	connectOutside(t, "mqtt://"+m.Addr, func(c *OutsideConfig) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	took := make(chan struct{}, 100) // the rival has taken the name
	connectOutside(t, "mqtt://"+m.Addr, func(c *OutsideConfig) {
		former := c.OnUp
		c.OnUp = func() { former(); took <- struct{}{} }
	})
	const told, lost = "another client uses this name", "connection lost"
	for end := time.Now().Add(30 * time.Second); log.count(told) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("a rival is not told of:\n%s", log.buf.String())
		}
	}
	for len(took) > 0 {
		<-took
	}
	next(t, took) // the exchange goes on
	next(t, took)
	if n := log.count(told); n != 1 || log.count(lost) > rivalLosses {
		t.Errorf("told %d times, and of %d lost connections", n, log.count(lost))
	}
}
