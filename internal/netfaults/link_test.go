package netfaults

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// fault is one way in which a network is bad. Below TCP, packets that are lost
// show as delay, and as silence when none comes through.
type fault struct {
	name   string
	toxics []toxic
	stays  bool // it goes on: devices and services must find another way by themselves
}

// toxic is one of Toxiproxy's, in both directions.
type toxic struct {
	Type       string         `json:"type"`
	Attributes map[string]int `json:"attributes"`
}

var faults = []fault{
	{"latency of 300 ms, ± 200", []toxic{{"latency", map[string]int{"latency": 300, "jitter": 200}}}, false},
	{"loss: pieces of 100 bytes, each late", []toxic{
		{"slicer", map[string]int{"average_size": 100, "size_variation": 50, "delay": 20_000}},
		{"latency", map[string]int{"latency": 100, "jitter": 100}},
	}, false},
	{"bandwidth of 2 kB/s", []toxic{{"bandwidth", map[string]int{"rate": 2}}}, false},
	{"connections reset after 2 s", []toxic{{"reset_peer", map[string]int{"timeout": 2000}}}, false},
	{"silence: open, and nothing comes through", []toxic{{"timeout", map[string]int{"timeout": 0}}}, false},
	{"half-open: a router has forgotten the connections", []toxic{{"forgotten", nil}}, true},
}

// forgotten is a toxic of our own: nothing comes through the connections that are
// open when it begins, and new ones work.
type forgotten struct {
	Begun int64 `json:"begun"` // Unix milliseconds
}

// beginning is how long after it began a connection is one that was open then.
const beginning = 500 * time.Millisecond

// Pipe is Toxiproxy's: it is called for each connection that the toxic meets.
func (f *forgotten) Pipe(stub *toxics.ToxicStub) {
	if time.Since(time.UnixMilli(f.Begun)) > beginning {
		new(toxics.NoopToxic).Pipe(stub)
		return
	}
	new(toxics.TimeoutToxic).Pipe(stub)
}

func init() { toxics.Register("forgotten", new(forgotten)) }

// link is a TCP connection's way through Toxiproxy.
type link struct{ proxy *toxiproxy.Proxy }

// newLink returns a way to addr, without faults.
func newLink(t *testing.T, addr string) *link {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	l := &link{toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", addr)}
	if err := l.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.proxy.Stop)
	return l
}

func (l *link) addr() string { return l.proxy.Listen }

// spoil begins a fault on all connections, those that are open included.
func (l *link) spoil(t *testing.T, f fault) {
	t.Helper()
	for _, x := range f.toxics {
		for _, stream := range []string{"upstream", "downstream"} {
			if x.Type == "forgotten" {
				x.Attributes = map[string]int{"begun": int(time.Now().UnixMilli())}
			}
			body, err := json.Marshal(struct {
				toxic
				Name   string `json:"name"`
				Stream string `json:"stream"`
			}{x, x.Type + "_" + stream, stream})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(string(body))); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// heal ends all faults. Connections stay as they are: those that were silenced
// have lost what was sent meanwhile.
func (l *link) heal(t *testing.T) {
	t.Helper()
	l.proxy.Toxics.ResetToxics(t.Context())
}
