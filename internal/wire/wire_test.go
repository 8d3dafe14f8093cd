package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

const head = `"id":"018f6f3c-7a1e-7c3a-9b1e-0123456789ab","at":"2026-10-31T07:02:03.456+01:00"`

func topic(w wire.What) wire.Topic { return wire.Topic{Site: "metz", Device: "d", What: w} }

func TestTopicsAreExact(t *testing.T) {
	for _, ok := range []string{"totem/v1/metz/metz-entrance-in/badge", "totem/v1/m/1/status", "totem/v1/" + strings.Repeat("a", 64) + "/d/air"} {
		got, err := wire.ParseUp(ok)
		if err != nil || got.String() != ok {
			t.Errorf("%s: %v, %v", ok, got, err)
		}
	}
	for _, bad := range []string{
		"", "totem", "totem/v1/metz/d", "totem/v1/metz/d/badge/", "totem/v1/metz/d/badge/x", "/totem/v1/metz/d/badge", "totem/v2/metz/d/badge", "Totem/v1/metz/d/badge",
		"totem/v1/metz/live/badge", "totem/v1/metz/d/decision", "totem/v1/metz/d/command", "totem/v1/metz/d/allowlist", "totem/v1/metz/D/badge", "totem/v1//d/badge",
		"totem/v1/metz/-d/badge", "totem/v1/metz/+/badge", "totem/v1/" + strings.Repeat("a", 65) + "/d/air", "totem/v1/metz/d/Badge",
	} {
		if got, err := wire.ParseUp(bad); err == nil {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
}

func TestBothSpellingsAreOneBadge(t *testing.T) {
	for _, same := range [][]string{
		{"04A1B2C3", "04a1b2c3", "04:A1:B2:C3", "04-a1-b2-c3", " 04 A1 b2C3 ", "dec:3283263748"},
		{"00000001", "dec:16777216"},
		{"01000000", "dec:1"},
		{"00000000", "dec:0"},
		{"04A1B2C3D4E580", "dec:36281498998055172"},
	} {
		first, err := wire.ParseCredential(same[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range same {
			if got, err := wire.ParseCredential(s); err != nil || !bytes.Equal(got.Bytes, first.Bytes) {
				t.Errorf("%q: %x, %v; want %x", s, got.Bytes, err, first.Bytes)
			}
		}
	}
}

func TestNonsenseIsNoCredentialAndIsNotRepeated(t *testing.T) {
	for _, s := range []string{
		"", " ", ":-", "0", "04A", "04A1B2CG", "dec:", "dec:-1", "dec:+1", "dec: 1", "dec:1 ", "dec:01", "dec:1e3", "dec:1208925819614629174706176", "qr:", "qr",
		strings.Repeat("ab", 33), "0x04A1", "dec:99999999999999999999999999999999999", "04.A1.B2.C3", "qr:" + strings.Repeat("x", 257),
	} {
		_, err := wire.ParseCredential(s)
		if err == nil {
			t.Errorf("%q was read", s)
			continue
		}
		if len(s) > 6 && strings.Contains(err.Error(), s[4:]) {
			t.Errorf("the error repeats the value: %v", err)
		}
	}
}

func TestLittleEndianDecimalIsTheSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{4, 7, 10}).Draw(t, "size")
		uid := rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "uid")
		if uid[size-1] == 0 {
			uid[size-1] = 1 // a number cannot tell how many zeros stand before it
		}
		n := ""
		digits := []int{0}
		for i := size - 1; i >= 0; i-- { // times 256, plus the byte, by hand
			carry := int(uid[i])
			for k := range digits {
				v := digits[k]*256 + carry
				digits[k], carry = v%10, v/10
			}
			for ; carry > 0; carry /= 10 {
				digits = append(digits, carry%10)
			}
		}
		for _, digit := range slices.Backward(digits) {
			n += fmt.Sprint(digit)
		}
		got, err := wire.ParseCredential("dec:" + strings.TrimLeft(n, "0"))
		if err != nil || !bytes.Equal(got.Bytes, uid) {
			t.Fatalf("dec:%s is %x, %v; want %x", n, got.Bytes, err, uid)
		}
	})
}

