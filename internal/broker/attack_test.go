package broker

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/mqttclient"
)

// raw speaks bytes to the broker.
type raw struct {
	net.Conn
	in *bufio.Reader
}

func (r *rig) raw(t testing.TB) *raw {
	t.Helper()
	c, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return &raw{c, bufio.NewReader(c)}
}

// send writes hexadecimal bytes, spaces ignored; what stands in single quotes is text.
func (c *raw) send(t testing.TB, packet string) {
	t.Helper()
	if _, err := c.Write(unhex(t, packet)); err != nil {
		t.Fatal(err)
	}
}

func unhex(t testing.TB, packet string) []byte {
	t.Helper()
	var out []byte
	for i, part := range strings.Split(packet, "'") {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		b, err := hex.DecodeString(strings.Join(strings.Fields(part), ""))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	return out
}

func (c *raw) expect(t testing.TB, packet string) {
	t.Helper()
	want := unhex(t, packet)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c.in, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got % x (%v), want % x", got, err, want)
	}
}

func (c *raw) expectEnd(t testing.TB) {
	t.Helper()
	rest, err := io.ReadAll(c.in)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || len(rest) > 0 {
		t.Fatalf("not ended: % x %v", rest, err)
	}
}

// loginMetzIn is a CONNECT with a clean session.
const loginMetzIn = "10 22 0004 'MQTT' 04 c2 003c 0007 'metz-in' 0007 'metz-in' 0004 's-in'"

func TestVersion5SubscribeOfSevenBytesEndsNothing(t *testing.T) {
	r := start(t)
	honest := r.dial(t, "metz-in")
	const connect5 = "10 16 0004 'MQTT' 05 c2 003c 00 0000 0002 'me' 0003 'any'"
	const subscribe = "82 05 0001 00 0000" // an empty filter and no options: mochi reads past the end

	c := r.raw(t)
	c.send(t, connect5+subscribe)
	head, err := c.in.ReadByte()
	if err != nil || head != 0x20 {
		t.Fatalf("%x %v", head, err)
	}
	rest, _ := io.ReadAll(c.in)
	if len(rest) < 3 || rest[2] != 0x84 {
		t.Fatalf("CONNACK % x, want unsupported protocol version", rest)
	}

	c = r.raw(t)
	c.send(t, "10 22 0004 'MQTT' 04 c2 003c 0008 'metz-out' 0008 'metz-out' 0002 's-'")
	c.expect(t, "20 02 00 05") // and a wrong password is refused with a code of 3.1.1
	c.expectEnd(t)

	c = r.raw(t)
	c.send(t, "10 0c 0006 'MQIsdp' 03 02 003c") // 3.1
	c.expectEnd(t)

	if err := honest.Publish("totem/v1/metz/metz-in/badge", nil); err != nil {
		t.Fatal(err)
	}
	next(t, r.deliver)
	if n := r.Stats().Panics; n != 0 {
		t.Fatalf("%d panics", n)
	}
}

func TestSevenBytesOnAnAdmittedConnectionDoNotPanicEither(t *testing.T) {
	r := start(t)
	c := r.raw(t)
	c.send(t, loginMetzIn)
	c.expect(t, "20 02 00 00")
	c.send(t, "82 05 0001 00 0000") // in 3.1.1: an empty filter with QoS 0
	c.expect(t, "90 03 0001 80")
	if n := r.Stats().Panics; n != 0 {
		t.Fatalf("%d panics", n)
	}
}

// fainting is an authenticator with a bug.
type fainting struct{ Authenticator }

func (f fainting) Authenticate(user string, password []byte) (Principal, bool) {
	if user == "metz-out" {
		panic("a bug")
	}
	return f.Authenticator.Authenticate(user, password)
}

func TestHandlerThatPanicsLeavesNothingBehind(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.Handler = func(Delivery) { panic("a bug") } })
	c := r.dial(t,
		"metz-in",
		func(o *mqttclient.Options) { o.WillTopic, o.Will = "totem/v1/metz/metz-in/status", []byte("x") },
	)
	if err := c.Publish("totem/v1/metz/metz-in/badge", nil); err != nil {
		t.Fatal(err)
	}
	next(t, r.presences)
	next(t, r.presences)
	if s := r.Stats(); s.Panics != 2 || s.Unacknowledged != 0 || c.Acked() != 0 {
		t.Fatalf("%+v", s)
	}
	r.dial(t, "metz-in")
}

func TestPanicEndsItsConnectionOnly(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.Auth = fainting{c.Auth} })
	honest := r.dial(t, "metz-in")
	if _, err := r.tryDial(t, "metz-out"); err == nil {
		t.Fatal("let in")
	}
	if err := honest.Publish("totem/v1/metz/metz-in/badge", nil); err != nil {
		t.Fatal(err)
	}
	next(t, r.deliver).Ack()
	if err := r.Close(soon(t)); err != nil { // and so every connection has ended
		t.Fatal(err)
	}
	if n := r.Stats().Panics; n != 1 {
		t.Fatalf("%d panics", n)
	}
}

