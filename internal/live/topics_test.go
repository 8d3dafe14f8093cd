package live_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/live"
)

// kept is an outside broker's memory of retained topics.
type kept struct {
	mu     sync.Mutex
	topics map[string]string
}

func (k *kept) publish(topic string, payload []byte, _ bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(payload) == 0 {
		delete(k.topics, topic)
	} else {
		k.topics[topic] = string(payload)
	}
	return nil
}

func (k *kept) has(topic string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.topics[topic] != ""
}

func TestNoLiveTopicIsLeftOfASpaceThatIsGoneOrBecameAnOffice(t *testing.T) {
	l, err := ledger.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	k := &kept{topics: map[string]string{}}
	run := func(n *catalogue.Network, until func() bool) {
		t.Helper()
		s, err := live.Open(
			t.Context(),
			live.Config{Network: n, Store: l, Publish: k.publish, Now: time.Now, Log: slog.New(slog.DiscardHandler)},
		)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()
		for end := time.Now().Add(10 * time.Second); !until(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("topics: %v", k.topics)
			}
		}
		cancel()
		<-done
	}
	n, err := catalogue.Default()
	if err != nil {
		t.Fatal(err)
	}
	const gone, stays = "totem/v1/metz/live/metz-fablab", "totem/v1/metz/live/metz-coworking"
	meeting := catalogue.SpaceID("")
	for _, s := range n.Spaces {
		if s.Site == "metz" && s.Kind == catalogue.MeetingRoom {
			meeting = s.ID
		}
	}
	room := "totem/v1/metz/live/" + string(meeting)
	run(n, func() bool { return k.has(gone) && k.has(room) && k.has(stays) })
	var v map[string]any
	if err := json.Unmarshal([]byte(k.topics[room]), &v); err != nil || v["count"] != nil {
		t.Errorf("a meeting room's live topic: %s, %v", k.topics[room], err)
	}
	next := *n
	next.Spaces = nil
	for _, s := range n.Spaces {
		if s.ID == meeting {
			s.Kind = catalogue.PrivateOffice
		}
		if s.ID != "metz-fablab" {
			next.Spaces = append(next.Spaces, s)
		}
	}
	run(catalogue.New(next), func() bool { return !k.has(gone) && !k.has(room) && k.has(stays) })
}