func TestEveryKindOfMessageIsRead(t *testing.T) {
	for _, c := range []struct {
		what wire.What
		body string
	}{
		{wire.Badge, `"credential":"04A1B2C3"`},
		{wire.Badge, `"credential":"qr:abc","offline":{"granted":true,"reason":"lease","list":"12"}`},
		{wire.Badge, `"credential":"qr:abc","offline":{"granted":false,"reason":"no-right","list":12}`},
		{wire.Badge, `"credential":"04","offline":null`},
		{wire.Door, `"state":"held"`},
		{wire.Occupancy, `"occupied":false`},
		{wire.Count, `"count":3.0`},
		{wire.Flow, `"in":2,"out":0,"extra":{"is":"ignored"}`},
		{wire.Air, `"co2_ppm":612.5`},
		{wire.Status, `"online":true,"firmware":"1.2","battery_pct":88,"rssi_dbm":-60,"uptime_s":12,"list":"7"`},
		{wire.Count, `"count":1,"seq":9,"boot":"018f6f3c-7a1e-7c3a-9b1e-0123456789ac"`},
	} {
		m, err := wire.Decode(topic(c.what), []byte("{"+head+","+c.body+"}"))
		if err != nil {
			t.Errorf("%s %s: %v", c.what, c.body, err)
			continue
		}
		if m.At.Format(time.RFC3339Nano) != "2026-10-31T06:02:03.456Z" {
			t.Errorf("at is %s", m.At)
		}
	}
	will, err := wire.Decode(topic(wire.Status), []byte(`{"online":false}`))
	if err != nil || will.ID != uuid.Nil || will.Status.Online {
		t.Errorf("a last will: %+v, %v", will, err)
	}
}

func TestBadMessagesNameTheField(t *testing.T) {
	for _, c := range []struct {
		what           wire.What
		payload, field string
	}{
		{wire.Badge, ``, ""}, {wire.Badge, `[]`, ""}, {wire.Badge, `{`, ""}, {wire.Badge, `null`, ""}, {wire.Badge, `{} {}`, ""}, {wire.Badge, "{\"a\":\xff", ""},
		{wire.Badge, `{}`, "id"},
		{wire.Badge, `{"id":null}`, "id"}, {wire.Badge, `{"id":7}`, "id"}, {wire.Badge, `{"id":"{018f6f3c-7a1e-7c3a-9b1e-0123456789ab}"}`, "id"},
		{wire.Badge, `{"id":"00000000-0000-0000-0000-000000000000","at":"2026-10-31T07:02:03Z","credential":"04"}`, "id"},
		{wire.Badge, `{"ID":"018f6f3c-7a1e-7c3a-9b1e-0123456789ab","at":"2026-10-31T07:02:03Z","credential":"04"}`, "id"},
		{wire.Badge, `{"id":"018f6f3c-7a1e-7c3a-9b1e-0123456789ab","at":"2026-10-31 07:02:03","credential":"04"}`, "at"},
		{wire.Badge, `{"id":"018f6f3c-7a1e-7c3a-9b1e-0123456789ab","at":1761890523,"credential":"04"}`, "at"},
		{wire.Badge, `{"id":"018f6f3c-7a1e-7c3a-9b1e-0123456789ab","at":"1969-10-31T07:02:03Z","credential":"04"}`, "at"},
		{wire.Badge, `{"id":"018f6f3c-7a1e-7c3a-9b1e-0123456789ab","at":"2019-12-31T23:59:59.999Z","credential":"04"}`, "at"},
		{wire.Badge, `{` + head + `}`, "credential"}, {wire.Badge, `{` + head + `,"credential":"04A"}`, "credential"}, {wire.Badge, `{` + head + `,"credential":4}`, "credential"},
		{wire.Badge, `{` + head + `,"credential":"04","credential":"05"}`, "credential"},
		{wire.Badge, `{` + head + `,"credential":"04","offline":true}`, "offline"},
		{wire.Badge, `{` + head + `,"credential":"04","offline":{"granted":"yes","reason":"x"}}`, "offline.granted"},
		{wire.Badge, `{` + head + `,"credential":"04","offline":{"granted":true}}`, "offline.reason"},
		{wire.Door, `{` + head + `,"state":"ajar"}`, "state"}, {wire.Door, `{` + head + `}`, "state"},
		{wire.Occupancy, `{` + head + `,"occupied":"true"}`, "occupied"}, {wire.Occupancy, `{` + head + `,"occupied":1}`, "occupied"},
		{wire.Count, `{` + head + `,"count":-1}`, "count"}, {wire.Count, `{` + head + `,"count":1.5}`, "count"}, {wire.Count, `{` + head + `,"count":"3"}`, "count"},
		{wire.Count, `{` + head + `,"count":1e99}`, "count"}, {wire.Count, `{` + head + `,"count":100001}`, "count"}, {wire.Count, `{` + head + `,"count":true}`, "count"},
		{wire.Flow, `{` + head + `,"in":1}`, "out"}, {wire.Flow, `{` + head + `,"in":2147483647,"out":0}`, "in"}, {wire.Air, `{` + head + `}`, ""}, {wire.Air, `{` + head + `,"co2_ppm":"600"}`, "co2_ppm"},
		{wire.Status, `{` + head + `}`, "online"}, {wire.Status, `{"at":"2026-10-31T07:02:03Z","online":true}`, "id"},
		{wire.Count, `{` + head + `,"count":1,"seq":-4}`, "seq"}, {wire.Count, `{` + head + `,"count":1,"boot":"x"}`, "boot"},
	} {
		_, err := wire.Decode(topic(c.what), []byte(c.payload))
		var fe *wire.FieldError
		if !errors.As(err, &fe) || fe.Field != c.field {
			t.Errorf("%s %s: got %v, want field %q", c.what, c.payload, err, c.field)
		}
	}
}

