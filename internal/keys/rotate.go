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
	"slices"

	"github.com/lorntech/totem/internal/catalogue"
)

// A site's key is replaced in three steps, so that no reader ever gets a
// message that it cannot verify: the next key is created; lists announce it,
// signed with the present one, until every reader has reported that it verifies
// with it; then the next key signs.

// SiteKeyID returns the id of a site's public key.
func SiteKeyID(site catalogue.SiteID, public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return string(site) + "-" + base64.RawURLEncoding.EncodeToString(sum[:6])
}

// siteKeys holds the keys of sites: those that sign, and those that will sign
// next.
type siteKeys struct{ now, next map[catalogue.SiteID]Site }

func (f *file) siteKeys() *siteKeys {
	read := func(seeds map[string][]byte) map[catalogue.SiteID]Site {
		m := map[catalogue.SiteID]Site{}
		for id, seed := range seeds {
			private := ed25519.NewKeyFromSeed(seed)
			m[catalogue.SiteID(id)] = Site{SiteKeyID(catalogue.SiteID(id), private.Public().(ed25519.PublicKey)), private}
		}
		return m
	}
	return &siteKeys{read(f.Sites), read(f.Next)}
}

// load reads a key file; a missing file is empty.
func load(path string) (f file, there bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, false, nil
	}
	if err != nil {
		return f, false, fmt.Errorf("read keys: %w", err)
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return f, true, fmt.Errorf("keys %s: the file is damaged; restore it from a backup: %w", path, err)
	}
	for _, key := range f.Layers {
		if len(key) != sha256.Size {
			return f, true, fmt.Errorf(
				"keys %s: a list key does not have 32 bytes: the file is damaged; restore it from a backup",
				path,
			)
		}
	}
	for _, seeds := range []map[string][]byte{f.Sites, f.Next} {
		for site, seed := range seeds {
			if len(seed) != ed25519.SeedSize {
				return f, true, fmt.Errorf(
					"keys %s: a key of %s does not have 32 bytes: the file is damaged; restore it from a backup",
					path,
					site,
				)
			}
		}
	}
	return f, true, nil
}

// Rotate creates a site's next key in a key file, and returns its id and that
// of the present one. A running service finds it there.
func Rotate(path string, site catalogue.SiteID) (present, next string, err error) {
	f, _, err := load(path)
	if err != nil {
		return "", "", err
	}
	if len(f.Sites[string(site)]) != ed25519.SeedSize {
		return "", "", fmt.Errorf("keys %s: there is no key of site %q", path, site)
	}
	if f.Next[string(site)] == nil {
		if f.Next == nil {
			f.Next = map[string][]byte{}
		}
		seed := make([]byte, ed25519.SeedSize)
		rand.Read(seed)
		f.Next[string(site)] = seed
		if err := f.save(path); err != nil {
			return "", "", fmt.Errorf("write keys: %w", err)
		}
	}
	k := f.siteKeys()
	return k.now[site].ID, k.next[site].ID, nil
}

// RotateList creates a new list key. UIDs are not kept, so the new key hashes the
// hashes under the keys before it: hash = HMAC(newest, … HMAC(first, bytes)). It returns the key's id. A
// running service finds it; a reader gets it with its next secret.
func RotateList(path string) (id string, err error) {
	f, there, err := load(path)
	if err != nil {
		return "", err
	}
	if !there {
		return "", fmt.Errorf("keys %s: the file does not exist", path)
	}
	key := make([]byte, sha256.Size)
	rand.Read(key)
	f.Layers = append(f.Layers, key)
	if err := f.save(path); err != nil {
		return "", fmt.Errorf("write keys: %w", err)
	}
	return ListKeyID(len(f.Layers) + 1), nil
}

// ListKeyID returns the id of the n-th list key, from 1.
func ListKeyID(n int) string { return fmt.Sprintf("list-%d", n) }

// ListKeys returns the keys with which lists hash credentials, the first one
// first.
func (r *Ring) ListKeys() [][]byte { return append([][]byte{r.list}, *r.layers.Load()...) }

