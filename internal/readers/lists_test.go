package readers_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/readers"
	"github.com/lorntech/totem/internal/rights"
)

// outbox is a broker that refuses the lists of one reader for a while.
type outbox struct {
	mu      sync.Mutex
	refuses string
	sent    map[string]int
}

func (o *outbox) publish(topic string, _ []byte, _ bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !strings.HasSuffix(topic, "/allowlist") {
		return nil
	}
	if o.refuses != "" && strings.Contains(topic, o.refuses) {
		return errors.New("busy")
	}
	o.sent[topic]++
	return nil
}

func (o *outbox) count(of string) (n, all int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for topic, k := range o.sent {
		if all++; strings.Contains(topic, of) {
			n += k
		}
	}
	return n, all
}

// A list that is committed and cannot be sent waits for the next time: it holds
// up no other, and is not forgotten.
func TestAListThatCouldNotBeSentIsSentLater(t *testing.T) {
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ring, err := keys.Open(filepath.Join(dir, "keys.json"), n.Sites, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r, err := rights.Open(t.Context(), catalogue.Always(n), l, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	box := &outbox{refuses: "/metz-entrance-in/", sent: map[string]int{}}
	d, err := readers.Open(
		t.Context(),
		readers.Config{
			Network: n,
			Keys:    ring,
			Rights:  r,
			Store:   l,
			Publish: box.publish,
			Now:     time.Now,
			Log:     slog.New(slog.DiscardHandler),
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx) })
	defer func() { stop(); running.Wait() }()
	readers := 0
	for _, dev := range n.Devices {
		if dev.Kind == catalogue.Reader {
			readers++
		}
	}
	wait(t, "the others' lists", func() bool { _, all := box.count(""); return all == readers-1 })
	box.mu.Lock()
	box.refuses = ""
	box.mu.Unlock()
	d.SetForm("metz-entrance-in", 1) // whatever wakes it
	wait(t, "the list that was refused", func() bool { n, _ := box.count("/metz-entrance-in/"); return n == 1 })
	d.SetForm("metz-entrance-in", 1)
	d.SetForm("metz-coworking-in", 2) // sent after whatever the line before would send
	wait(t, "another reader's new list", func() bool { n, _ := box.count("/metz-coworking-in/"); return n == 2 })
	if n, _ := box.count("/metz-entrance-in/"); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

func wait(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("timed out: ", what)
		}
	}
}