func TestSameBodyIsOneDigestWhateverItsSpelling(t *testing.T) {
	one, err := wire.Decode(topic(wire.Badge), []byte(`{`+head+`,"credential":"dec:3283263748"}`))
	if err != nil {
		t.Fatal(err)
	}
	for payload, same := range map[string]bool{
		`{"credential":"04:a1:b2:c3", "at":"2026-10-31T06:02:03.456789Z","id":"018F6F3C-7A1E-7C3A-9B1E-0123456789AB"}`: true,
		`{` + head + `,"credential":"04A1B2C3","offline":{"granted":true,"reason":"lease","list":"1"}}`:                true,
		`{` + head + `,"credential":"04A1B2C4"}`:         false,
		`{` + head + `,"credential":"04A1B2C3","seq":1}`: false,
	} {
		m, err := wire.Decode(topic(wire.Badge), []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(m.Canonical(nil), one.Canonical(nil)) != same {
			t.Errorf("%s: same = %t, want %t", payload, !same, same)
		}
	}
}

// drawMessage draws any message that a device may send.
func drawMessage(t *rapid.T) *wire.Message {
	m := &wire.Message{
		Topic: topic(rapid.SampledFrom(wire.UpWhats()).Draw(t, "what")),
		ID:    uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
		At:    time.UnixMilli(rapid.Int64Range(wire.Earliest.UnixMilli(), 4e12).Draw(t, "at")).UTC(),
	}
	if m.ID == uuid.Nil {
		m.ID[0] = 1
	}
	if rapid.Bool().Draw(t, "numbered") {
		m.HasSeq, m.Seq, m.Boot = true, uint64(rapid.Int64Range(0, 1<<53).Draw(t, "seq")), uuid.UUID{1}
	}
	number := func(label string) *float64 {
		if !rapid.Bool().Draw(t, label) {
			return nil
		}
		x := rapid.Float64Range(-1e6, 1e6).Draw(t, label)
		return &x
	}
	switch m.Topic.What {
	case wire.Badge:
		m.Badge = &wire.BadgeBody{Credential: wire.Credential{Bytes: rapid.SliceOfN(rapid.Byte(), 1, 32).Draw(t, "uid")}}
		if rapid.Bool().Draw(t, "offline") {
			m.Badge.Offline = &wire.Offline{
				Granted: rapid.Bool().Draw(t, "granted"),
				Reason:  rapid.String().Draw(t, "reason"),
				List:    "17",
			}
		}
	case wire.Door:
		m.Door = rapid.SampledFrom(
			[]wire.DoorState{wire.DoorOpen, wire.DoorClosed, wire.DoorForced, wire.DoorHeld},
		).Draw(t, "state")
	case wire.Occupancy:
		m.Occupied = rapid.Bool().Draw(t, "occupied")
	case wire.Count:
		m.Count = rapid.IntRange(0, wire.MostPeople).Draw(t, "count")
	case wire.Flow:
		m.In, m.Out = rapid.IntRange(0, wire.MostPeople).Draw(t, "in"), rapid.IntRange(0, wire.MostPeople).Draw(t, "out")
	case wire.Air:
		co2 := 400.0
		m.Air = &wire.AirBody{CO2: &co2, Temperature: number("t"), Humidity: number("h"), Noise: number("n")}
	case wire.Status:
		list := "3"
		m.Status = &wire.StatusBody{
			Online:  rapid.Bool().Draw(t, "online"),
			Battery: number("battery"),
			RSSI:    number("rssi"),
			Uptime:  number("uptime"),
			List:    &list,
		}
	}
	return m
}

func TestEncodeIsReadBackEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t)
		payload, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.Decode(m.Topic, payload)
		if err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Fatalf("%s\n-sent +read\n%s", payload, diff)
		}
	})
}

