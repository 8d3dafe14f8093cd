package reader

import (
	"bytes"
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

var (
	private = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32))
	listKey = bytes.Repeat([]byte{4}, 32)
	card    = wire.Credential{Bytes: []byte{4, 1, 2, 3}}
	now     = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
)

func newReader(direction catalogue.Direction) *Reader {
	return New(
		Config{
			Device:    "r",
			Site:      "metz",
			Door:      "d",
			Direction: direction,
			SiteKey:   private.Public().(ed25519.PublicKey),
			ListKey:   listKey,
			Boot:      uuid.New(),
			NewID:     uuid.New,
		},
	)
}

func decision(t *testing.T, d wire.DecisionBody, device catalogue.DeviceID, key ed25519.PrivateKey) []byte {
	t.Helper()
	p, err := wire.SignDecision(key, device, d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func list(t *testing.T, version int64, door catalogue.DoorID, from, to time.Time) []byte {
	t.Helper()
	sum := wire.HashCredential(listKey, card)
	p, err := wire.SignList(private,
		"r",
		wire.List{
			Version:   version,
			Device:    "r",
			Door:      door,
			Direction: catalogue.In,
			IssuedAt:  from,
			ExpiresAt: to,
			Entries: []wire.ListEntry{
				{
					Hash:   sum,
					Rights: []wire.ListRight{{Reason: "lease", From: from.UnixMilli(), To: from.Add(2 * time.Hour).UnixMilli()}},
				},
			},
		},
		wire.ListForm2,
	)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSignedDecisionInTimeOpens(t *testing.T) {
	r := newReader(catalogue.In)
	m, o := r.Badge(card, now)
	if o != nil {
		t.Fatal("opened before it was told")
	}
	got := r.Decision(
		decision(t,
			wire.DecisionBody{Request: m.ID, Granted: true, Reason: "lease", OpenMS: 5000, NotAfter: now.Add(5 * time.Second)},
			"r",
			private,
		),
		now.Add(100*time.Millisecond),
	)
	if got == nil || got.Open != 5*time.Second || got.By != "decision" {
		t.Errorf("got %+v", got)
	}
	if len(r.Unsent()) != 0 {
		t.Error("a decided read stays in the flash")
	}
}

func TestDecisionsThatAreNotObeyed(t *testing.T) {
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32))
	for name, make := range map[string]func(m *wire.Message) ([]byte, time.Time){
		"unsigned": func(m *wire.Message) ([]byte, time.Time) {
			return []byte(`{"request":"` + m.ID.String() + `","granted":true}`), now
		},
		"another key": func(m *wire.Message) ([]byte, time.Time) {
			return decision(t, wire.DecisionBody{Request: m.ID, Granted: true, NotAfter: now.Add(time.Hour)}, "r", other), now
		},
		"another reader's": func(m *wire.Message) ([]byte, time.Time) {
			return decision(t, wire.DecisionBody{Request: m.ID, Granted: true, NotAfter: now.Add(time.Hour)}, "x", private), now
		},
		"another request's": func(*wire.Message) ([]byte, time.Time) {
			return decision(t, wire.DecisionBody{Request: uuid.New(), Granted: true, NotAfter: now.Add(time.Hour)}, "r", private), now
		},
		"past its time": func(m *wire.Message) ([]byte, time.Time) {
			return decision(t, wire.DecisionBody{Request: m.ID, Granted: true, NotAfter: now.Add(500 * time.Millisecond)}, "r", private), now.Add(501 * time.Millisecond)
		},
		"nonsense": func(*wire.Message) ([]byte, time.Time) { return []byte("x"), now },
	} {
		r := newReader(catalogue.In)
		m, _ := r.Badge(card, now)
		payload, at := make(m)
		if o := r.Decision(payload, at); o != nil {
			t.Errorf("%s: obeyed: %+v", name, o)
		}
	}
}

func TestWithoutADecisionTheListDecides(t *testing.T) {
	r := newReader(catalogue.In)
	if !r.Allowlist(list(t, 1, "d", now, now.Add(24*time.Hour))) {
		t.Fatal("list not applied")
	}
	m, _ := r.Badge(card, now)
	if out, _ := r.Tick(now.Add(Wait - time.Millisecond)); len(out) != 0 {
		t.Fatal("did not wait")
	}
	out, messages := r.Tick(now.Add(Wait))
	if len(out) != 1 || !out[0].Granted || out[0].Reason != "lease" || len(messages) != 1 || messages[0].ID != m.ID ||
		!messages[0].Badge.Offline.Granted ||
		messages[0].Badge.Offline.List != "1" {
		t.Fatalf("got %+v %+v", out, messages)
	}
	late := r.Decision(
		decision(t, wire.DecisionBody{Request: m.ID, Granted: true, OpenMS: 1, NotAfter: now.Add(time.Hour)}, "r", private),
		now.Add(2*time.Second),
	)
	if late != nil {
		t.Error("a late decision was obeyed")
	}
	if u := r.Unsent(); len(u) != 1 || u[0].ID != m.ID {
		t.Errorf("to be sent: %+v", u)
	}
	r.Acknowledged(m.ID)
	if len(r.Unsent()) != 0 {
		t.Error("sent again after its acknowledgement")
	}
}

func TestListsThatAreNotApplied(t *testing.T) {
	r := newReader(catalogue.In)
	r.Allowlist(list(t, 5, "d", now, now.Add(24*time.Hour)))
	for name, payload := range map[string][]byte{"older": list(t, 4, "d", now, now.Add(48*time.Hour)), "the same": list(t, 5, "d", now, now.Add(48*time.Hour)),
		"another door's": list(t, 6, "x", now, now.Add(24*time.Hour)), "altered": bytes.Replace(list(t, 6, "d", now, now.Add(24*time.Hour)), []byte(`"list":"e`), []byte(`"list":"f`), 1)} {
		if r.Allowlist(payload) || r.Version() != "5" {
			t.Errorf("%s was applied", name)
		}
	}
}

func TestExpiredListOpensForNobodyButOut(t *testing.T) {
	r := newReader(catalogue.In)
	r.Allowlist(list(t, 1, "d", now, now.Add(time.Hour)))
	later := now.Add(time.Hour)
	r.Badge(card, later)
	if out, _ := r.Tick(later.Add(Wait)); len(out) != 1 || out[0].Granted {
		t.Errorf("in: %+v", out)
	}
	if _, o := newReader(catalogue.Out).Badge(card, later); o == nil || !o.Granted {
		t.Errorf("out: %+v", o)
	}
}

func TestOutsideItsRightsTheListRefuses(t *testing.T) {
	r := newReader(catalogue.In)
	r.Allowlist(list(t, 1, "d", now, now.Add(24*time.Hour)))
	at := now.Add(2 * time.Hour)
	r.Badge(card, at.Add(-Wait))
	if out, _ := r.Tick(at); len(out) != 1 || out[0].Granted || out[0].Reason != "outside-hours" {
		t.Errorf("got %+v", out)
	}
}

func TestCommandsAreObeyedOnce(t *testing.T) {
	r := newReader(catalogue.In)
	command := func(kind wire.CommandKind, notAfter time.Time) []byte {
		p, err := wire.SignCommand(private,
			"r",
			wire.CommandBody{ID: uuid.New(), Kind: kind, OpenMS: 3000, NotAfter: notAfter},
		)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	unlock := command("unlock", now.Add(time.Minute))
	if o := r.Command(unlock, now); o == nil || o.Open != 3*time.Second || !r.Held(now.Add(2*time.Second)) {
		t.Errorf("unlock: %+v", o)
	}
	if o := r.Command(unlock, now.Add(10*time.Second)); o != nil || r.Held(now.Add(11*time.Second)) {
		t.Errorf("replayed: %+v", o)
	}
	if o := r.Command(command("unlock", now), now.Add(time.Second)); o != nil {
		t.Errorf("past its time: %+v", o)
	}
	r.Command(command("lockdown", now.Add(time.Minute)), now)
	if o := r.Command(command("unlock", now.Add(time.Minute)), now); o != nil {
		t.Errorf("unlocked in a lockdown: %+v", o)
	}
	r.Command(command("release", now.Add(time.Minute)), now)
	if o := r.Command(command("unlock", now.Add(time.Minute)), now); o == nil {
		t.Error("not unlocked after the release")
	}
}

func TestFullFlashKeepsTheNewest(t *testing.T) {
	r := newReader(catalogue.Out)
	var last *wire.Message
	for i := range FlashSize + 3 {
		last, _ = r.Badge(card, now.Add(time.Duration(i)*time.Second))
	}
	u := r.Unsent()
	if len(u) != FlashSize || u[len(u)-1].ID != last.ID || r.Lost != 3 {
		t.Errorf("%d kept, %d lost", len(u), r.Lost)
	}
}

func TestRebootKeepsTheFlashAndNumbersAnew(t *testing.T) {
	r := newReader(catalogue.Out)
	before, _ := r.Badge(card, now)
	r.Reboot(uuid.New())
	after, _ := r.Badge(card, now)
	if after.Seq != 1 || after.Boot == before.Boot || len(r.Unsent()) != 2 || r.Unsent()[0].ID != before.ID {
		t.Errorf("before %+v after %+v", before, after)
	}
}