// Layered returns the hash under n list keys, computed from the one under the
// first.
func (r *Ring) Layered(hash [32]byte, n int) [32]byte {
	layers := *r.layers.Load()
	for _, key := range layers[:min(max(n-1, 0), len(layers))] {
		mac := hmac.New(sha256.New, key)
		mac.Write(hash[:])
		hash = [32]byte(mac.Sum(nil))
	}
	return hash
}

// Next returns the key that will sign for a site once its readers know it.
func (r *Ring) Next(id catalogue.SiteID) (key Site, ok bool) {
	key, ok = r.sites.Load().next[id]
	return key, ok
}

// Reload loads the sites' next keys and the list keys that were added to the file
// since it was last read, and reports whether there are any.
func (r *Ring) Reload() (changed bool, err error) {
	info, err := os.Stat(r.path)
	if err != nil {
		return false, fmt.Errorf("read keys: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if info.ModTime().Equal(r.read) {
		return false, nil
	}
	f, _, err := load(r.path)
	if err != nil {
		return false, err
	}
	r.read = info.ModTime()
	changed = len(f.Layers) != len(*r.layers.Load())
	r.layers.Store(&f.Layers)
	was, k := r.sites.Load(), f.siteKeys()
	for site, key := range k.next {
		changed = changed || was.next[site].ID != key.ID
	}
	r.sites.Store(&siteKeys{was.now, k.next}) // only Advance changes which key signs
	return changed, nil
}

// Advance makes a site's next key sign, and forgets the one before.
func (r *Ring) Advance(site catalogue.SiteID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, _, err := load(r.path)
	if err != nil {
		return err
	}
	if f.Next[string(site)] == nil {
		return fmt.Errorf("keys %s: there is no next key of site %q", r.path, site)
	}
	f.Sites[string(site)] = f.Next[string(site)]
	delete(f.Next, string(site))
	if err := f.save(r.path); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	r.sites.Store(f.siteKeys())
	return nil
}

// Checks identify keys without revealing them: a ledger stores them, so that it
// is never opened with other keys than its own.
type Checks struct {
	Lookup string                        `json:"lookup"`
	List   string                        `json:"list"`
	Layers []string                      `json:"list_layers,omitempty"`
	Digest string                        `json:"digest"`
	Sites  map[catalogue.SiteID][]string `json:"sites"` // ids: of the key that signs, and of the next
}

func check(key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("totem check value"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:12])
}

// Checks returns the check values of the ring's keys.
func (r *Ring) Checks() Checks {
	c := Checks{
		Lookup: check(r.lookup),
		List:   check(r.list),
		Digest: check(r.digest),
		Sites:  map[catalogue.SiteID][]string{},
	}
	for _, key := range *r.layers.Load() {
		c.Layers = append(c.Layers, check(key))
	}
	k := r.sites.Load()
	for site, key := range k.now {
		c.Sites[site] = []string{key.ID}
		if next, ok := k.next[site]; ok {
			c.Sites[site] = append(c.Sites[site], next.ID)
		}
	}
	return c
}

// holds returns an error that names the first key of a file which is missing, or is
// not the one that the ledger was made with; nil where there is none.
func (c *Checks) holds(f *file) error {
	wrong := func(what string) error {
		return fmt.Errorf(
			"the %s is missing, or is not the one that this ledger was made with: restore keys.json from the backup that belongs to the ledger. With other keys no badge would be known, and no reader would obey",
			what,
		)
	}
	for _, k := range []struct {
		name, want string
		key        []byte
	}{{"key that hashes badges", c.Lookup, f.Lookup}, {"key of the allowlists", c.List, f.List},
		{"key of messages' digests", c.Digest, f.Digest}} {
		if k.want != "" && (len(k.key) == 0 || check(k.key) != k.want) {
			return wrong(k.name)
		}
	}
	for i, want := range c.Layers {
		if i >= len(f.Layers) || check(f.Layers[i]) != want {
			return wrong("list key " + ListKeyID(i+2))
		}
	}
	have := f.siteKeys().now
	for site, ids := range c.Sites {
		if key, ok := have[site]; !ok || !slices.Contains(ids, key.ID) {
			return wrong("key of site " + string(site))
		}
	}
	return nil
}
