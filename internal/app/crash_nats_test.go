package app_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/broker/natstest"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

// gateway sends counts to a cluster without a pause: what a node does not
// acknowledge in time goes to the next one.
type gateway struct {
	nodes [natstest.Nodes]string
	at    int
	c     *mqttclient.Client
	stop  func()

	mu    sync.Mutex
	acked []uuid.UUID
}

func startLoad(t *testing.T, nodes [natstest.Nodes]string) *gateway {
	g := &gateway{nodes: nodes}
	ctx, cancel := context.WithCancel(context.Background())
	var sending sync.WaitGroup
	sending.Go(func() {
		for ctx.Err() == nil {
			g.send(ctx)
		}
	})
	g.stop = func() { cancel(); sending.Wait() }
	t.Cleanup(g.stop)
	return g
}

// await waits until n messages more are acknowledged.
func (g *gateway) await(t *testing.T, n int) {
	t.Helper()
	count := func() int {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.acked)
	}
	before := count()
	apptest.Eventually(t, "acknowledgements", func() bool { return count() >= before+n })
}

// end stops the load and returns what was acknowledged.
func (g *gateway) end() []uuid.UUID {
	g.stop()
	return g.acked
}

// send sends a batch until a node has acknowledged all of it, or ctx ends.
func (g *gateway) send(ctx context.Context) {
	ids := make([]uuid.UUID, 20)
	for i := range ids {
		ids[i] = uuid.New()
	}
	for ctx.Err() == nil {
		if g.c != nil && g.deliver(ctx, ids) {
			g.mu.Lock()
			g.acked = append(g.acked, ids...)
			g.mu.Unlock()
			return
		}
		if g.c != nil {
			g.c.Cut()
		}
		g.at = (g.at + 1) % natstest.Nodes
		dial, cancel := context.WithTimeout(ctx, 3*time.Second)
		c, err := mqttclient.DialOptions(dial, g.nodes[g.at], mqttclient.Options{ClientID: "gateway", Window: 50})
		cancel()
		if g.c = c; err != nil {
			g.c = nil
			time.Sleep(50 * time.Millisecond) // the node is away
		}
	}
}

func (g *gateway) deliver(ctx context.Context, ids []uuid.UUID) bool {
	for i, id := range ids {
		payload := fmt.Appendf(nil, `{"id":%q,"at":%q,"count":%d}`, id, wire.FormatTime(time.Now()), i)
		if g.c.Publish("totem/v1/metz/metz-cafe-count/count", payload) != nil {
			return false
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return g.c.Drain(ctx) == nil
}

// decided reports whether Alice, who badges at the street door, is let in by the
// service: a reader at one node asks, Totem answers at another. Shortly after a
// node was killed, others refuse subscriptions or say nothing.
func decided(t *testing.T, a *app.App, node string) bool {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	c, err := mqttclient.Dial(ctx, node, "reader-"+uuid.NewString(), "", "")
	if err != nil {
		return false
	}
	defer c.Cut()
	site, _ := a.Keys.Site("metz")
	answer := make(chan wire.DecisionBody, 10)
	base := "totem/v1/metz/" + string(apptest.Reader)
	if err := c.Subscribe(ctx, base+"/decision", func(_ string, p []byte) {
		d, err := wire.VerifyDecision(site.Public(), apptest.Reader, p)
		if err != nil {
			t.Errorf("decision: %v", err)
		}
		answer <- d
	}); err != nil {
		return false
	}
	if c.Publish(base+"/badge", apptest.BadgeNow(uuid.New(), apptest.AliceUID)) != nil {
		return false
	}
	select {
	case d := <-answer:
		if !d.Granted {
			t.Errorf("Alice: %+v", d)
		}
		return true
	case <-ctx.Done():
		return false
	}
}

// One node of a NATS cluster after the other is killed under load. What any node
// acknowledged comes to the ledger, once; the door is answered again each time.
func TestKillingNodesOfAClusterLosesNothingThatWasAcknowledged(t *testing.T) {
	if !natstest.Wanted() {
		t.Skip("not run: needs nats-server; set " + natstest.Variable + "=1 (.ci/run does)")
	}
	cluster := natstest.Start(t)
	cfg := apptest.Config(t)
	cfg.MQTTListen, cfg.MQTTURL = "", "mqtt://"+strings.Join(cluster.Addrs[:], ",mqtt://")
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	apptest.Eventually(t, "the cluster", func() bool { return len(a.Ready(t.Context())) == 0 })
	load := startLoad(t, cluster.Addrs)
	for node := range natstest.Nodes {
		load.await(t, 100) // more than before
		cluster.Stop(node, syscall.SIGKILL)
		killed := time.Now()
		apptest.Eventually(t, "a decision", func() bool { return decided(t, a, cluster.Addrs[(node+1)%natstest.Nodes]) })
		t.Logf("without node %d doors were decided again after %.1f s", node+1, time.Since(killed).Seconds())
		load.await(t, 100) // two of three nodes go on
		cluster.Restart(t, node)
	}
	acked := load.end()
	kept := map[uuid.UUID]int{}
	apptest.Eventually(t, "everything that was acknowledged", func() bool {
		clear(kept)
		if err := a.Ledger.ObservationsAfter(t.Context(), 0, func(o *ingest.Observation) error {
			kept[o.ID]++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for _, id := range acked {
			if kept[id] == 0 {
				return false
			}
		}
		return true
	})
	for id, n := range kept {
		if n > 1 {
			t.Errorf("message %s is in the ledger %d times", id, n)
		}
	}
}
