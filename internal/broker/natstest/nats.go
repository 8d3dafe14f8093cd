// Package natstest runs a real cluster of three NATS servers with JetStream and
// MQTT for tests, where the environment asks for it. It is not part of the service.
package natstest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/freeport"
	"github.com/lorntech/totem/internal/mqttclient"
)

// Variable is the environment variable that makes tests run NATS too.
const Variable = "TOTEM_TEST_NATS"

// Wanted reports whether NATS is asked for; a test that does not run it says so.
func Wanted() bool { return os.Getenv(Variable) != "" }

// Nodes is how many servers a cluster has: one may be away.
const Nodes = 3

// started is how long a cluster may take to elect its leaders.
const started = 60 * time.Second

// Cluster is a running cluster. Each node takes MQTT at an address of its own.
type Cluster struct {
	Addrs [Nodes]string
	files [Nodes]string
	cmds  [Nodes]*exec.Cmd
}

// config is a node's, with its name, the addresses for NATS clients, its folder,
// the address for other nodes, their routes, and its address for MQTT. A message is
// acknowledged when most nodes have it on the disk.
const config = `server_name: n%d
listen: %q
jetstream { store_dir: %q, sync_interval: always }
cluster { name: totem, listen: %q, routes: [ %s ] }
mqtt { listen: %q, ack_wait: "15s", max_ack_pending: 1000 }
`

// Start starts a cluster and waits until it serves MQTT; it is killed when the
// test ends.
func Start(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{}
	var peers, clients [Nodes]string
	addrs := freeport.Addrs(t, 3*Nodes)
	copy(c.Addrs[:], addrs)
	copy(peers[:], addrs[Nodes:])
	copy(clients[:], addrs[2*Nodes:])
	routes := `"nats://` + strings.Join(peers[:], `", "nats://`) + `"`
	for i := range Nodes {
		dir := t.TempDir()
		c.files[i] = filepath.Join(dir, "nats.conf")
		text := fmt.Sprintf(config, i+1, clients[i], filepath.Join(dir, "jetstream"), peers[i], routes, c.Addrs[i])
		if err := os.WriteFile(c.files[i], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.begin(t, i)
		t.Cleanup(func() { c.Stop(i, syscall.SIGKILL) })
	}
	for i := range Nodes {
		c.await(t, i)
	}
	return c
}

func (c *Cluster) begin(t testing.TB, i int) {
	t.Helper()
	log, err := os.OpenFile(strings.TrimSuffix(c.files[i], "conf")+"log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c.cmds[i] = exec.Command("nats-server", "-c", c.files[i])
	c.cmds[i].Stdout, c.cmds[i].Stderr = log, log
	if err := c.cmds[i].Start(); err != nil {
		t.Fatalf("%s is set, but nats-server does not start: %v", Variable, err)
	}
}

// await waits until a node takes an MQTT client: it needs the cluster for that.
func (c *Cluster) await(t testing.TB, i int) {
	t.Helper()
	var err error
	for end := time.Now().Add(started); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		var client *mqttclient.Client
		client, err = mqttclient.Dial(ctx, c.Addrs[i], fmt.Sprintf("await-%d", i), "", "")
		cancel()
		if err == nil {
			_ = client.Close()
			return
		}
	}
	said, _ := os.ReadFile(strings.TrimSuffix(c.files[i], "conf") + "log")
	t.Fatalf("node %d takes no MQTT client: %v\n%s", i+1, err, said[max(0, len(said)-3000):])
}

// Stop ends a node.
func (c *Cluster) Stop(i int, signal syscall.Signal) {
	if c.cmds[i] == nil {
		return
	}
	_ = c.cmds[i].Process.Signal(signal)
	_ = c.cmds[i].Wait()
	c.cmds[i] = nil
}

// Restart starts a node that was stopped, and waits until it serves MQTT.
func (c *Cluster) Restart(t testing.TB, i int) {
	t.Helper()
	c.begin(t, i)
	c.await(t, i)
}
