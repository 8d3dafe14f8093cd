// Package keys makes and keeps the secrets that Totem signs, hashes and
// commits with. They live in one file beside the ledger, never in it, so
// that a copy of the ledger alone tells nobody a UID and opens no door.
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
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lorntech/totem/internal/catalogue"
)

// Ring is every key of a network. Site keys are Ed25519 seeds, the others 32 random bytes.
type Ring struct {
	lookup, list, digest []byte
	sites                map[catalogue.SiteID]Site
}

// Site is what a site's decisions, commands and allowlists are signed with.
type Site struct {
	ID      string // of the key, for rotation
	Private ed25519.PrivateKey
}

// Public returns the key that readers verify by.
func (s Site) Public() ed25519.PublicKey { return s.Private.Public().(ed25519.PublicKey) }

// file is the form on disk; []byte is base64 in JSON.
type file struct {
	Lookup []byte            `json:"lookup"`
	List   []byte            `json:"list"`
	Digest []byte            `json:"digest"`
	Sites  map[string][]byte `json:"sites"`
}

// Open reads the key file, making it or adding the keys of new sites where
// they are missing. The file is written whole or not at all, for its owner only.
func Open(path string, sites []catalogue.Site) (*Ring, error) {
	var f file
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("read keys: %w", err)
	default:
		if err := json.Unmarshal(data, &f); err != nil {
			return nil, fmt.Errorf("keys %s: %w", path, err)
		}
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
	return f.ring(), nil
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
		return errors.New("a key has not 32 bytes: the file is damaged; restore it from a backup")
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

func (f *file) ring() *Ring {
	r := &Ring{lookup: f.Lookup, list: f.List, digest: f.Digest, sites: map[catalogue.SiteID]Site{}}
	for id, seed := range f.Sites {
		private := ed25519.NewKeyFromSeed(seed)
		sum := sha256.Sum256(private.Public().(ed25519.PublicKey))
		r.sites[catalogue.SiteID(id)] = Site{
			ID:      id + "-" + base64.RawURLEncoding.EncodeToString(sum[:6]),
			Private: private,
		}
	}
	return r
}

// Site returns the site's signing key; ok is false for a site unknown when the ring was opened.
func (r *Ring) Site(id catalogue.SiteID) (key Site, ok bool) {
	key, ok = r.sites[id]
	return key, ok
}

// List is the HMAC key by which allowlists hash credentials (contract §8, list_key).
func (r *Ring) List() []byte { return r.list }

// Lookup is the HMAC key by which the ledger knows credentials (§7).
func (r *Ring) Lookup() []byte { return r.lookup }

// Digest is a keyed digest of a message's canonical body: repeats are told by
// it, and it tells nobody the UID in the body.
func (r *Ring) Digest(body []byte) [16]byte {
	mac := hmac.New(sha256.New, r.digest)
	mac.Write(body)
	return [16]byte(mac.Sum(nil)[:16])
}

// ClientID is this installation's name at an outside broker: two services
// that shared one would end each other's connections without end.
func (r *Ring) ClientID() string {
	d := r.Digest([]byte("mqtt client"))
	return fmt.Sprintf("totem-%x", d[:6])
}

// WriteSecret writes a file for its owner only, whole or not at all, and durably.
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
	if err := os.Rename(tmp.Name(), path); err != nil {
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

// HashSecret is how a secret of NewSecret is kept: its 256 random bits need no slow hash.
func HashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
