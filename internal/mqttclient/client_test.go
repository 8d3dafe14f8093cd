package mqttclient

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

func TestFiltersMatchAsMQTTSays(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true}, {"a/b", "a/c", false}, {"a/b", "a/b/c", false}, {"a/b/c", "a/b", false},
		{"a/+", "a/b", true}, {"a/+", "a/", true}, {"a/+", "a", false}, {"a/+", "a/b/c", false}, {"+/+", "a/b", true}, {"+", "a", true},
		{"#", "a/b/c", true}, {"a/#", "a/b/c", true}, {"a/#", "a", true}, {"a/#", "b", false}, {"a/+/#", "a/b", true}, {"a/+/#", "a", false},
	} {
		if got := matches(c.filter, c.topic); got != c.want {
			t.Errorf("%s covers %s: %v", c.filter, c.topic, got)
		}
	}
}

// What we encode, mochi's decoder reads.
func TestPacketsAreAsMQTTSays(t *testing.T) {
	decode := func(b []byte, f func(*packets.Packet, []byte) error) packets.Packet {
		t.Helper()
		head, body, err := readPacket(bufio.NewReader(bytes.NewReader(b)), nil)
		if err != nil {
			t.Fatal(err)
		}
		pk := packets.Packet{ProtocolVersion: 4}
		if err := pk.FixedHeader.Decode(head); err != nil {
			t.Fatal(err)
		}
		if err := f(&pk, body); err != nil {
			t.Fatal(err)
		}
		return pk
	}
	o := Options{
		ClientID:   "id",
		Username:   "user",
		Password:   "pass",
		WillTopic:  "t/w",
		Will:       []byte("gone"),
		KeepAlive:  90 * time.Second,
		Persistent: true,
	}
	c := decode(connect(&o), (*packets.Packet).ConnectDecode).Connect
	if c.ClientIdentifier != "id" || string(c.Username) != "user" || string(c.Password) != "pass" ||
		c.WillTopic != "t/w" ||
		string(c.WillPayload) != "gone" ||
		c.WillQos != 1 ||
		c.Keepalive != 90 ||
		c.Clean {
		t.Errorf("CONNECT %+v", c)
	}
	big := bytes.Repeat([]byte("x"), 70_000)
	p := decode(appendPublish(nil, 0x33, 515, "a/b", big), (*packets.Packet).PublishDecode)
	if p.TopicName != "a/b" || p.PacketID != 515 || !bytes.Equal(p.Payload, big) || p.FixedHeader.Qos != 1 ||
		!p.FixedHeader.Retain {
		t.Errorf("PUBLISH %+v", p.FixedHeader)
	}
	s := decode(appendSubscribe(nil, 7, "a/+"), (*packets.Packet).SubscribeDecode)
	if s.PacketID != 7 || len(s.Filters) != 1 || s.Filters[0].Filter != "a/+" || s.Filters[0].Qos != 1 {
		t.Errorf("SUBSCRIBE %+v", s.Filters)
	}
}

// server answers a CONNECT with the bytes given and hands its side over.
func server(t *testing.T, connack string) (client, far net.Conn) {
	t.Helper()
	client, far = net.Pipe()
	t.Cleanup(func() { _ = client.Close(); _ = far.Close() })
	go func() {
		if _, _, err := readPacket(bufio.NewReader(far), nil); err == nil {
			_, _ = far.Write([]byte(connack))
		}
	}()
	return client, far
}

func TestRefusedConnectSaysWhy(t *testing.T) {
	nc, _ := server(t, "\x20\x02\x00\x05")
	var refused *ConnectError
	if _, err := Connect(t.Context(), nc, Options{}); !errors.As(err, &refused) || refused.Code != 5 {
		t.Fatal(err)
	}
	nc, _ = server(t, "H\x02TP")
	if _, err := Connect(t.Context(), nc, Options{}); err == nil {
		t.Fatal("no MQTT broker, and connected")
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	nc, _ := server(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := Connect(ctx, nc, Options{}); err == nil {
		t.Fatal("connected")
	}
}

func TestPublishWaitsForItsWindowAndEndsWithTheConnection(t *testing.T) {
	nc, far := server(t, "\x20\x02\x00\x00")
	c, err := Connect(t.Context(), nc, Options{Window: 2})
	if err != nil {
		t.Fatal(err)
	}
	go func() { // reads and never acknowledges
		in := bufio.NewReader(far)
		for {
			if _, _, err := readPacket(in, nil); err != nil {
				return
			}
		}
	}()
	for range 2 {
		if err := c.Publish("t", nil); err != nil {
			t.Fatal(err)
		}
	}
	third := make(chan error, 1)
	go func() { third <- c.Publish("t", nil) }()
	select {
	case err := <-third:
		t.Fatalf("a third went out: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	_, _ = far.Write([]byte{0x40, 2, 0, 1})
	if err := <-third; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := c.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	_ = far.Close()
	<-c.Done()
	if err := c.Drain(t.Context()); err == nil {
		t.Fatal("drained without an answer")
	}
	if c.Err() == nil || c.Acked() != 1 {
		t.Fatalf("%v, %d acknowledged", c.Err(), c.Acked())
	}
}

func FuzzBrokerAnswers(f *testing.F) {
	f.Add([]byte("\x20\x02\x00\x00\x40\x02\x00\x01\x32\x07\x00\x01t\x00\x01hi\x90\x03\x00\xc9\x01\xd0\x00"))
	f.Add([]byte("\x20\x02\x00\x00\x30\x02\x00\x09\x32\x03\x00\x01t\x40\x02\xff\xff\x40\x01\x00"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		nc, far := net.Pipe()
		go func() {
			_ = far.SetDeadline(time.Now().Add(5 * time.Second))
			if _, _, err := readPacket(bufio.NewReader(far), nil); err == nil {
				_, _ = far.Write(data)
			}
			_ = far.Close()
		}()
		c, err := Connect(
			context.Background(),
			nc,
			Options{Window: 2, Routes: map[string]Message{"#": func(string, []byte) {}}},
		)
		if err != nil {
			return
		}
		_ = c.Publish("t", nil)
		<-c.Done()
	})
}
