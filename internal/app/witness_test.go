package app_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/broker/natstest"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

// witness changes a right through one relay, asks another one for it, has Alice
// badge, and follows the streams of both: whatever machine serves meanwhile, what was
// answered holds from then on, and each decision is told to each stream.
type witness struct {
	relays [2]string // URLs
	nodes  [natstest.Nodes]string
	ring   *keys.Ring
	client http.Client

	mu      sync.Mutex
	decided map[uuid.UUID]bool            // reads whose decision came
	seen    [2]map[uuid.UUID]bool         // reads that a stream told
	spaces  [2]map[string]json.RawMessage // what a stream said last of each space
	faults  []string                      // what was answered and did not hold
	changes int                           // that were answered
}

// startWitness returns a witness and what ends it: that waits until it has ended.
func startWitness(
	t *testing.T,
	relays [2]string,
	nodes [natstest.Nodes]string,
	ring *keys.Ring,
) (w *witness, end func()) {
	w = &witness{relays: relays, nodes: nodes, ring: ring, decided: map[uuid.UUID]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for i := range relays {
		w.seen[i], w.spaces[i] = map[uuid.UUID]bool{}, map[string]json.RawMessage{}
		running.Go(func() {
			for last := ""; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
				last = w.follow(ctx, i, last)
			}
		})
	}
	change, stop := context.WithCancel(ctx)
	var changing sync.WaitGroup
	changing.Go(func() { w.change(change) })
	halt := sync.OnceFunc(func() {
		stop()
		changing.Wait()
	})
	t.Cleanup(func() { halt(); cancel(); running.Wait() })
	return w, halt
}

// ask returns the answer's JSON; false where none came that says it was done.
func (w *witness) ask(ctx context.Context, relay int, method, path, body string, into any) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, w.relays[relay]+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+serveToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(into) == nil
}

// change locks the site down and opens it again, over and over.
func (w *witness) change(ctx context.Context) {
	const path = "/v1/sites/metz/lockdown"
	var c *mqttclient.Client
	answers := make(chan wire.DecisionBody, 100)
	defer func() {
		if c != nil {
			c.Cut()
		}
	}()
	for i, node := 0, 0; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		active, through := i%2 == 0, i/2%2
		var is struct{ Active bool }
		if !w.ask(ctx, through, "PUT", path, fmt.Sprintf(`{"active":%t,"reason":"a drill"}`, active), &is) {
			continue // it may be done or not: it is asked for again
		}
		w.mu.Lock()
		w.changes++
		w.mu.Unlock()
		i++
		if w.ask(ctx, 1-through, "GET", path, "", &is) && is.Active != active {
			w.fault("lockdown %t was answered by one relay, another one says %t", active, is.Active)
		}
		if c == nil {
			node = (node + 1) % len(w.nodes)
			if c = w.reader(ctx, w.nodes[node], answers); c == nil {
				continue
			}
		}
		id := uuid.New()
		if c.Publish(apptest.BadgeTopic(apptest.Reader), apptest.BadgeNow(id, apptest.AliceUID)) != nil ||
			!w.hear(ctx, answers, id, !active) {
			c.Cut()
			c = nil
		}
	}
}

// reader connects to a node as the reader at the street door; nil where it does not
// answer.
func (w *witness) reader(ctx context.Context, node string, answers chan<- wire.DecisionBody) *mqttclient.Client {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	c, err := mqttclient.Dial(ctx, node, "reader-"+uuid.NewString(), "", "")
	if err != nil {
		return nil
	}
	site, _ := w.ring.Site("metz")
	err = c.Subscribe(ctx, "totem/v1/metz/"+string(apptest.Reader)+"/decision", func(_ string, p []byte) {
		d, err := wire.VerifyDecision(site.Public(), apptest.Reader, p)
		if err != nil {
			w.fault("decision: %v", err)
			return
		}
		select {
		case answers <- d:
		default: // more than anybody waits for
		}
	})
	if err != nil {
		c.Cut()
		return nil
	}
	return c
}

// hear waits for the decision of a read, and holds it to what was answered before.
func (w *witness) hear(ctx context.Context, answers <-chan wire.DecisionBody, id uuid.UUID, granted bool) bool {
	wait := time.After(3 * time.Second)
	for {
		select {
		case d := <-answers:
			if d.Request != id {
				continue
			}
			w.mu.Lock()
			w.decided[id] = true
			w.mu.Unlock()
			if d.Granted != granted {
				w.fault("a read was decided %t (%s) after the change to %t was answered", d.Granted, d.Reason, granted)
			}
			return true
		case <-wait:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// follow reads a stream until it ends, and returns the last event's id.
func (w *witness) follow(ctx context.Context, relay int, last string) string {
	req, err := http.NewRequestWithContext(
		ctx,
		http.MethodGet,
		w.relays[relay]+"/v1/stream?topics=reads,availability",
		nil,
	)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+serveToken)
	req.Header.Set("Last-Event-ID", last)
	resp, err := w.client.Do(req)
	if err != nil {
		return last
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return last
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(": "))
		switch string(name) {
		case "id":
			last = string(value)
		case "data":
			var e struct {
				ID    uuid.UUID
				Space string
			}
			if err := json.Unmarshal(value, &e); err != nil {
				return last // cut within a line: the id before it stands
			}
			w.mu.Lock()
			if e.Space != "" {
				w.spaces[relay][e.Space] = bytes.Clone(value)
			} else {
				w.seen[relay][e.ID] = true
			}
			w.mu.Unlock()
		}
	}
	return last
}

// decidedSome reports whether any read was decided: under load they may wait longer than
// the reader does.
func (w *witness) decidedSome() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.decided) > 0
}

func (w *witness) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// seenOf returns a space's availability without the time of its newest evidence: a stream
// does not tell when that alone has changed.
func seenOf(availability []byte) string {
	var v map[string]any
	_ = json.Unmarshal(availability, &v) // nothing was told: it differs
	delete(v, "updated_at")
	text, _ := json.Marshal(v)
	return string(text)
}

// untold returns the decisions and the states of spaces that a stream has not told.
func (w *witness) untold(t *testing.T, relay int) (list []string) {
	var now struct{ Items []json.RawMessage }
	if !w.ask(t.Context(), relay, "GET", "/v1/availability?limit=1000", "", &now) {
		return []string{"the answer to GET /v1/availability"}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.decided {
		if !w.seen[relay][id] {
			list = append(list, "decision "+id.String())
		}
	}
	for _, item := range now.Items {
		var s struct{ Space string }
		if err := json.Unmarshal(item, &s); err != nil {
			t.Fatal(err)
		}
		if told := w.spaces[relay][s.Space]; seenOf(told) != seenOf(item) {
			list = append(list, fmt.Sprintf("%s (it told %s)", item, told))
		}
	}
	return list
}

// check holds what was witnessed against what the service says at the end.
func (w *witness) check(t *testing.T) {
	t.Helper()
	for relay := range w.relays {
		end := time.Now().Add(catchUp)
		for untold := w.untold(t, relay); len(untold) > 0; untold = w.untold(t, relay) {
			if time.Now().After(end) {
				t.Errorf("the stream of relay %d has not told %d things, as %s", relay, len(untold), untold[0])
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range slices.Compact(w.faults) {
		t.Error(f)
	}
	t.Logf("%d changes of rights, %d reads decided after them, each told by both streams", w.changes, len(w.decided))
}
