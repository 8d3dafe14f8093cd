package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

const (
	latencyRate    = 200 // reads a second
	latencyReaders = 50
	windowOne      = 200 // messages unacknowledged at once on one connection
	connections    = 50
	// settle is the time between a service's start and the measurement.
	settle = time.Second
)

// everyone accepts every client of this machine, as the demo does.
type everyone struct{}

func (everyone) Authenticate(string, []byte) (broker.Principal, bool) {
	return broker.Principal{Anonymous: true}, true
}

// latency measures the time from publishing a badge to receiving the decision. It compares
// that with the least possible: an echo through the same broker, plus one fsync.
func latency(ctx context.Context, e *env) ([]Row, error) {
	n, err := catalogue.Default()
	if err != nil {
		return nil, err
	}
	echo, err := echoTimes(ctx, e, n)
	if err != nil {
		return nil, fmt.Errorf("measure an echo through the broker: %w", err)
	}
	sync, err := fsyncTime(e.Dir)
	if err != nil {
		return nil, fmt.Errorf("measure a write to the disk: %w", err)
	}
	dir, err := e.dir("latency")
	if err != nil {
		return nil, err
	}
	a, err := e.start(ctx, dir)
	if err != nil {
		return nil, err
	}
	got, err := roundTrips(ctx, a.MQTT.String(), n, e.For, "decision")
	if err := errors.Join(err, a.Close(ctx)); err != nil {
		return nil, err
	}
	row := func(name string, q, most float64) Row {
		floor := quantile(echo, q) + sync
		return Row{
			fmt.Sprintf("publish → decision at the reader, %d/s over %d readers, %s", latencyRate, latencyReaders, name),
			micro(quantile(got, q)),
			fmt.Sprintf("echo %s + fsync %s", micro(quantile(echo, q)), micro(sync)),
			float64(quantile(got, q)) / float64(floor),
			fmt.Sprintf("≤ %g ×", most),
		}
	}
	return []Row{row("p50", 0.5, 2), row("p99", 0.99, 4)}, nil
}

// echoTimes sends the same load through a broker that answers at once and
// stores nothing.
func echoTimes(ctx context.Context, e *env, n *catalogue.Network) ([]time.Duration, error) {
	var b *broker.Embedded
	b, err := broker.NewEmbedded(
		broker.EmbeddedConfig{Listen: "127.0.0.1:0", Network: n, Auth: everyone{}, AllowAnonymous: true, Log: e.log,
			Handler: func(d broker.Delivery) {
				t, err := wire.ParseUp(d.Topic)
				if err == nil {
					t.What = wire.Decision
					err = b.Publish(t.String(), d.Payload, false)
				}
				if err == nil {
					d.Ack()
				}
			}},
	)
	if err != nil {
		return nil, err
	}
	if err := b.Start(); err != nil {
		return nil, err
	}
	times, err := roundTrips(ctx, b.Addr().String(), n, e.For, "echo")
	return times, errors.Join(err, b.Close(ctx))
}

