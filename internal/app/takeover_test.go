package app_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/broker/mosquittotest"
	"github.com/lorntech/totem/internal/broker/natstest"
	"github.com/lorntech/totem/internal/freeport"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/ledger/pgtest"
)

// machine is a service in a process of its own, on a database that it shares.
type machine struct {
	cmd  *exec.Cmd
	says chan string // listening, ended, failed
}

// boot starts a machine; it serves once no other one does.
func boot(t *testing.T, settings ...string) *machine {
	t.Helper()
	m := &machine{cmd: exec.Command(os.Args[0], "-test.run=^$"), says: make(chan string, 10)}
	m.cmd.Env = append(append(os.Environ(), serveEnv+"="+t.TempDir()), settings...)
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.signal(syscall.SIGKILL); _ = m.cmd.Wait() })
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			m.says <- lines.Text()
		}
		close(m.says)
	}()
	return m
}

func (m *machine) signal(s syscall.Signal) { _ = m.cmd.Process.Signal(s) }

// await waits until a machine says a word.
func (m *machine) await(t *testing.T, word string, within time.Duration) {
	t.Helper()
	timer := time.After(within)
	for {
		select {
		case line, open := <-m.says:
			if strings.HasPrefix(line, word) {
				return
			}
			if !open || strings.HasPrefix(line, "failed") {
				t.Fatalf("a machine said %q, want %q", line, word)
			}
		case <-timer:
			t.Fatalf("not within %s: %s", within, word)
		}
	}
}

