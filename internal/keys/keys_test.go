package keys_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
)

func site(ids ...catalogue.SiteID) (list []catalogue.Site) {
	for _, id := range ids {
		list = append(list, catalogue.Site{ID: id})
	}
	return list
}

func open(t *testing.T, path string, sites ...catalogue.SiteID) *keys.Ring {
	t.Helper()
	r, err := keys.Open(path, site(sites...), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestKeysAreMadeOnceAndReadByTheirOwnerOnly(t *testing.T) {
	path := keys.Path(t.TempDir())
	a := open(t, path, "metz")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	b := open(t, path, "metz", "nancy") // a site that is new
	ka, _ := a.Site("metz")
	kb, _ := b.Site("metz")
	if ka.ID != kb.ID || !bytes.Equal(a.Lookup(), b.Lookup()) || !bytes.Equal(a.List(), b.List()) {
		t.Error("opened again, the keys differ")
	}
	if _, ok := b.Site("nancy"); !ok {
		t.Error("a new site has no key")
	}
	if _, ok := a.Site("nowhere"); ok {
		t.Error("an unknown site has a key")
	}
	text := []byte("open")
	if !ed25519.Verify(kb.Public(), text, ed25519.Sign(ka.Private, text)) {
		t.Error("a signature is not verified by the public key")
	}
	if bytes.Equal(a.Lookup(), a.List()) || a.Digest(text) == open(t, keys.Path(t.TempDir()), "metz").Digest(text) {
		t.Error("two keys are the same")
	}
	if id := a.ClientID(); id != b.ClientID() || !strings.HasPrefix(id, "totem-") {
		t.Errorf("client id %s", id)
	}
}

// TestALedgerIsOpenedWithItsOwnKeysOnly changes each key in turn: the error
// names it.
func TestALedgerIsOpenedWithItsOwnKeysOnly(t *testing.T) {
	path := keys.Path(t.TempDir())
	open(t, path, "metz", "nancy")
	if _, err := keys.RotateList(path); err != nil {
		t.Fatal(err)
	}
	known := open(t, path, "metz", "nancy").Checks()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Repeat([]byte{7}, 32)
	for what, change := range map[string]func(map[string]any){
		"key that hashes badges":  func(f map[string]any) { f["lookup"] = other },
		"key of the allowlists":   func(f map[string]any) { delete(f, "list") },
		"key of messages' digest": func(f map[string]any) { f["digest"] = other },
		"key of site metz":        func(f map[string]any) { delete(f["sites"].(map[string]any), "metz") },
		"key of site nancy":       func(f map[string]any) { f["sites"].(map[string]any)["nancy"] = other },
		"list key list-2":         func(f map[string]any) { f["list_layers"] = nil },
	} {
		var f map[string]any
		if err := json.Unmarshal(good, &f); err != nil {
			t.Fatal(err)
		}
		change(f)
		text, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Open(path, site("metz", "nancy"), &known, true); err == nil ||
			!strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
		if got, _ := os.ReadFile(path); !bytes.Equal(got, text) {
			t.Errorf("%s: the file was changed", what)
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Open(path, site("metz", "nancy"), &known, true); err != nil {
		t.Error(err)
	}
	if _, err := keys.Open(filepath.Join(t.TempDir(), "keys.json"), site("metz"), nil, true); err == nil {
		t.Error("a ledger in use was given new keys")
	}
}

func TestADamagedFileIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"{":                              "unexpected end of JSON",
		`{"lookup":"AAAA"}`:              "does not have 32 bytes",
		`{"sites":{"metz":"AAAA"}}`:      "a key of metz does not have 32 bytes",
		`{"next":{"metz":"AAAA"}}`:       "a key of metz does not have 32 bytes",
		`{"list_layers":["AAAA"]}`:       "a list key does not have 32 bytes",
		`{"lookup":"not base64 at all"}`: "illegal base64",
	} {
		path := keys.Path(t.TempDir())
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := keys.Open(path, site("metz"), nil, false)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestASiteKeyIsReplacedInThreeSteps: made in the file, found by the ring that
// runs, and only then made the one that signs.
func TestASiteKeyIsReplacedInThreeSteps(t *testing.T) {
	path := keys.Path(t.TempDir())
	r := open(t, path, "metz", "nancy")
	present, next, err := keys.Rotate(path, "metz")
	if err != nil {
		t.Fatal(err)
	}
	if _, again, _ := keys.Rotate(path, "metz"); again != next || next == present {
		t.Errorf("asked for twice: %s and %s, present %s", next, again, present)
	}
	if _, ok := r.Next("metz"); ok {
		t.Error("the next key is known before the file was read again")
	}
	if changed, err := r.Reload(); err != nil || !changed {
		t.Fatalf("%v %v", changed, err)
	}
	if changed, err := r.Reload(); err != nil || changed {
		t.Errorf("nothing changed: %v %v", changed, err)
	}
	now, _ := r.Site("metz")
	then, ok := r.Next("metz")
	if !ok || now.ID != present || then.ID != next {
		t.Fatalf("%s, next %s", now.ID, then.ID)
	}
	both := r.Checks()
	if err := r.Advance("metz"); err != nil {
		t.Fatal(err)
	}
	if now, _ = r.Site("metz"); now.ID != next {
		t.Errorf("%s signs", now.ID)
	}
	if _, ok := r.Next("metz"); ok {
		t.Error("a next key is left")
	}
	// The ledger knew both: it is opened with the file before and after.
	if _, err := keys.Open(path, site("metz", "nancy"), &both, true); err != nil {
		t.Error(err)
	}
	if err := r.Advance("metz"); err == nil {
		t.Error("advanced without a next key")
	}
	if _, _, err := keys.Rotate(path, "nowhere"); err == nil {
		t.Error("a key for an unknown site")
	}
}

// TestListKeysAreLayers: hash = HMAC(newest, … HMAC(first, bytes)), and a reader
// with n keys gets the hash under n.
func TestListKeysAreLayers(t *testing.T) {
	path := keys.Path(t.TempDir())
	r := open(t, path, "metz")
	for want := range 2 {
		if id, err := keys.RotateList(path); err != nil || id != keys.ListKeyID(want+2) {
			t.Fatalf("%s %v", id, err)
		}
	}
	if _, err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	all := r.ListKeys()
	if len(all) != 3 || !bytes.Equal(all[0], r.List()) {
		t.Fatalf("%d keys", len(all))
	}
	under := func(key, text []byte) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write(text)
		return mac.Sum(nil)
	}
	uid := []byte{4, 1, 2, 3}
	want := under(all[0], uid)
	first := [32]byte(want)
	for n := 1; n <= 3; n++ {
		if n > 1 {
			want = under(all[n-1], want)
		}
		if got := r.Layered(first, n); !bytes.Equal(got[:], want) {
			t.Errorf("under %d keys: %x, want %x", n, got, want)
		}
	}
	if r.Layered(first, 0) != first || r.Layered(first, 99) != r.Layered(first, 3) {
		t.Error("numbers of keys out of range")
	}
	if _, err := keys.RotateList(filepath.Join(t.TempDir(), "none.json")); err == nil {
		t.Error("a list key for a file that does not exist")
	}
}

// TestGuessesAreBounded: 20 at once, then one each two seconds, each address by
// itself.
func TestGuessesAreBounded(t *testing.T) {
	var g keys.Guesses
	now := time.Unix(1_800_000_000, 0)
	for i := range 20 {
		if wait := g.Wrong("192.0.2.1", now); wait != 0 {
			t.Fatalf("guess %d waits %v", i+1, wait)
		}
	}
	if wait := g.Wrong("192.0.2.1", now); wait != 2*time.Second {
		t.Errorf("guess 21 waits %v", wait)
	}
	if wait := g.Wrong("192.0.2.2", now); wait != 0 {
		t.Errorf("another address waits %v", wait)
	}
	if wait := g.Wrong("192.0.2.1", now.Add(2*time.Second)); wait != 0 {
		t.Errorf("two seconds later it waits %v", wait)
	}
}

func TestSecretsDiffer(t *testing.T) {
	a, b := keys.NewSecret(), keys.NewSecret()
	if a == b || len(a) != 43 || bytes.Equal(keys.HashSecret(a), keys.HashSecret(b)) {
		t.Errorf("%s %s", a, b)
	}
	if err := keys.WriteSecret(filepath.Join(t.TempDir(), "no", "folder"), nil); err == nil {
		t.Error("written into a folder that does not exist")
	}
}
