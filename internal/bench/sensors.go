package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

// sensorMessages is how many are sent for one figure of CPU.
const sensorMessages = 100_000

// sensors measures the CPU of one sensor message, from its bytes to its commit
// and acknowledgement: what the process spends beyond the sender and a broker
// that acknowledges at once and stores nothing.
func sensors(ctx context.Context, e *env) ([]Row, error) {
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
	floor, err := sensorCPU(ctx, e.share(sensorMessages), bare.Addr().String(), n)
	if err := errors.Join(err, bare.Close(ctx)); err != nil {
		return nil, err
	}
	dir, err := e.dir("sensors")
	if err != nil {
		return nil, err
	}
	a, err := e.start(ctx, dir)
	if err != nil {
		return nil, err
	}
	got, err := sensorCPU(ctx, e.share(sensorMessages), a.MQTT.String(), n)
	if err := errors.Join(err, a.Close(ctx)); err != nil {
		return nil, err
	}
	return []Row{
		{
			"CPU of a sensor message, decode to committed",
			micro(got - floor),
			fmt.Sprintf("sent, received and acknowledged uncommitted %s", micro(floor)),
			float64(got-floor) / float64(floor),
			"≤ 25 µs",
		},
	}, nil
}

// sensorCPU sends counts of the last hours and returns the process' CPU for each.
func sensorCPU(ctx context.Context, messages int, addr string, n *catalogue.Network) (time.Duration, error) {
	c, err := mqttclient.DialOptions(ctx, addr, mqttclient.Options{ClientID: "bench-sensors", Window: 1000})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	topics, payloads, err := sensorLoad(n, messages)
	if err != nil {
		return 0, err
	}
	before := cpu()
	for i := range topics {
		if err := c.Publish(topics[i], payloads[i]); err != nil {
			return 0, err
		}
	}
	if err := c.Drain(ctx); err != nil {
		return 0, err
	}
	return (cpu() - before) / time.Duration(len(topics)), nil
}

// sensorLoad returns messages that are made before the clock runs.
func sensorLoad(n *catalogue.Network, messages int) (topics []string, payloads [][]byte, err error) {
	rng := rand.New(rand.NewPCG(1, 2))
	var counters []*catalogue.Device
	for i := range n.Devices {
		if n.Devices[i].Kind == catalogue.PeopleCounter {
			counters = append(counters, &n.Devices[i])
		}
	}
	start := time.Now().Add(-2 * time.Hour)
	for i := range messages {
		d := counters[i%len(counters)]
		m := &wire.Message{
			Topic: wire.Topic{Site: d.Site, Device: d.ID, What: wire.Count},
			ID:    uuid.Must(uuid.NewV7()),
			At:    start.Add(time.Duration(i) * 50 * time.Millisecond),
			Count: rng.IntN(20),
		}
		p, err := m.Encode()
		if err != nil {
			return nil, nil, err
		}
		topics, payloads = append(topics, m.Topic.String()), append(payloads, p)
	}
	return topics, payloads, nil
}

// cpu returns the user and system time that the process has spent.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
