package broker

import (
	"errors"
	"net"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/mqttclient"
	"github.com/lorntech/totem/internal/wire"
)

var (
	reader    = Principal{Name: "metz-in", Site: "metz", Device: "metz-in"}
	gateway   = Principal{Name: "metz-gateway", Site: "metz", Device: "metz-gateway", Gateway: true}
	token     = Principal{Name: "one", Token: true}
	anonymous = Principal{Anonymous: true}
	nobody    = Principal{}
)

func TestWhoMayPublishWhere(t *testing.T) {
	r := rules{network: network()}
	for topic, want := range map[string]struct{ reader, gateway, token, anonymous string }{
		"totem/v1/metz/metz-in/badge":         {"", "", DeniedSender, ""},
		"totem/v1/metz/metz-in/count":         {"", "", DeniedSender, ""}, // a wrong kind arrives, to be kept as a reject
		"totem/v1/metz/metz-in/status":        {"", "", DeniedSender, ""},
		"totem/v1/metz/metz-out/badge":        {DeniedSender, "", DeniedSender, ""},
		"totem/v1/metz/metz-gateway/status":   {DeniedSender, "", DeniedSender, ""},
		"totem/v1/metz/unknown/badge":         {DeniedSender, "", DeniedSender, ""},
		"totem/v1/nancy/nancy-in/badge":       {DeniedSender, DeniedSender, DeniedSender, ""},
		"totem/v1/metz/nancy-in/badge":        {DeniedSender, DeniedSender, DeniedSender, ""},
		"totem/v1/nancy/metz-in/badge":        {DeniedSender, DeniedSender, DeniedSender, ""},
		"totem/v1/metz/metz-in/decision":      {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"totem/v1/metz/metz-in/command":       {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"totem/v1/metz/metz-in/allowlist":     {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"totem/v1/metz/live/metz-hall":        {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"totem/v1/metz/live/badge":            {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"totem/v1/metz/metz-in/badge/":        {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"totem/v1/metz/metz-in/badge/x":       {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"totem/v1/metz/metz-in":               {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"totem/v1/metz//badge":                {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"totem/v1/metz/+/badge":               {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"totem/v1/metz/metz-in/#":             {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"/totem/v1/metz/metz-in/badge":        {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"totem/v2/metz/metz-in/badge":         {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"totem/v1/METZ/metz-in/badge":         {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"$SYS/broker/version":                 {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"$share/x/totem/v1/metz/metz-in/door": {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
		"":                                    {DeniedTopic, DeniedTopic, DeniedTopic, DeniedTopic},
	} {
		for who, c := range map[string]struct {
			p    Principal
			want string
		}{"reader": {reader, want.reader}, "gateway": {gateway, want.gateway}, "token": {token, want.token}, "anonymous": {anonymous, want.anonymous}} {
			if got := r.publish(c.p, topic); got != c.want {
				t.Errorf("%s on %q: %q, want %q", who, topic, got, c.want)
			}
		}
		if r.publish(nobody, topic) == "" {
			t.Errorf("nobody may publish on %q", topic)
		}
	}
}

func TestWhoMayReadWhat(t *testing.T) {
	r := rules{network: network()}
	for filter, want := range map[string]struct{ reader, gateway, token, anonymous bool }{
		"totem/v1/metz/metz-in/decision":           {true, true, false, true},
		"totem/v1/metz/metz-in/command":            {true, true, false, true},
		"totem/v1/metz/metz-in/allowlist":          {true, true, false, true},
		"totem/v1/metz/metz-in/+":                  {true, false, false, true},
		"totem/v1/metz/+/decision":                 {false, true, false, true},
		"totem/v1/metz/metz-out/decision":          {false, true, false, true},
		"totem/v1/metz/unknown/decision":           {false, false, false, true},
		"totem/v1/metz/nancy-in/decision":          {false, false, false, true},
		"totem/v1/nancy/nancy-in/decision":         {false, false, false, true},
		"totem/v1/nancy/+/decision":                {false, false, false, true},
		"totem/v1/+/metz-in/decision":              {false, false, false, true},
		"totem/v1/+/+/decision":                    {false, false, false, true},
		"totem/v1/metz/metz-in/#":                  {false, false, false, true},
		"totem/v1/metz/metz-in/badge":              {false, false, false, true},
		"totem/v1/metz/live/metz-hall":             {false, false, true, true},
		"totem/v1/metz/live/+":                     {false, false, true, true},
		"totem/v1/metz/live/#":                     {false, false, true, true},
		"totem/v1/+/live/+":                        {false, false, true, true},
		"totem/v1/+/live/#":                        {false, false, true, true},
		"totem/v1/+/live/metz-hall":                {false, false, true, true},
		"totem/v1/nancy/live/metz-hall":            {false, false, false, true},
		"totem/v1/metz/live/unknown":               {false, false, false, true},
		"totem/v1/metz/+/metz-hall":                {false, false, false, true},
		"totem/v1/metz/live/metz-hall/x":           {false, false, false, true},
		"totem/v1/#":                               {false, false, false, true},
		"totem/#":                                  {false, false, false, false},
		"#":                                        {false, false, false, false},
		"+/v1/metz/metz-in/decision":               {false, false, false, false},
		"$SYS/#":                                   {false, false, false, false},
		"$share/g/totem/v1/metz/metz-in/decision":  {false, false, false, false},
		"$SHARE/g/totem/v1/metz/metz-in/decision":  {false, false, false, false},
		"totem/v1/metz/metz-in/decision/":          {false, false, false, true},
		"totem/v1/metz/metz-in/decision/+":         {false, false, false, true},
		"totem/v1//metz/metz-in/decision":          {false, false, false, true},
		"":                                         {false, false, false, false},
		"totem/v1/metz/metz-in/decision\u00a0":     {false, false, false, true},
		"totem/v1/metz/" + strings.Repeat("x", 99): {false, false, false, true},
	} {
		for who, c := range map[string]struct {
			p    Principal
			want bool
		}{"reader": {reader, want.reader}, "gateway": {gateway, want.gateway}, "token": {token, want.token}, "anonymous": {anonymous, want.anonymous}} {
			if got := r.read(c.p, filter); got != c.want {
				t.Errorf("%s may read %q: %v", who, filter, got)
			}
		}
		if r.read(nobody, filter) {
			t.Errorf("nobody may read %q", filter)
		}
	}
}

func TestABridgeCarriesItsTopicsAlone(t *testing.T) {
	bridge := Principal{Name: "metz-bridge", Site: "metz", Device: "metz-bridge", Gateway: true}
	n := network()
	topics := []string{"zigbee2mqtt/#", "totem/v1/metz/metz-count/+", "totem/v1/metz/metz-in/command"}
	n.Devices = append(
		n.Devices,
		catalogue.Device{ID: "metz-count", Site: "metz", Kind: catalogue.PeopleCounter},
		catalogue.Device{
			ID:      "metz-desk",
			Site:    "metz",
			Kind:    catalogue.Desk,
			Adapter: "zigbee2mqtt",
			Address: "zigbee2mqtt/desk",
		},
		catalogue.Device{
			ID:      "nancy-desk",
			Site:    "nancy",
			Kind:    catalogue.Desk,
			Adapter: "zigbee2mqtt",
			Address: "zigbee2mqtt/nancy",
		},
		catalogue.Device{
			ID:      "metz-lora",
			Site:    "metz",
			Kind:    catalogue.Desk,
			Adapter: "chirpstack-v4",
			Address: "24e124148b001122",
		},
		catalogue.Device{ID: "metz-bridge", Site: "metz", Kind: catalogue.Gateway, Topics: topics},
	)
	n = catalogue.New(*n)
	f, err := foreign.New(n)
	if err != nil {
		t.Fatal(err)
	}
	r := rules{network: n, foreign: f}
	for topic, want := range map[string]string{
		"totem/v1/metz/metz-bridge/status":               "",
		"totem/v1/metz/metz-bridge/badge":                DeniedSender,
		"totem/v1/metz/metz-count/count":                 "",
		"totem/v1/metz/metz-in/badge":                    DeniedSender,
		"totem/v1/metz/metz-in/command":                  DeniedTopic,
		"zigbee2mqtt/desk":                               "",
		"zigbee2mqtt/new":                                "",
		"zigbee2mqtt/nancy":                              DeniedSender,
		"application/1/device/24e124148b001122/event/up": DeniedSender,
		"totem/v1/nancy/nancy-in/badge":                  DeniedSender,
	} {
		if got := r.publish(bridge, topic); got != want {
			t.Errorf("a bridge on %q: %q, want %q", topic, got, want)
		}
	}
	for filter, want := range map[string]bool{
		"zigbee2mqtt/+/set":              true,
		"zigbee2mqtt/#":                  true,
		"zigbee2mqtt":                    true, // # covers the level above it
		"#":                              false,
		"+/desk":                         false,
		"$share/g/zigbee2mqtt/desk":      false,
		"totem/v1/metz/metz-in/command":  true,
		"totem/v1/metz/metz-in/decision": false,
		"totem/v1/metz/metz-in/+":        false,
		"totem/v1/metz/+/command":        false,
		"totem/v1/metz/#":                false,
		"totem/v1/metz/live/metz-hall":   false,
	} {
		if got := r.read(bridge, filter); got != want {
			t.Errorf("a bridge may read %q: %v", filter, got)
		}
	}
}

// A filter that is allowed covers down topics of one's own and live topics
// only: whatever it covers besides is not delivered.
func TestFilterNeverLetsThroughWhatIsNotAllowedByItself(t *testing.T) {
	r := rules{network: network()}
	segment := rapid.SampledFrom(
		[]string{
			"totem",
			"v1",
			"metz",
			"nancy",
			"metz-in",
			"metz-out",
			"nancy-in",
			"metz-gateway",
			"live",
			"decision",
			"command",
			"allowlist",
			"badge",
			"metz-hall",
			"+",
			"#",
			"",
			"$SYS",
			"x",
		},
	)
	rapid.Check(t, func(t *rapid.T) {
		tail := strings.Join(rapid.SliceOfN(segment, 1, 5).Draw(t, "segments"), "/")
		topic := rapid.SampledFrom([]string{root, ""}).Draw(t, "root") + tail
		site, device, what, ok := wire.SplitTopic(topic)
		for _, p := range []Principal{reader, gateway, token, nobody} {
			if r.publish(p, topic) == "" &&
				(!ok || site != string(p.Site) || !wire.IsUp(what) || !p.Gateway && device != string(p.Device)) {
				t.Fatalf("%+v may publish on %q", p, topic)
			}
			if r.read(p, topic) && (!ok || p.Device != "" && site != string(p.Site) || p.Token != (device == "live")) {
				t.Fatalf("%+v may read %q", p, topic)
			}
		}
	})
}

func TestDeniedPublicationIsAcknowledgedAndReportedNotRouted(t *testing.T) {
	r := start(t)
	heard, got := sink()
	if err := r.dial(t, "metz-out").Subscribe(soon(t), "totem/v1/metz/metz-out/command", heard); err != nil {
		t.Fatal(err)
	}
	c := r.dial(t, "metz-in")
	for topic, reason := range map[string]string{
		"totem/v1/metz/metz-out/command": DeniedTopic, "totem/v1/metz/metz-out/badge": DeniedSender,
		"nonsense": DeniedTopic, "totem/v1/metz/+/badge": DeniedTopic, "$SYS/x": DeniedTopic, "": DeniedTopic,
	} {
		if err := c.PublishRetained(topic, []byte("x")); err != nil {
			t.Fatal(err)
		}
		d := next(t, r.denied)
		if d.reason != reason || d.Topic != topic || string(d.Payload) != "x" || d.From != "metz-in" {
			t.Errorf("%q: %+v", topic, d)
		}
	}
	if err := c.Drain(soon(t)); err != nil {
		t.Fatal(err)
	}
	if len(got)+len(r.deliver) > 0 || len(r.server.Topics.Messages("#")) > 0 {
		t.Fatal("it was routed")
	}
}

func TestSubscriptionsOutsideTheRulesAreRefusedWith0x80(t *testing.T) {
	r := start(t, func(c *EmbeddedConfig) { c.AllowAnonymous = true })
	c := r.dial(t, "metz-in")
	for _, f := range []string{"#", "+/+/+/+/+", "totem/v1/#", "totem/v1/metz/metz-out/decision", "$SYS/#", "$share/a/totem/v1/metz/metz-in/decision", "totem/v1/metz/live/metz-hall"} {
		if err := c.Subscribe(soon(t), f, nil); !errors.Is(err, mqttclient.ErrRefused) {
			t.Errorf("%s: %v", f, err)
		}
	}
	handle, got := sink()
	screen := r.dial(t, "", func(o *mqttclient.Options) { *o = mqttclient.Options{Username: "token", Password: "t-one"} })
	if err := screen.Subscribe(soon(t), "totem/v1/+/live/+", handle); err != nil {
		t.Fatal(err)
	}
	guest := r.dial(t, "", func(o *mqttclient.Options) { *o = mqttclient.Options{} })
	if err := guest.Subscribe(soon(t), "totem/v1/#", handle); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Publish("totem/v1/metz/live/metz-hall", []byte("free"), true); err != nil {
			t.Fatal(err)
		}
		next(t, got)
		next(t, got)
	}
}

func TestAnonymousAreLetInOnlyWhereAllowedAndFromThisMachine(t *testing.T) {
	none := func(o *mqttclient.Options) { *o = mqttclient.Options{} }
	if _, err := start(t).tryDial(t, "", none); err == nil {
		t.Fatal("let in where it is not allowed")
	}
	r := start(t, func(c *EmbeddedConfig) { c.AllowAnonymous = true })
	c := r.dial(t, "", none)
	if err := c.Publish("totem/v1/metz/metz-in/badge", nil); err != nil {
		t.Fatal(err)
	}
	if d := next(t, r.deliver); d.From != "" {
		t.Fatalf("%+v", d)
	}
	ours, theirs := net.Pipe()
	r.attach(ours, false) // as if from another machine
	if _, err := mqttclient.Connect(soon(t), theirs, mqttclient.Options{}); err == nil {
		t.Fatal("let in from another machine")
	}
}

func TestATokenReadsTheLiveTopicsOfItsSites(t *testing.T) {
	r := rules{network: network()}
	held := Principal{Name: "m", Token: true, Sites: []catalogue.SiteID{"metz"}}
	none := Principal{Name: "n", Token: true, Sites: []catalogue.SiteID{}}
	for topic, want := range map[string][2]bool{
		"totem/v1/metz/live/metz-hall": {true, false}, "totem/v1/metz/live/+": {true, false}, "totem/v1/nancy/live/+": {false, false},
		"totem/v1/+/live/+": {true, true}, // of which only what is allowed by itself is delivered
	} {
		if got := [2]bool{r.read(held, topic), r.read(none, topic)}; got != want {
			t.Errorf("%s: %v, want %v", topic, got, want)
		}
	}
}
