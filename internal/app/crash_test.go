package app_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

// crashRounds is how many times the service is killed under load.
const crashRounds = 20

// serveEnv makes this test binary be the service: its value is the data
// folder; serveMQTT names an outside broker.
const (
	serveEnv  = "TOTEM_TEST_SERVE_DATA"
	serveMQTT = "TOTEM_TEST_SERVE_MQTT"
	// serveDatabase and serveKeys are the settings of services that take each
	// other's place.
	serveDatabase = "TOTEM_TEST_SERVE_DATABASE"
	serveKeys     = "TOTEM_TEST_SERVE_KEYS"
	// serveRelay is the address of a relay: the process is a relay then.
	serveRelay = "TOTEM_TEST_SERVE_RELAY"
	serveToken = "an-admin-token-for-processes"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveEnv); dir != "" {
		serveForCrash(dir)
		return
	}
	os.Exit(m.Run())
}

// serveForCrash runs the service as another process, says where it listens, and never ends by itself.
func serveForCrash(dir string) {
	cfg := app.Config{Data: dir, MQTTListen: "127.0.0.1:0", MQTTURL: os.Getenv(serveMQTT),
		DatabaseURL: os.Getenv(serveDatabase), Keys: os.Getenv(serveKeys), AdminToken: serveToken}
	if cfg.HTTP = os.Getenv(serveRelay); cfg.HTTP != "" {
		fmt.Println("ended", app.Relay(context.Background(), cfg, apptest.Discard()))
		return
	}
	cfg.HTTP = "127.0.0.1:0"
	a, err := app.Start(context.Background(), cfg, app.Options{Log: apptest.Discard(), Anonymous: true})
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println("listening", a.MQTT)
	fmt.Println("ended", a.Wait(context.Background()))
}

// crashed is what the outside world knows after a kill: which reads were
// acknowledged, and which decisions were heard.
type crashed struct {
	mu      sync.Mutex
	sent    map[uuid.UUID][]byte
	acked   map[uuid.UUID]bool
	decided map[uuid.UUID]wire.DecisionBody
}

func TestKillNeverLosesWhatWasAcknowledged(t *testing.T) {
	if testing.Short() {
		t.Log("not run: -short")
		return
	}
	dir := t.TempDir()
	cfg := apptest.Config(t)
	cfg.Data = dir
	a, err := app.Start(t.Context(), cfg, app.Options{Log: apptest.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	apptest.Settle(t, a)
	site, _ := a.Keys.Site("metz")
	apptest.Stop(t, a)

	known := &crashed{
		sent:    map[uuid.UUID][]byte{},
		acked:   map[uuid.UUID]bool{},
		decided: map[uuid.UUID]wire.DecisionBody{},
	}
	for range crashRounds {
		known.round(t, dir, site.Public())
	}
	known.check(t, dir)
}

// round starts the service, badges as fast as it goes, sends again some of
// what was sent before, and kills it at a random moment.
func (k *crashed) round(t *testing.T, dir string, key ed25519.PublicKey) {
	t.Helper()
	addr, kill := k.serve(t, dir)
	life := time.Duration(20+rand.IntN(250)) * time.Millisecond
	time.AfterFunc(life, kill)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { k.load(t, addr, key, i) })
	}
	wg.Wait()
	kill()
}

func (k *crashed) serve(t *testing.T, dir string) (addr string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), serveEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	kill = func() {
		once.Do(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
	}
	t.Cleanup(kill)
	line := make([]byte, 200)
	n, err := out.Read(line)
	word, addr, _ := strings.Cut(strings.TrimSpace(string(line[:n])), " ")
	if err != nil || word != "listening" {
		t.Fatalf("the service said %q: %v", line[:n], err)
	}
	return addr, kill
}

// load badges until the service is gone. Acknowledgements come in order of
// sending on one connection, which tells which message they are for.
func (k *crashed) load(t *testing.T, addr string, key ed25519.PublicKey, i int) {
	c, err := mqttclient.DialOptions(
		t.Context(),
		addr,
		mqttclient.Options{ClientID: fmt.Sprintf("crash-%d-%s", i, uuid.NewString()), Window: 1},
	)
	if err != nil {
		return // killed already
	}
	defer c.Close()
	if i == 0 {
		c.Subscribe(
			t.Context(),
			"totem/v1/metz/"+string(apptest.Reader)+"/decision",
			func(_ string, p []byte) { k.hear(t, key, p) },
		)
	}
	var flying uuid.UUID
	c.OnAck(func(time.Duration) {
		k.mu.Lock()
		k.acked[flying] = true
		k.mu.Unlock()
	})
	uids := []string{apptest.AliceUID, apptest.BobUID, apptest.RemiUID, "DEADBEEF"}
	for n := 0; ; n++ {
		id := uuid.New()
		payload := apptest.BadgeNow(id, uids[n%len(uids)])
		k.mu.Lock()
		if n%5 == 0 { // a repeat of an earlier one, from before a crash or after it
			for id, payload = range k.sent {
				break
			}
			if payload == nil {
				id = uuid.New()
				payload = apptest.BadgeNow(id, apptest.AliceUID)
			}
		}
		k.sent[id] = payload
		k.mu.Unlock()
		if err := c.Drain(t.Context()); err != nil {
			return
		}
		k.mu.Lock()
		flying = id
		k.mu.Unlock()
		if err := c.Publish(apptest.BadgeTopic(apptest.Reader), payload); err != nil {
			return
		}
	}
}

func (k *crashed) hear(t *testing.T, key ed25519.PublicKey, payload []byte) {
	d, err := wire.VerifyDecision(key, apptest.Reader, payload)
	if err != nil {
		t.Errorf("decision: %v", err)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if before, ok := k.decided[d.Request]; ok && before != d {
		t.Errorf("read %s was decided twice: %+v, then %+v", d.Request, before, d)
	}
	k.decided[d.Request] = d
}

// check holds the ledger against what the world knows.
func (k *crashed) check(t *testing.T, dir string) {
	t.Helper()
	l, err := ledger.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	times := map[uuid.UUID]int{}
	granted := map[uuid.UUID]string{}
	for after := (ledger.ReadCursor{}); ; {
		reads, err := l.Reads(t.Context(), ledger.ReadFilter{After: after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range reads {
			times[r.ID]++
			granted[r.ID] = fmt.Sprint(r.Granted, r.Reason)
			after = ledger.ReadCursor{At: r.At, Seq: r.Seq}
		}
		if len(reads) < 1000 {
			break
		}
	}
	for id := range k.acked {
		if times[id] != 1 {
			t.Errorf("read %s was acknowledged and is %d times in the ledger", id, times[id])
		}
	}
	for id, d := range k.decided {
		if times[id] != 1 || granted[id] != fmt.Sprint(d.Granted, d.Reason) {
			t.Errorf(
				"read %s was decided %t %s; the ledger has it %d times: %s",
				id,
				d.Granted,
				d.Reason,
				times[id],
				granted[id],
			)
		}
	}
	audit, err := l.Verify(t.Context(), nil)
	if err != nil || !audit.OK {
		t.Errorf("the chain does not verify: %+v, %v", audit, err)
	}
	if len(k.acked) < crashRounds*10 || len(k.decided) < crashRounds {
		t.Errorf("only %d reads acknowledged and %d decided: too few to prove anything", len(k.acked), len(k.decided))
	}
	t.Logf(
		"%d kills, %d reads sent, %d acknowledged, %d decisions heard, %d in the ledger",
		crashRounds,
		len(k.sent),
		len(k.acked),
		len(k.decided),
		len(times),
	)
}