// roundTrips badges at a steady rate from many readers and measures the
// answers.
func roundTrips(
	ctx context.Context,
	addr string,
	n *catalogue.Network,
	length time.Duration,
	name string,
) ([]time.Duration, error) {
	var mu sync.Mutex
	sent, times := map[uuid.UUID]time.Time{}, []time.Duration(nil)
	type reader struct {
		c     *mqttclient.Client
		topic string
	}
	var readers []reader
	for _, d := range n.Devices {
		if d.Kind != catalogue.Reader || d.Direction != catalogue.In || len(readers) == latencyReaders {
			continue
		}
		c, err := mqttclient.Dial(ctx, addr, "bench-"+name+"-"+string(d.ID), "", "")
		if err != nil {
			return nil, err
		}
		defer c.Close()
		t := wire.Topic{Site: d.Site, Device: d.ID, What: wire.Decision}
		err = c.Subscribe(ctx, t.String(), func(_ string, p []byte) {
			now := time.Now()
			id := requestOf(p)
			mu.Lock()
			defer mu.Unlock()
			if began, ok := sent[id]; ok {
				times = append(times, now.Sub(began))
				delete(sent, id)
			}
		})
		if err != nil {
			return nil, err
		}
		t.What = wire.Badge
		readers = append(readers, reader{c, t.String()})
	}
	if len(readers) == 0 {
		return nil, errors.New("the catalogue has no readers")
	}
	time.Sleep(settle)
	tick := time.NewTicker(time.Second / latencyRate)
	defer tick.Stop()
	for i := range int(length.Seconds() * latencyRate) {
		<-tick.C
		id := uuid.New()
		payload := badge(id)
		mu.Lock()
		sent[id] = time.Now()
		mu.Unlock()
		r := readers[i%len(readers)]
		if err := r.c.Publish(r.topic, payload); err != nil {
			return nil, err
		}
	}
	for range 200 {
		mu.Lock()
		left := len(sent)
		mu.Unlock()
		if left == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(sent) > 0 {
		return nil, fmt.Errorf("%d badges were not answered within 2 s", len(sent))
	}
	slices.Sort(times)
	return times, nil
}

func badge(id uuid.UUID) []byte {
	return fmt.Appendf(nil, `{"id":"%s","at":"%s","credential":"04A1B2C3"}`, id, wire.FormatTime(time.Now()))
}

// requestOf finds the first UUID in an echo or a decision: the read's id.
func requestOf(p []byte) uuid.UUID {
	for i := 0; i+37 < len(p); i++ {
		if p[i] == '"' && p[i+37] == '"' {
			if id, err := uuid.ParseBytes(p[i+1 : i+37]); err == nil {
				return id
			}
		}
	}
	return uuid.Nil
}

// fsyncTime returns the median of appending a page to a file and syncing it.
func fsyncTime(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	page := make([]byte, 4096)
	var times []time.Duration
	for range 300 {
		began := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	return quantile(times, 0.5), nil
}

// throughput measures messages committed and acknowledged a second, badges and
// sensors in turn, beside the same load acknowledged by a bare broker.
func throughput(ctx context.Context, e *env) ([]Row, error) {
	n, err := catalogue.Default()
	if err != nil {
		return nil, err
	}
	bare, err := broker.NewEmbedded(
		broker.EmbeddedConfig{Listen: "127.0.0.1:0", Network: n, Auth: everyone{}, AllowAnonymous: true, Log: e.log,
			Handler: func(d broker.Delivery) { d.Ack() }},
	)
	if err != nil {
		return nil, err
	}
	if err := bare.Start(); err != nil {
		return nil, err
	}
	defer bare.Close(ctx)
	var rows []Row
	for _, conns := range []int{1, connections} {
		floor, err := acked(ctx, bare.Addr().String(), n, conns, e.For)
		if err != nil {
			return nil, err
		}
		dir, err := e.dir(fmt.Sprintf("throughput-%d", conns))
		if err != nil {
			return nil, err
		}
		a, err := e.start(ctx, dir)
		if err != nil {
			return nil, err
		}
		got, err := acked(ctx, a.MQTT.String(), n, conns, e.For)
		if err := errors.Join(err, a.Close(ctx)); err != nil {
			return nil, err
		}
		rows = append(rows,
			Row{
				fmt.Sprintf("messages committed a second, %d connection(s), %d in flight", conns, windowOne),
				fmt.Sprintf("%.0f", got),
				fmt.Sprintf("acknowledged uncommitted %.0f", floor),
				got / floor,
				"≥ 10,000",
			},
		)
	}
	return rows, nil
}

func acked(ctx context.Context, addr string, n *catalogue.Network, conns int, length time.Duration) (float64, error) {
	var wg sync.WaitGroup
	errs := make([]error, conns)
	counts := make([]uint64, conns)
	began := time.Now()
	for i := range conns {
		wg.Go(func() { counts[i], errs[i] = send(ctx, addr, n, i, max(4, windowOne/conns), length) })
	}
	wg.Wait()
	var total uint64
	for _, c := range counts {
		total += c
	}
	return float64(total) / time.Since(began).Seconds(), errors.Join(errs...)
}

func send(ctx context.Context, addr string, n *catalogue.Network, i, window int, length time.Duration) (uint64, error) {
	c, err := mqttclient.DialOptions(ctx,
		addr,
		mqttclient.Options{ClientID: fmt.Sprintf("bench-load-%d-%s", i, uuid.NewString()), Window: window},
	)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	var topics []string
	for _, d := range n.Devices {
		switch d.Kind {
		case catalogue.Reader:
			topics = append(topics, wire.Topic{Site: d.Site, Device: d.ID, What: wire.Badge}.String())
		case catalogue.PeopleCounter:
			topics = append(topics, wire.Topic{Site: d.Site, Device: d.ID, What: wire.Count}.String())
		}
	}
	end := time.Now().Add(length)
	for k := i; time.Now().Before(end); k++ {
		topic, id := topics[k%len(topics)], uuid.New()
		payload := badge(id)
		if topic[len(topic)-5:] == "count" {
			payload = fmt.Appendf(nil, `{"id":"%s","at":"%s","count":%d}`, id, wire.FormatTime(time.Now()), k%30)
		}
		if err := c.Publish(topic, payload); err != nil {
			return 0, err
		}
	}
	err = c.Drain(ctx)
	return c.Acked(), err
}