func keyPair() (ed25519.PublicKey, ed25519.PrivateKey) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	return private.Public().(ed25519.PublicKey), private
}

func TestSignaturesAreOverTheContractsWords(t *testing.T) {
	public, private := keyPair()
	notAfter := time.Date(2026, 10, 31, 6, 2, 3, 0, time.UTC)
	d := wire.DecisionBody{Request: uuid.UUID{1}, Granted: true, Reason: "lease", OpenMS: 5000, NotAfter: notAfter}
	payload, err := wire.SignDecision(private, "metz-in", d)
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]any
	if err := json.Unmarshal(payload, &raw); err != nil {
		t.Fatal(err)
	}
	words := fmt.Sprintf("totem/v1|decision|metz-in|%s|true|lease|5000|2026-10-31T06:02:03.000Z", d.Request)
	if raw["not_after"] != "2026-10-31T06:02:03.000Z" ||
		raw["signature"] != base64url(ed25519.Sign(private, []byte(words))) {
		t.Errorf("payload %s", payload)
	}
	got, err := wire.VerifyDecision(public, "metz-in", payload)
	if err != nil || got.Request != d.Request || !got.NotAfter.Equal(notAfter) {
		t.Errorf("read back %+v, %v", got, err)
	}
	c, err := wire.SignCommand(private,
		"metz-in",
		wire.CommandBody{ID: uuid.UUID{2}, Kind: "unlock", OpenMS: 1, NotAfter: notAfter},
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.VerifyCommand(public, "metz-in", c); err != nil {
		t.Error(err)
	}
	l, err := wire.SignList(private,
		"metz-in",
		wire.List{
			Version:   3,
			Device:    "metz-in",
			Door:      "metz",
			Direction: catalogue.In,
			IssuedAt:  notAfter,
			ExpiresAt: notAfter.Add(24 * time.Hour),
			Entries: []wire.ListEntry{
				{Hash: [32]byte{7}, Rights: []wire.ListRight{{Reason: "lease", From: 1, To: 2}}},
			},
		},
		wire.ListForm1,
	)
	if err != nil {
		t.Fatal(err)
	}
	list, err := wire.VerifyList(public, "metz-in", l)
	if err != nil || list.Version != 3 || len(list.Entries) != 1 || !list.ExpiresAt.Equal(notAfter.Add(24*time.Hour)) {
		t.Errorf("list %+v, %v", list, err)
	}
}

func TestAlteredOrMisdirectedAnswersDoNotVerify(t *testing.T) {
	public, private := keyPair()
	payload, err := wire.SignDecision(private,
		"metz-in",
		wire.DecisionBody{Request: uuid.UUID{1}, Reason: "no-right", NotAfter: time.Unix(0, 0)},
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.VerifyDecision(public, "metz-out", payload); !errors.Is(err, wire.ErrSignature) {
		t.Errorf("for another device: %v", err)
	}
	forged := bytes.Replace(payload, []byte(`"granted":false`), []byte(`"granted":true`), 1)
	if _, err := wire.VerifyDecision(public, "metz-in", forged); !errors.Is(err, wire.ErrSignature) {
		t.Errorf("forged: %v", err)
	}
	if _, err := wire.VerifyCommand(public, "metz-in", payload); err == nil {
		t.Error("a decision was taken for a command")
	}
	if _, err := wire.VerifyDecision(nil, "metz-in", payload); err == nil {
		t.Error("verified without a key")
	}
}
