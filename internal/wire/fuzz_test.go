package wire_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lorntech/totem/internal/wire"
)

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func FuzzDecode(f *testing.F) {
	for _, body := range []string{`"credential":"04A1B2C3"`, `"credential":"qr:x","offline":{"granted":true,"reason":"r","list":3}`, `"state":"open"`, `"occupied":true`,
		`"count":3`, `"in":1,"out":2`, `"co2_ppm":1e3`, `"online":true,"list":4`, `"seq":1,"count":0`} {
		f.Add("{" + head + "," + body + "}")
	}
	f.Fuzz(func(t *testing.T, payload string) {
		for _, w := range wire.UpWhats() {
			m, err := wire.Decode(topic(w), []byte(payload))
			if err != nil {
				continue
			}
			if !json.Valid([]byte(payload)) {
				t.Fatalf("read what is no JSON: %q", payload)
			}
			again, err := m.Encode()
			if err != nil {
				t.Fatalf("%q: %v", payload, err)
			}
			back, err := wire.Decode(topic(w), again)
			if err != nil {
				t.Fatalf("%q became %q: %v", payload, again, err)
			}
			if diff := cmp.Diff(m.Canonical(nil), back.Canonical(nil)); diff != "" {
				t.Fatalf("%q became %q: %s", payload, again, diff)
			}
		}
	})
}

func FuzzParseUp(f *testing.F) {
	f.Add("totem/v1/metz/metz-entrance-in/badge")
	f.Fuzz(func(t *testing.T, s string) {
		if top, err := wire.ParseUp(s); err == nil && top.String() != s {
			t.Fatalf("%q was read as %q", s, top)
		}
	})
}

func FuzzParseCredential(f *testing.F) {
	for _, s := range []string{"04A1B2C3", "dec:3283263748", "qr:token", "04:a1-b2 c3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := wire.ParseCredential(s)
		if err != nil {
			return
		}
		back, err := wire.ParseCredential(c.String())
		if err != nil || back.QR != c.QR || !bytes.Equal(back.Bytes, c.Bytes) {
			t.Fatalf("%q became %q: %+v, %v", s, c, back, err)
		}
	})
}

func FuzzVerify(f *testing.F) {
	public, private := keyPair()
	for _, sign := range []func() ([]byte, error){
		func() ([]byte, error) { return wire.SignDecision(private, "d", wire.DecisionBody{}) },
		func() ([]byte, error) { return wire.SignList(private, "d", wire.List{Device: "d"}, wire.ListForm1) },
		func() ([]byte, error) {
			return wire.SignList(private, "d", wire.List{Device: "d", Entries: []wire.ListEntry{{Rights: []wire.ListRight{{Reason: "lease"}}}}}, wire.ListForm2)
		},
	} {
		p, err := sign()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if d, err := wire.VerifyDecision(public, "d", p); err == nil && d.Granted {
			t.Fatalf("a grant that was never signed: %s", p)
		}
		if c, err := wire.VerifyCommand(public, "d", p); err == nil {
			t.Fatalf("a command that was never signed: %+v", c)
		}
		if l, err := wire.VerifyList(public, "d", p); err == nil && len(l.Entries) > 0 {
			t.Fatalf("a list that was never signed: %s", p)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	payload := []byte("{" + head + `,"credential":"04A1B2C3","seq":12,"boot":"018f6f3c-7a1e-7c3a-9b1e-0123456789ac"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Decode(topic(wire.Badge), payload); err != nil {
			b.Fatal(err)
		}
	}
}
