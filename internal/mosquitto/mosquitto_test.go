package mosquitto_test

import (
	"crypto/pbkdf2"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/foreign"
	"github.com/lorntech/totem/internal/mosquitto"
)

// TestAPasswordIsHashedAsMosquittoDoes computes the hash again from its parts.
func TestAPasswordIsHashedAsMosquittoDoes(t *testing.T) {
	h := mosquitto.Hash("secret")
	parts := strings.Split(h, "$")
	if len(parts) != 5 || parts[1] != "7" || parts[2] != "1000" {
		t.Fatal(h)
	}
	salt, err := base64.StdEncoding.DecodeString(parts[3])
	if err != nil || len(salt) != 12 {
		t.Fatalf("salt %s: %v", parts[3], err)
	}
	key, err := pbkdf2.Key(sha512.New, "secret", salt, 1000, 64)
	if err != nil || base64.StdEncoding.EncodeToString(key) != parts[4] {
		t.Errorf("%s: %v", h, err)
	}
	if mosquitto.Hash("secret") == h {
		t.Error("two hashes have the same salt")
	}
	if got := string(mosquitto.Passwords(map[string]string{"b": "2", "a": "1"})); got != "a:1\nb:2\n" {
		t.Error(got)
	}
}

// rules returns each user's lines of an ACL; "" has those of every device.
func rules(acl string) map[string][]string {
	users, user := map[string][]string{}, ""
	for line := range strings.Lines(acl) {
		line = strings.TrimSpace(line)
		switch name, ok := strings.CutPrefix(line, "user "); {
		case line == "", strings.HasPrefix(line, "#"):
		case ok:
			user = name
		case strings.HasPrefix(line, "pattern "):
			users[""] = append(users[""], line)
		default:
			users[user] = append(users[user], line)
		}
	}
	return users
}

func TestTheRulesDenyWhatTheyDoNotName(t *testing.T) {
	n := catalogue.New(catalogue.Network{
		Sites: []catalogue.Site{{ID: "metz"}, {ID: "nancy"}},
		Devices: []catalogue.Device{
			{ID: "metz-gateway", Site: "metz", Kind: catalogue.Gateway},
			{ID: "metz-reader", Site: "metz", Kind: catalogue.Reader, Direction: catalogue.In},
			{ID: "metz-lock", Site: "metz", Kind: catalogue.Reader, Direction: catalogue.In, Adapter: "esp-rfid",
				Address: "porte/hall", Settings: map[string]string{"doorip": "10.0.0.5"}},
			{ID: "nancy-desk", Site: "nancy", Kind: catalogue.Desk, Adapter: "zigbee2mqtt", Address: "zigbee2mqtt/desk"},
		},
	})
	f, err := foreign.New(n)
	if err != nil {
		t.Fatal(err)
	}
	acl := string(mosquitto.ACL(n, f))
	users := rules(acl)
	for user, want := range map[string][]string{
		mosquitto.User: {"topic readwrite totem/v1/#", "topic read zigbee2mqtt/desk", "topic write porte/hall/cmd"},
		"metz-gateway": {"topic write totem/v1/metz/+/badge", "topic read totem/v1/metz/+/decision", "topic write porte/hall/send",
			"topic read porte/hall/cmd"},
		"metz-lock":  {"topic write porte/hall/send", "topic read porte/hall/cmd"},
		"nancy-desk": {"topic write zigbee2mqtt/desk"},
		"":           {"pattern write totem/v1/+/%u/badge", "pattern read totem/v1/+/%u/allowlist"},
	} {
		for _, line := range want {
			if !slices.Contains(users[user], line) {
				t.Errorf("%q has no rule %q:\n%s", user, line, strings.Join(users[user], "\n"))
			}
		}
	}
	if users["metz-reader"] != nil {
		t.Error("a device of Totem's own payloads needs no rule of its own")
	}
	for user, lines := range users {
		for _, line := range lines {
			down := strings.HasSuffix(line, "/decision") || strings.HasSuffix(line, "/allowlist") ||
				strings.HasSuffix(line, "/command")
			if user != mosquitto.User && down && strings.Contains(line, " write ") {
				t.Errorf("%q may publish what only Totem may: %s", user, line)
			}
			if user == "metz-gateway" && strings.Contains(line, "nancy") ||
				user == "nancy-desk" && strings.Contains(line, "porte") {
				t.Errorf("%q may use another's topic: %s", user, line)
			}
		}
	}
}

func certificate(t *testing.T, p mosquitto.Pair) *x509.Certificate {
	t.Helper()
	b, _ := pem.Decode(p.Cert)
	c, err := x509.ParseCertificate(b.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCertificatesAreSignedByTheAuthority(t *testing.T) {
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	ca, err := mosquitto.NewAuthority(now)
	if err != nil {
		t.Fatal(err)
	}
	hosts := []string{"mqtt.lorntech.example", "10.0.0.1"}
	server, err := mosquitto.NewServer(ca, hosts, now)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mosquitto.NewClient(ca, "metz-gateway", now)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate(t, ca))
	for name, c := range map[string]struct {
		pair  mosquitto.Pair
		usage x509.ExtKeyUsage
	}{"server": {server, x509.ExtKeyUsageServerAuth}, "client": {client, x509.ExtKeyUsageClientAuth}} {
		_, err := certificate(t, c.pair).Verify(x509.VerifyOptions{
			Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{c.usage},
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if cn := certificate(t, client).Subject.CommonName; cn != "metz-gateway" {
		t.Errorf("common name %s", cn)
	}
	for _, x := range []struct {
		cert  []byte
		hosts []string
		now   time.Time
		want  bool
	}{
		{server.Cert, hosts, now, true},
		{server.Cert, []string{"other.example"}, now, false},
		{server.Cert, hosts, now.AddDate(0, 0, 825-59), false}, // it is renewed 60 days before its end
		{server.Cert, hosts, now.AddDate(0, 0, 825-61), true},
		{[]byte("no PEM"), hosts, now, false},
	} {
		if got := mosquitto.Serves(x.cert, x.hosts, x.now); got != x.want {
			t.Errorf("%v at %v: %t", x.hosts, x.now, got)
		}
	}
	for name, wrong := range map[string]mosquitto.Pair{
		"nothing":         {},
		"the key missing": {Cert: ca.Cert},
		"a key twice":     {Cert: ca.Key, Key: ca.Key},
	} {
		if _, err := mosquitto.NewClient(wrong, "d", now); err == nil {
			t.Errorf("signed by an authority with %s", name)
		}
	}
}
