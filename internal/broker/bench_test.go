package broker

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/broker/mosquittotest"
	"github.com/lorntech/totem/internal/mqttclient"
)

var badge = []byte(
	`{"id":"0192f0c1-2222-7333-8444-555566667777","at":"2026-11-02T08:15:00.000Z","credential":"04A1B2C3D4E5F6","seq":1234,"boot":"0192f0c1-1111-7333-8444-555566667777"}`,
)

// atOnce acknowledges what it is handed, as a ledger without a disk would.
func atOnce(c *EmbeddedConfig) { c.Handler = func(d Delivery) { d.Ack() } }

// unlimited lifts the rates, which would be measured otherwise.
func unlimited(c *EmbeddedConfig) { c.Limits.DeviceRate, c.Limits.GatewayRate = 1e9, 1e9 }

// One gateway, 200 messages on the way. The sender runs on the same cores.
func BenchmarkAcknowledgedOneConnection(b *testing.B) {
	r := start(b, atOnce, unlimited)
	c := r.dial(b, "metz-gateway")
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := c.Publish("totem/v1/metz/metz-in/badge", badge); err != nil {
			b.Fatal(err)
		}
	}
	if err := c.Drain(soon(b)); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// Fifty connections, 20 messages on the way on each.
func BenchmarkAcknowledgedFiftyConnections(b *testing.B) {
	r := start(b, atOnce, unlimited)
	var clients []*mqttclient.Client
	for i := range 50 {
		clients = append(clients,
			r.dial(b, "metz-in", named(fmt.Sprintf("metz-in:%d", i)), func(o *mqttclient.Options) { o.Window = 20 }),
		)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for i, c := range clients {
		all.Go(func() {
			for range b.N/50 + min(1, max(0, b.N%50-i)) {
				if err := c.Publish("totem/v1/metz/metz-in/badge", badge); err != nil {
					b.Error(err)
					return
				}
			}
			if err := c.Drain(soon(b)); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// A badge and the decision on it, through the broker and back, one at a time.
func BenchmarkEcho(b *testing.B) {
	var r *rig
	r = start(b, unlimited, func(c *EmbeddedConfig) {
		c.Handler = func(d Delivery) {
			d.Ack()
			if err := r.Publish("totem/v1/metz/metz-in/decision", badge, false); err != nil {
				b.Error(err)
			}
		}
	})
	c := r.dial(b, "metz-in")
	answered := make(chan struct{}, 1)
	if err := c.Subscribe(
		soon(b),
		"totem/v1/metz/metz-in/decision",
		func(string, []byte) { answered <- struct{}{} },
	); err != nil {
		b.Fatal(err)
	}
	worst := time.Duration(0)
	b.ResetTimer()
	for range b.N {
		began := time.Now()
		if err := c.Publish("totem/v1/metz/metz-in/badge", badge); err != nil {
			b.Fatal(err)
		}
		<-answered
		worst = max(worst, time.Since(began))
	}
	b.ReportMetric(float64(worst.Microseconds()), "worst-µs")
}

// Publishing to a topic that one client in 250 listens to.
func BenchmarkPublish(b *testing.B) {
	r := start(b)
	for i := range 250 {
		topic := "totem/v1/metz/metz-in/command"
		if i == 0 {
			topic = "totem/v1/metz/metz-in/decision"
		}
		c := r.dial(b, "metz-in", named(fmt.Sprintf("metz-in:%d", i)))
		if err := c.Subscribe(soon(b), topic, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := r.Publish("totem/v1/metz/metz-in/decision", badge, false); err != nil {
			b.Fatal(err)
		}
	}
}

// Through a real Mosquitto and paho, acknowledged at once.
func BenchmarkOutsideAcknowledged(b *testing.B) {
	if !mosquittotest.Wanted() {
		b.Logf("not run: set %s=1", mosquittotest.Variable)
		return
	}
	m := mosquittotest.Start(b)
	var taken atomic.Int64
	all := make(chan struct{})
	connectOutside(b, "mqtt://"+m.Addr, func(c *OutsideConfig) {
		c.Handler = func(d Delivery) {
			d.Ack()
			if taken.Add(1) == int64(b.N) {
				close(all)
			}
		}
	})
	c := guest(b, m.Addr, "sender")
	b.ResetTimer()
	for range b.N {
		if err := c.Publish("totem/v1/metz/metz-in/badge", badge); err != nil {
			b.Fatal(err)
		}
	}
	next(b, all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// What a connected client costs that says nothing, in memory. Both ends of the connection are
// in this process: the floor is two ends with a goroutine each that waits to read.
func BenchmarkIdleConnection(b *testing.B) {
	const clients = 2000
	used := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc + m.StackInuse)
	}
	connect := func(b *testing.B, addr string, talk func(c net.Conn, i int)) float64 {
		before := used()
		for i := range clients {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { c.Close() })
			if talk != nil {
				talk(c, i)
			}
		}
		time.Sleep(100 * time.Millisecond)
		return (used() - before) / clients
	}
	b.Run("floor", func(b *testing.B) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() { _, _ = c.Read(make([]byte, 1)) }()
			}
		}()
		b.ReportMetric(connect(b, l.Addr().String(), nil)/1024, "KB/conn")
	})
	b.Run("broker", func(b *testing.B) {
		r := start(b, func(c *EmbeddedConfig) { c.AllowAnonymous = true; c.Limits.Clients = 2 * clients })
		got := connect(b, r.Addr().String(), func(c net.Conn, i int) {
			id := fmt.Sprintf("client%06d", i)
			packet := append([]byte{0x10, byte(12 + len(id)), 0, 4}, "MQTT\x04\x02\x00\x00\x00"...)
			packet = append(append(packet, byte(len(id))), id...)
			if _, err := c.Write(packet); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
				b.Fatal(i, err)
			}
		})
		b.ReportMetric(got/1024, "KB/conn")
	})
}
