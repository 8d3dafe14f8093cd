// Package keys creates and stores the secrets with which Totem signs and hashes.
// They are in one file beside the ledger, never in it, so that a copy of the ledger
// alone reveals no UID and opens no door.
package keys

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/disk"
)

// Path returns the key file of a data folder.
func Path(data string) string { return filepath.Join(data, "keys.json") }

// Ring holds every key of a network; it is safe for concurrent use. Site keys
// are Ed25519 seeds, the others 32 random bytes.
type Ring struct {
	lookup, list, digest []byte
	sites                atomic.Pointer[siteKeys]
	layers               atomic.Pointer[[][]byte]

	path string
	mu   sync.Mutex // held while the file is read or written
	read time.Time  // modification time of the file when it was read
}

// Site is the key with which a site's decisions, commands and allowlists are
// signed.
type Site struct {
	ID      string // id of the key, for rotation
	Private ed25519.PrivateKey
}

// Public returns the key with which readers verify.
func (s Site) Public() ed25519.PublicKey { return s.Private.Public().(ed25519.PublicKey) }

// file is the form on disk; []byte is base64 in JSON.
type file struct {
	Lookup []byte            `json:"lookup"`
	List   []byte            `json:"list"`
	Digest []byte            `json:"digest"`
	Sites  map[string][]byte `json:"sites"`
	Next   map[string][]byte `json:"next,omitempty"`        // sites whose key is being replaced
	Layers [][]byte          `json:"list_layers,omitempty"` // list keys created after the first
}

// Open reads the key file. It creates the file, or the keys of new sites, where
// they are missing. The file is written completely or not at all, for its owner
// only. known are the check values of the keys that the ledger beside it was
// made with, nil where it has none; used reports that the ledger contains what
// only its keys can read.
func Open(path string, sites []catalogue.Site, known *Checks, used bool) (*Ring, error) {
	f, there, err := load(path)
	if err != nil {
		return nil, err
	}
	switch {
	case known != nil:
		err = known.holds(&f)
	case used && !there:
		err = errors.New(
			"the file is missing, but the ledger beside it is in use: restore keys.json from the backup that belongs to the ledger. With other keys no badge would be known, and no reader would obey",
		)
	}
	if err != nil {
		return nil, fmt.Errorf("keys %s: %w", path, err)
	}
	changed, err := f.fill(sites)
	if err != nil {
		return nil, fmt.Errorf("keys %s: %w", path, err)
	}
	if changed {
		if err := f.save(path); err != nil {
			return nil, fmt.Errorf("write keys: %w", err)
		}
	}
	r := &Ring{lookup: f.Lookup, list: f.List, digest: f.Digest, path: path}
	r.sites.Store(f.siteKeys())
	r.layers.Store(&f.Layers)
	return r, nil
}

func (f *file) fill(sites []catalogue.Site) (changed bool, err error) {
	if f.Sites == nil {
		f.Sites = map[string][]byte{}
	}
	fresh := func(key *[]byte) error {
		switch len(*key) {
		case 32:
			return nil
		case 0:
			*key, changed = make([]byte, 32), true
			rand.Read(*key)
			return nil
		}
		return errors.New("a key does not have 32 bytes: the file is damaged; restore it from a backup")
	}
	for _, key := range []*[]byte{&f.Lookup, &f.List, &f.Digest} {
		if err := fresh(key); err != nil {
			return false, err
		}
	}
	for _, s := range sites {
		key := f.Sites[string(s.ID)]
		if err := fresh(&key); err != nil {
			return false, err
		}
		f.Sites[string(s.ID)] = key
	}
	return changed, nil
}

func (f *file) save(path string) error {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return WriteSecret(path, append(data, '\n'))
}

// Site returns the site's signing key; ok is false for a site unknown when the ring was opened.
func (r *Ring) Site(id catalogue.SiteID) (key Site, ok bool) {
	key, ok = r.sites.Load().now[id]
	return key, ok
}

// List returns the HMAC key with which allowlists hash credentials (rules 3.8,
// list_key).
func (r *Ring) List() []byte { return r.list }

// Lookup returns the HMAC key under which the ledger stores credentials (rules
// 12.2).
func (r *Ring) Lookup() []byte { return r.lookup }

// Digest returns a keyed digest of a message's canonical body: repeats are
// compared by it, and it reveals nothing of a UID in the body.
func (r *Ring) Digest(body []byte) [16]byte {
	mac := hmac.New(sha256.New, r.digest)
	mac.Write(body)
	return [16]byte(mac.Sum(nil)[:16])
}

// ErasedHash returns the hash by which an erased person is remembered: whoever
// has no keys cannot tell whose it is, not even by trying all ids.
func (r *Ring) ErasedHash(member string) [32]byte {
	mac := hmac.New(sha256.New, r.lookup)
	mac.Write([]byte("erased|" + member))
	return [32]byte(mac.Sum(nil))
}

// SignInKey returns the key that seals what a browser brings back from the provider
// of accounts.
func (r *Ring) SignInKey() []byte {
	mac := hmac.New(sha256.New, r.lookup)
	mac.Write([]byte("sign-in"))
	return mac.Sum(nil)
}

// RelayKey returns the key with which relays sign the address of the client for whom
// they ask.
func (r *Ring) RelayKey() []byte { return relayKey(r.lookup) }

func relayKey(lookup []byte) []byte {
	mac := hmac.New(sha256.New, lookup)
	mac.Write([]byte("relay"))
	return mac.Sum(nil)
}

// RelayKeyOf returns the same key of a key file, which must be there.
func RelayKeyOf(path string) ([]byte, error) {
	f, there, err := load(path)
	switch {
	case err != nil:
		return nil, err
	case !there:
		return nil, fmt.Errorf("keys %s: there is no such file: copy it from the machine that serves", path)
	}
	return relayKey(f.Lookup), nil
}

// WebhookSecret returns the secret that signs the events of a webhook: whoever has
// its nonce alone, from a copy of the ledger, cannot sign.
func (r *Ring) WebhookSecret(nonce []byte) []byte {
	mac := hmac.New(sha256.New, r.lookup)
	mac.Write([]byte("webhook|"))
	mac.Write(nonce)
	return mac.Sum(nil)
}

// ClientID returns this installation's client id at an outside broker: two
// services with the same id would end each other's connections without end.
func (r *Ring) ClientID() string {
	d := r.Digest([]byte("mqtt client"))
	return fmt.Sprintf("totem-%x", d[:6])
}

// WriteSecret writes a file for its owner only, completely or not at all, and
// durably.
func WriteSecret(path string, data []byte) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".secret-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(data); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := errors.Join(disk.Adopt(tmp.Name()), os.Rename(tmp.Name(), path)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// NewSecret returns 32 random bytes in unpadded base64url: a token or a device's password.
func NewSecret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// HashSecret returns the hash under which a secret of NewSecret is stored: its
// 256 random bits need no slow hash.
func HashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