// successor waits until one of the machines serves, and returns it and the rest.
func successor(
	t *testing.T,
	waiting []*machine,
	within time.Duration,
) (owner *machine, rest []*machine, took time.Duration) {
	t.Helper()
	began := time.Now()
	for time.Since(began) < within {
		for i, m := range waiting {
			select {
			case line := <-m.says:
				if strings.HasPrefix(line, "listening") {
					return m, append(waiting[:i:i], waiting[i+1:]...), time.Since(began)
				}
				t.Fatalf("a waiting machine said %q", line)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	t.Fatalf("nobody has taken over within %s", within)
	return nil, nil, 0
}

// The limits: after a machine has died, and after it was stopped, until
// another one serves.
const (
	afterDeath = 5 * time.Second
	afterStop  = 10 * time.Second
)

// catchUp is how long a service may go without committing any of what waits.
const catchUp = 60 * time.Second

// Three machines and two relays on one database and one broker: the machine that
// serves dies, is stopped, and PostgreSQL itself dies, under load. Another one serves
// within seconds, the stopped one writes nothing when it wakes, and what the broker
// acknowledged is in the ledger once. Whichever relay was asked, a change of rights that
// was answered decides the next read, and the streams of both tell every decision.
func TestAnotherMachineTakesOver(t *testing.T) {
	pgtest.Need(t)
	t.Run("Mosquitto", func(t *testing.T) {
		if !mosquittotest.Wanted() {
			t.Skip("not run: needs Mosquitto; set " + mosquittotest.Variable + "=1 (.ci/run and make integration do)")
		}
		m := mosquittotest.Start(t)
		takeOver(t, [natstest.Nodes]string{m.Addr, m.Addr, m.Addr}, "mqtt://"+m.Addr, func(int) {})
	})
	t.Run("NATS", func(t *testing.T) {
		if !natstest.Wanted() {
			t.Skip("not run: needs NATS; set " + natstest.Variable + "=1 (.ci/nats does)")
		}
		c := natstest.Start(t)
		url := "mqtt://" + strings.Join(c.Addrs[:], ",mqtt://")
		takeOver(t, c.Addrs, url, func(round int) {
			node := round % natstest.Nodes
			c.Stop(node, syscall.SIGKILL)
			c.Restart(t, node)
		})
	})
}

// A machine that could not take over, because its keys are not the ledger's, does
// not wait: it ends and says so.
func TestAMachineWithOtherKeysDoesNotWait(t *testing.T) {
	pgtest.Need(t)
	cfg := apptest.Config(t)
	cfg.DatabaseURL = pgtest.Start(t).Database(t)
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	other := cfg
	other.Data = t.TempDir()
	_, err := app.Start(t.Context(), other, app.Options{Log: apptest.Discard()})
	if err == nil || !strings.Contains(err.Error(), "keys.json") {
		t.Errorf("without keys: %v", err)
	}
	if _, err := keys.Open(keys.Path(other.Data), a.Network.Sites, nil, false); err != nil {
		t.Fatal(err)
	}
	if _, err = app.Start(t.Context(), other, app.Options{Log: apptest.Discard()}); err == nil {
		t.Error("other keys: it started")
	}
}

// A machine that is stopped while it waits has not failed.
func TestAMachineThatWaitsEndsCleanly(t *testing.T) {
	pgtest.Need(t)
	cfg := apptest.Config(t)
	cfg.DatabaseURL = pgtest.Start(t).Database(t)
	apptest.Start(t, cfg)
	other := cfg
	other.Data, other.Keys = t.TempDir(), cfg.KeysFile()
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	if err := app.Serve(ctx, other, apptest.Discard()); err != nil {
		t.Errorf("stopped while it waited: %v", err)
	}
}

// takeOver is the test over one broker: its nodes, its URL, and what kills one.
func takeOver(t *testing.T, nodes [natstest.Nodes]string, url string, killNode func(round int)) {
	server := pgtest.Start(t)
	database := server.Database(t)
	cfg := apptest.Config(t)
	cfg.DatabaseURL, cfg.Keys = database, filepath.Join(t.TempDir(), "keys.json")
	a := apptest.Start(t, cfg)
	apptest.Settle(t, a)
	ring := a.Keys
	apptest.Stop(t, a)
	settings := []string{serveMQTT + "=" + url, serveDatabase + "=" + database, serveKeys + "=" + cfg.Keys}
	owner := boot(t, settings...)
	owner.await(t, "listening", 30*time.Second)
	time.Sleep(time.Second) // it subscribes; from then on the broker keeps its session
	waiting := []*machine{boot(t, settings...), boot(t, settings...)}
	var relays [2]string
	for i := range relays {
		addr := freeport.Addr(t)
		boot(t, append(settings, serveRelay+"="+addr)...)
		relays[i] = "http://" + addr
	}
	witness, endChanges := startWitness(t, relays, nodes, ring)
	load := startLoad(t, nodes)
	load.await(t, 100)
	var died, stopped []time.Duration
	for round := range rounds(t) {
		owner.signal(syscall.SIGKILL)
		var took time.Duration
		owner, waiting, took = successor(t, waiting, afterDeath)
		died = append(died, took)
		waiting = append(waiting, boot(t, settings...))
		load.await(t, 100)

		sleeper := owner
		sleeper.signal(syscall.SIGSTOP)
		owner, waiting, took = successor(t, waiting, afterStop)
		stopped = append(stopped, took)
		load.await(t, 100)
		sleeper.signal(syscall.SIGCONT)
		sleeper.await(t, "ended", 30*time.Second)

		server.Kill(syscall.SIGQUIT) // as kill -9 of every server process
		time.Sleep(500 * time.Millisecond)
		server.Begin(t)
		// A machine that is started while PostgreSQL is away ends, and systemd starts it again.
		waiting = append(waiting, boot(t, settings...))
		load.await(t, 100)
		killNode(round)
		load.await(t, 100)
	}
	t.Logf("another one served %v after a death, %v after a stop", died, stopped)
	acked := load.end()
	apptest.Eventually(t, "a read that is decided", witness.decidedSome)
	endChanges()
	witness.check(t)
	l, err := ledger.Open(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	have := map[uuid.UUID]int{}
	end, fewest := time.Now().Add(catchUp), len(acked)
	for ; ; time.Sleep(500 * time.Millisecond) {
		clear(have)
		for after := int64(0); ; {
			page, err := l.ObservationsPage(t.Context(), after, 10_000)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page {
				have[o.ID]++
				after = o.Seq
			}
			if len(page) == 0 {
				break
			}
		}
		missing := 0
		for _, id := range acked {
			if have[id] == 0 {
				missing++
			}
		}
		if missing == 0 {
			break
		}
		if missing < fewest { // what the broker has kept comes in, as fast as this machine commits
			end, fewest = time.Now().Add(catchUp), missing
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d acknowledged messages are not in the ledger", missing, len(acked))
		}
	}
	for id, n := range have {
		if n != 1 {
			t.Errorf("%s is there %d times", id, n)
		}
	}
	if audit, err := l.Verify(t.Context(), nil); err != nil || !audit.OK {
		t.Errorf("the chain: %+v, %v", audit, err)
	}
	t.Logf("%d acknowledged messages, each in the ledger once", len(acked))
}

// rounds returns how often each fault comes: once, or for the time that
// TOTEM_TEST_CLUSTER asks for (make cluster).
func rounds(t *testing.T) func(yield func(int) bool) {
	long, err := time.ParseDuration(os.Getenv("TOTEM_TEST_CLUSTER"))
	began := time.Now()
	return func(yield func(int) bool) {
		for i := 0; i == 0 || err == nil && time.Since(began) < long; i++ {
			t.Logf("round %d", i+1)
			if !yield(i) {
				return
			}
		}
	}
}
