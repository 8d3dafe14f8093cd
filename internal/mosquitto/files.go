// Package mosquitto writes what a Mosquitto needs to replace the embedded
// broker with the same rules (rules 3.7): its password file, its access rules
// and its certificates, from the catalogue. It connects to nothing.
package mosquitto

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/wire"
)

// User is Totem's own username at the broker.
const User = "totem"

const (
	iterations = 1000 // iterations of PBKDF2: passwords are random, and the broker checks one at each connection
	saltBytes  = 12
	hashBytes  = 64
)

// Hash returns a password's hash as Mosquitto 2 stores it: PBKDF2 with SHA-512.
func Hash(password string) string {
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	key, err := pbkdf2.Key(sha512.New, password, salt, iterations, hashBytes)
	if err != nil {
		panic(err) // the lengths are constants that it accepts
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("$7$%d$%s$%s", iterations, b64(salt), b64(key))
}

// Passwords writes the password file from users and their hashes.
func Passwords(hashes map[string]string) []byte {
	var b bytes.Buffer
	for _, user := range slices.Sorted(maps.Keys(hashes)) {
		fmt.Fprintf(&b, "%s:%s\n", user, hashes[user])
	}
	return b.Bytes()
}

// ACL writes the access rules: users and topics that are not named are denied.
// Certificates whose common name is a device's id are subject to the same
// rules.
func ACL(n *catalogue.Network, f *foreign.Devices) []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Made by totem broker export: what is not allowed here is denied.")
	line("\nuser %s", User)
	line("topic readwrite %s/#", wire.Prefix)
	for _, filter := range f.Filters() {
		line("topic read %s", filter)
	}
	for _, d := range n.Devices {
		if topic, _, ok := foreign.Open(&d); ok {
			line("topic write %s", topic)
		}
	}
	for _, d := range n.Devices {
		switch {
		case d.Topics != nil:
			bridgeRules(line, n, f, &d)
		case d.Kind == catalogue.Gateway:
			line("\nuser %s", d.ID)
			for _, what := range wire.UpWhats() {
				line("topic write %s/%s/+/%s", wire.Prefix, d.Site, what)
			}
			for _, what := range wire.DownWhats() {
				line("topic read %s/%s/+/%s", wire.Prefix, d.Site, what)
			}
			own := func(o *catalogue.Device) bool { return o.Site == d.Site }
			foreignRules(line, n, f.FiltersOf(own, true), own)
		case d.Adapter != "":
			line("\nuser %s", d.ID)
			own := func(o *catalogue.Device) bool { return o.ID == d.ID }
			foreignRules(line, n, f.FiltersOf(own, false), own)
		}
	}
	line("\n# Every device: what it sends and is sent, under its own id.")
	for _, what := range wire.UpWhats() {
		line("pattern write %s/+/%%u/%s", wire.Prefix, what)
	}
	for _, what := range wire.DownWhats() {
		line("pattern read %s/+/%%u/%s", wire.Prefix, what)
	}
	return b.Bytes()
}

// foreignRules writes the rules for real devices' own topics.
func foreignRules(line func(string, ...any), n *catalogue.Network, filters []string, own func(*catalogue.Device) bool) {
	for _, filter := range filters {
		line("topic write %s", filter)
	}
	for i := range n.Devices {
		if topic, _, ok := foreign.Open(&n.Devices[i]); ok && own(&n.Devices[i]) {
			line("topic read %s", topic)
		}
	}
}

// bridgeRules writes the rules of a bridge, a gateway with topics of its own. It may use
// these topics, except where they belong to devices of other sites, and its own status; it
// may not send commands. Mosquitto checks rules that deny before all others.
func bridgeRules(line func(string, ...any), n *catalogue.Network, f *foreign.Devices, d *catalogue.Device) {
	line("\nuser %s", d.ID)
	for _, what := range wire.UpWhats() { // the patterns below would let it speak as a device
		if what != wire.Status {
			line("topic deny %s/+/%s/%s", wire.Prefix, d.ID, what)
		}
	}
	elsewhere := f.FiltersOf(func(o *catalogue.Device) bool { return o.Site != d.Site }, false)
	here := f.FiltersOf(func(o *catalogue.Device) bool { return o.Site == d.Site }, false)
	for i := range n.Devices {
		if topic, _, ok := foreign.Open(&n.Devices[i]); ok && n.Devices[i].Site != d.Site {
			elsewhere = append(elsewhere, topic)
		}
	}
	for _, filter := range elsewhere {
		for _, t := range d.Topics {
			if met, ok := wire.Meet(t, filter); ok && !slices.Contains(here, filter) {
				line("topic deny %s", met)
			}
		}
	}
	for _, t := range d.Topics {
		if !strings.HasPrefix(t, wire.Prefix+"/") {
			outsideRules(line, n, f, d, t)
			continue
		}
		levels := append(strings.Split(t, "/"), "+", "+")
		device, last := levels[3], levels[4]
		if device == "#" {
			device, last = "+", "+"
		}
		whats := func(rule string, all []wire.What) {
			for _, what := range all {
				if last == "+" || last == "#" || last == string(what) {
					line("topic %s %s/%s/%s/%s", rule, wire.Prefix, d.Site, device, what)
				}
			}
		}
		whats("write", wire.UpWhats())
		whats("read", wire.DownWhats())
	}
}

// outsideRules writes a bridge's rules for one of its topics that is not Totem's own. Where
// the topic covers commands to a lock, the bridge may read all of it, but publish only what
// devices of its site send.
func outsideRules(
	line func(string, ...any),
	n *catalogue.Network,
	f *foreign.Devices,
	d *catalogue.Device,
	topic string,
) {
	commands := slices.ContainsFunc(n.Devices, func(o catalogue.Device) bool {
		command, _, ok := foreign.Open(&o)
		return ok && wire.Covers(topic, command)
	})
	if !commands {
		line("topic readwrite %s", topic)
		return
	}
	line("topic read %s", topic)
	for _, filter := range f.FiltersOf(func(o *catalogue.Device) bool { return o.Site == d.Site }, true) {
		if met, ok := wire.Meet(topic, filter); ok {
			line("topic write %s", met)
		}
	}
}
