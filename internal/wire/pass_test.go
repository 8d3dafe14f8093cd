package wire_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

func siteKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), ed25519.SeedSize)))
}

// passFor returns a pass of 8 to 18 o'clock for so many spaces.
func passFor(spaces int) wire.Pass {
	p := wire.Pass{
		ID:   wire.PassID{1, 2, 3, 4, 5, 6, 7, 8},
		From: time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC),
		To:   time.Date(2026, 11, 30, 18, 0, 0, 0, time.UTC),
	}
	for i := range spaces {
		p.Spaces = append(p.Spaces, wire.HashSpace(catalogue.SpaceID(fmt.Sprintf("space-%d", i))))
	}
	return p
}

func TestAPassIsReadAsItWasSigned(t *testing.T) {
	key := siteKey('a')
	for spaces := 1; spaces <= wire.MostPassSpaces; spaces++ {
		p := passFor(spaces)
		token := wire.SignPass(key, p)
		if len(token) > 200 {
			t.Errorf("%d spaces: a token of %d characters", spaces, len(token))
		}
		got, err := wire.VerifyPass(key.Public().(ed25519.PublicKey), token)
		if diff := cmp.Diff(p, got); err != nil || diff != "" {
			t.Errorf("%d spaces: %v %s", spaces, err, diff)
		}
		if _, err := wire.VerifyPass(siteKey('b').Public().(ed25519.PublicKey), token); !errors.Is(err, wire.ErrSignature) {
			t.Errorf("another site's key: %v", err)
		}
	}
}

// TestNoOtherTextIsAPass changes every byte of a token, and its length.
func TestNoOtherTextIsAPass(t *testing.T) {
	key := siteKey('a')
	public := key.Public().(ed25519.PublicKey)
	token := wire.SignPass(key, passFor(2))
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		changed := append([]byte(nil), raw...)
		changed[i] ^= 1
		if _, err := wire.VerifyPass(public, base64.RawURLEncoding.EncodeToString(changed)); err == nil {
			t.Errorf("byte %d may be changed", i)
		}
	}
	for _, text := range []string{"", token[1:], token[:len(token)-1], token + "A", token + "=", token + "\n", strings.Repeat("A", 200)} {
		if _, err := wire.VerifyPass(public, text); err == nil {
			t.Errorf("%q is taken for a pass", text)
		}
	}
	// 88 bytes leave two bits of the last character that say nothing: only one of its four spellings is a pass.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	spellings := 0
	for _, c := range alphabet {
		if _, err := wire.VerifyPass(public, token[:len(token)-1]+string(c)); err == nil {
			spellings++
		}
	}
	if spellings != 1 {
		t.Errorf("the token has %d spellings", spellings)
	}
}

func TestATokenNeverOpensLongerThanItsPass(t *testing.T) {
	p := passFor(1)
	p.From, p.To = p.From.Add(30*time.Second), p.To.Add(30*time.Second)
	got, err := wire.ParsePass(p.Claims())
	if err != nil || got.From.Before(p.From) || got.To.After(p.To) {
		t.Fatalf("%+v, %v", got, err)
	}
	for at, opens := range map[time.Time]bool{
		got.From.Add(-time.Millisecond): false, got.From: true, got.To.Add(-time.Millisecond): true, got.To: false,
	} {
		if got.Opens(p.Spaces, at) != opens {
			t.Errorf("at %s: opens %t", at, !opens)
		}
	}
	if got.Opens([]wire.SpaceHash{wire.HashSpace("elsewhere")}, got.From) || got.Opens(nil, got.From) {
		t.Error("it opens a door that leads to none of its spaces")
	}
}

func FuzzPass(f *testing.F) {
	key := siteKey('a')
	f.Add(wire.SignPass(key, passFor(1)))
	f.Add(wire.SignPass(key, passFor(8)))
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		p, err := wire.VerifyPass(key.Public().(ed25519.PublicKey), token)
		if err == nil && wire.SignPass(key, p) != token {
			t.Errorf("%q is a second spelling of a pass", token)
		}
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return
		}
		if p, err := wire.ParsePass(raw); err == nil && string(p.Claims()) != string(raw) {
			t.Errorf("%x is read as %x", raw, p.Claims())
		}
	})
}