func TestWillIsHandedOverByTheRulesAndNeverRouted(t *testing.T) {
	for name, c := range map[string]struct {
		topic  string
		denied string
	}{
		"its own status":      {"totem/v1/metz/metz-in/status", ""},
		"another's badge":     {"totem/v1/metz/metz-out/badge", DeniedSender},
		"a command":           {"totem/v1/metz/metz-in/command", DeniedTopic},
		"live":                {"totem/v1/metz/live/metz-hall", DeniedTopic},
		"a system topic":      {"$SYS/broker/version", DeniedTopic},
		"another site's door": {"totem/v1/nancy/nancy-in/door", DeniedSender},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			heard, got := sink()
			if err := r.dial(t, "metz-out").Subscribe(soon(t), "totem/v1/metz/metz-out/+", heard); err != nil {
				t.Fatal(err)
			}
			r.dial(t, "metz-in", func(o *mqttclient.Options) { o.WillTopic, o.Will = c.topic, []byte(`{"online":false}`) }).Cut()
			var d Delivery
			if c.denied == "" {
				d = next(t, r.deliver)
			} else {
				refused := next(t, r.denied)
				if d = refused.Delivery; refused.reason != c.denied {
					t.Fatalf("denied for %q", refused.reason)
				}
			}
			if !d.Will || d.Topic != c.topic || string(d.Payload) != `{"online":false}` || d.From != "metz-in" {
				t.Fatalf("%+v", d)
			}
			d.Ack()
			if len(r.deliver)+len(r.denied)+len(got) > 0 || len(r.server.Topics.Messages("totem/#")) > 0 {
				t.Fatal("it went elsewhere too")
			}
		})
	}
}

func TestWillIsDroppedWhenTheClientSaysGoodbye(t *testing.T) {
	r := start(t)
	c := r.dial(t,
		"metz-in",
		func(o *mqttclient.Options) { o.WillTopic, o.Will = "totem/v1/metz/metz-in/status", []byte("x") },
	)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	next(t, r.presences)
	next(t, r.presences)
	if len(r.deliver) > 0 {
		t.Fatalf("%+v", <-r.deliver)
	}
}

func TestNobodyTakesOverAnothersSession(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.AllowAnonymous = true })
	reader := r.dial(t, "metz-in", persistent)
	if err := reader.Subscribe(soon(t), "totem/v1/metz/metz-in/decision", nil); err != nil {
		t.Fatal(err)
	}
	reader.Cut()
	next(t, r.presences)
	next(t, r.presences)
	if err := r.Publish("totem/v1/metz/metz-in/decision", []byte("for metz-in"), false); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*mqttclient.Options){
		"another reader": named("metz-in"),
		"its suffix":     named("metz-in:x"),
		"the anonymous": func(o *mqttclient.Options) {
			*o = mqttclient.Options{ClientID: "metz-in", Persistent: true}
		},
		"an API token": func(o *mqttclient.Options) {
			*o = mqttclient.Options{ClientID: "metz-in", Username: "token", Password: "t-one", Persistent: true}
		},
	} {
		var refused *mqttclient.ConnectError
		if _, err := r.tryDial(t, "metz-out", persistent, change); !errors.As(err, &refused) ||
			refused.Code != connackIdentifier {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, got := resume(t, r, "metz-in", "#")
	if m := next(t, got); m != "totem/v1/metz/metz-in/decision for metz-in" {
		t.Fatal(m)
	}
}

func TestTwoTokensDoNotShareASession(t *testing.T) {
	r := start(t)
	as := func(secret string) func(*mqttclient.Options) {
		return func(o *mqttclient.Options) {
			*o = mqttclient.Options{ClientID: "token:screen", Username: "token", Password: secret, Persistent: true}
		}
	}
	one := r.dial(t, "", as("t-one"))
	if err := one.Subscribe(soon(t), "totem/v1/+/live/+", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.tryDial(t, "", as("t-two")); err == nil {
		t.Fatal("another token took a live session")
	}
	one.Cut()
	next(t, r.presences)
	next(t, r.presences)
	// The id is free a moment after the end is told, not before: the order of
	// what is told of a device must not depend on who comes next.
	c, err := r.tryDial(t, "", as("t-two"))
	for deadline := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(deadline); c, err = r.tryDial(t, "", as("t-two")) {
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	if c.SessionPresent() {
		t.Fatal("another token found the session that was left")
	}
}

func TestClientWithoutAnIDGetsOneOfItsOwn(t *testing.T) {
	r := start(t)
	a, b := r.dial(t, "metz-in", named("")), r.dial(t, "metz-in", named(""))
	for _, c := range []*mqttclient.Client{a, b} {
		if err := c.Publish("totem/v1/metz/metz-in/air", nil); err != nil {
			t.Fatal(err)
		}
		next(t, r.deliver).Ack()
	}
	if _, err := r.tryDial(t, "metz-in", named(""), persistent); err == nil {
		t.Fatal("a session without an id")
	}
	if !r.Connected("metz-in") || r.Connected("metz-out") {
		t.Fatal("who is connected?")
	}
}

func TestNobodyEndsTheBrokersOwnClient(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.AllowAnonymous = true })
	r.dial(t, "", func(o *mqttclient.Options) { *o = mqttclient.Options{ClientID: "inline"} })
	c := r.dial(t, "metz-in")
	handle, got := sink()
	if err := c.Subscribe(soon(t), "totem/v1/metz/metz-in/decision", handle); err != nil {
		t.Fatal(err)
	}
	if err := r.Publish("totem/v1/metz/metz-in/decision", []byte("x"), false); err != nil {
		t.Fatal(err)
	}
	next(t, got)
}
