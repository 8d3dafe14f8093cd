package netfaults

import (
	"context"
	"encoding/hex"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/firmware-sim/reader"
	"github.com/lorntech/totem/internal/app"
	"github.com/lorntech/totem/internal/apptest"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

const (
	// ackWait is how long a device waits for acknowledgements before it takes its
	// connection for dead.
	ackWait = 3 * time.Second
	// retry is how long a device waits before it connects again.
	retry = 100 * time.Millisecond
)

// device sends messages until each is acknowledged, over as many connections as
// that takes.
type device struct {
	addr   string
	topics map[string]mqttclient.Message // what it subscribes to
	acked  func(id uuid.UUID)

	mu     sync.Mutex
	unsent []*sent
	wake   chan struct{}
}

type sent struct {
	id      uuid.UUID
	topic   string
	payload []byte
}

func newDevice(addr string) *device {
	return &device{addr: addr, wake: make(chan struct{}, 1), acked: func(uuid.UUID) {}}
}

// send queues a message. A read that its reader has decided is sent again, with the
// same id.
func (d *device) send(id uuid.UUID, topic string, payload []byte) {
	d.mu.Lock()
	d.unsent = append(d.unsent, &sent{id, topic, payload})
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// left returns how many messages are not acknowledged.
func (d *device) left() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.unsent)
}

func (d *device) run(ctx context.Context) {
	for ctx.Err() == nil {
		d.connection(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

// connection sends over one connection until it fails.
func (d *device) connection(ctx context.Context) {
	c, err := d.dial(ctx)
	if err != nil {
		return
	}
	defer c.Cut()
	for {
		d.mu.Lock()
		batch := append([]*sent(nil), d.unsent[:min(len(d.unsent), 50)]...)
		d.mu.Unlock()
		if len(batch) == 0 {
			select {
			case <-ctx.Done():
				return
			case <-c.Done():
				return
			case <-d.wake:
			}
			continue
		}
		if !deliver(ctx, c, batch) {
			return
		}
		d.mu.Lock()
		d.unsent = d.unsent[len(batch):]
		d.mu.Unlock()
		for _, m := range batch {
			d.acked(m.id)
		}
	}
}

func (d *device) dial(ctx context.Context) (*mqttclient.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, ackWait)
	defer cancel()
	c, err := mqttclient.DialOptions(ctx, d.addr, mqttclient.Options{ClientID: "device-" + uuid.NewString(), Window: 50})
	if err != nil {
		return nil, err
	}
	for filter, handle := range d.topics {
		if err := c.Subscribe(ctx, filter, handle); err != nil {
			c.Cut()
			return nil, err
		}
	}
	return c, nil
}

// deliver reports whether every message was acknowledged in time.
func deliver(ctx context.Context, c *mqttclient.Client, batch []*sent) bool {
	for _, m := range batch {
		if c.Publish(m.topic, m.payload) != nil {
			return false
		}
	}
	ctx, cancel := context.WithTimeout(ctx, ackWait)
	defer cancel()
	return c.Drain(ctx) == nil
}

// door is a reader with its firmware, at which people badge.
type door struct {
	*device
	base string

	mu       sync.Mutex
	firmware *reader.Reader
	outcomes map[uuid.UUID]chan reader.Outcome
	listed   bool // whether its list names Alice: the first one was made before she came
}

// newDoor connects the street door's reader to the broker at addr.
func newDoor(t *testing.T, a *app.App, addr string) *door {
	t.Helper()
	dev := a.Network.Device(apptest.Reader)
	site, _ := a.Keys.Site(dev.Site)
	alice, err := hex.DecodeString(apptest.AliceUID)
	if err != nil {
		t.Fatal(err)
	}
	d := &door{
		device: newDevice(addr), base: "totem/v1/metz/" + string(dev.ID), outcomes: map[uuid.UUID]chan reader.Outcome{},
		firmware: reader.New(reader.Config{
			Device: dev.ID, Site: dev.Site, Door: dev.Door, Direction: dev.Direction, SiteKey: site.Public(),
			ListKey: a.Keys.List(), Boot: uuid.New(), NewID: uuid.New,
		}),
	}
	d.topics = map[string]mqttclient.Message{
		d.base + "/decision": func(_ string, p []byte) {
			d.mu.Lock()
			defer d.mu.Unlock()
			if o := d.firmware.Decision(p, time.Now()); o != nil {
				d.opened(*o)
			}
		},
		d.base + "/allowlist": func(_ string, p []byte) {
			d.mu.Lock()
			defer d.mu.Unlock()
			if !d.firmware.Allowlist(p) {
				return
			}
			l, err := wire.VerifyList(site.Public(), dev.ID, p)
			d.listed = err == nil && l.Rights(wire.HashCredential(a.Keys.List(), wire.Credential{Bytes: alice})) != nil
		},
	}
	d.acked = func(id uuid.UUID) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.firmware.Acknowledged(id)
	}
	return d
}

// tick lets the firmware decide alone what has waited long enough.
func (d *door) tick(ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
		d.mu.Lock()
		outcomes, messages := d.firmware.Tick(time.Now())
		for _, o := range outcomes {
			d.opened(o)
		}
		d.mu.Unlock()
		d.publish(messages...)
	}
}

// opened tells who badged; the caller holds mu.
func (d *door) opened(o reader.Outcome) {
	if c := d.outcomes[o.Request]; c != nil {
		c <- o
		delete(d.outcomes, o.Request)
	}
}

func (d *door) publish(messages ...*wire.Message) {
	for _, m := range messages {
		payload, err := m.Encode()
		if err != nil {
			panic(err) // the firmware makes no message that cannot be written
		}
		d.send(m.ID, m.Topic.String(), payload)
	}
}

// badge shows a card and returns what the door did, and after how long.
func (d *door) badge(uid []byte) (id uuid.UUID, o reader.Outcome, took time.Duration) {
	began := time.Now()
	c := make(chan reader.Outcome, 1)
	d.mu.Lock()
	m, _ := d.firmware.Badge(wire.Credential{Bytes: uid}, began)
	d.outcomes[m.ID] = c
	d.mu.Unlock()
	d.publish(m)
	o = <-c
	return m.ID, o, time.Since(began)
}

// ready reports whether the door's list lets Alice pass.
func (d *door) ready() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.listed
}
