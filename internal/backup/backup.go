// Package backup writes everything that a service needs into one sealed file,
// and makes a data folder from it again:
//
//	err := backup.Create(ctx, cfg, file, to, bar)
//	found, err := backup.Restore(ctx, file, from, backup.Target{Data: dir}, bar)
//
// The file is sealed with age (age-encryption.org/v1): inside is a compressed tar
// of the ledger as it was at one instant, the keys, the catalogue's and the
// billing settings' files, and the settings. Whoever can unseal it can open
// doors.
package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"filippo.io/age"

	"github.com/lorntech/totem/firmware-sim/progress"
	"github.com/lorntech/totem/internal/disk"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/settings"
)

// The names of the parts in a backup, in their order.
const (
	manifestName  = "manifest.json"
	keysName      = "keys.json"
	settingsName  = "settings.env"
	catalogueName = "catalogue.yaml"
	billingName   = "billing.yaml"
	// The authority of an outside broker's certificates: devices trust it.
	authorityKey, authorityCert = "broker-ca.key", "broker-ca.crt"
	// Totem's own password at an outside broker: with another one a restored service would lock
	// itself out.
	brokerPassword = "broker-password"
)

// format is the version of the backup's format.
const format = 1

// Manifest describes a backup.
type Manifest struct {
	Format int       `json:"format"`
	At     time.Time `json:"at"`     // when it was made
	Schema int64     `json:"schema"` // version of the ledger's schema
	Head   int64     `json:"head"`   // last entry of the audit chain
	Size   int64     `json:"size"`   // bytes of the ledger's file
}

// Create writes a sealed backup of the data folder of the settings to a new
// file, for all the recipients. A service may be running with the folder. The
// file appears once it is complete.
func Create(
	ctx context.Context,
	cfg settings.Config,
	file string,
	to []age.Recipient,
	bar io.Writer,
) (m Manifest, err error) {
	if err := cfg.Check(); err != nil {
		return m, err
	}
	if _, err := os.Stat(file); err == nil {
		return m, fmt.Errorf("%s exists already: a backup does not replace another", file)
	}
	dir := cfg.Data
	if cfg.DatabaseURL != "" {
		if dir, err = fetch(ctx, cfg, bar); err != nil {
			return m, err
		}
		defer os.RemoveAll(dir)
	}
	image, ring, m, err := open(ctx, dir, cfg.KeysFile())
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, image.Close()) }()
	parts, err := collect(cfg, m, ring)
	if err != nil {
		return m, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".backup-*")
	if err != nil {
		return m, err
	}
	defer os.Remove(tmp.Name())
	if err := errors.Join(seal(ctx, &synced{File: tmp}, parts, image, to, bar), tmp.Sync(), tmp.Close()); err != nil {
		return m, fmt.Errorf("write %s: %w", file, err)
	}
	if err := appear(tmp.Name(), file); err != nil {
		return m, err
	}
	if err := note(ctx, cfg, m.At); err != nil { // the backup is good all the same
		fmt.Fprintf(bar, "The service could not be told of this backup, and may say that the last one is old: %v\n", err)
	}
	return m, nil
}

// note tells the service when its newest backup was made (totem_backup_timestamp_seconds).
func note(ctx context.Context, cfg settings.Config, at time.Time) error {
	l, err := ledger.OpenExisting(ctx, cfg.Ledger())
	if err != nil {
		return err
	}
	return errors.Join(l.Write(ctx, func(tx *ledger.Tx) error { return tx.SetBackupAt(at) }), l.Close())
}

// appear gives a complete file its name, durably. It fails where the name has come
// to exist meanwhile. Some disks, such as USB sticks and network shares, have no hard
// links: there it first creates an empty file with that name, then replaces it.
func appear(tmp, file string) error {
	err := os.Link(tmp, file)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		var taken *os.File
		if taken, err = os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err == nil {
			err = errors.Join(taken.Close(), os.Rename(tmp, file))
		}
	}
	if err != nil {
		return err
	}
	return errors.Join(disk.Adopt(file), syncDir(filepath.Dir(file)))
}

// synced writes a file out to the disk a little at a time. Otherwise
// the system would collect it in memory and write it all at once later, and the
// commits of reads would wait for that.
type synced struct {
	*os.File
	unsynced int
}

// syncAfter is how many bytes may wait to be written out.
const syncAfter = 2 << 20

func (s *synced) Write(b []byte) (int, error) {
	n, err := s.File.Write(b)
	if s.unsynced += n; err == nil && s.unsynced >= syncAfter {
		s.unsynced, err = 0, s.Sync()
	}
	return n, err
}

// fetch copies the ledger in PostgreSQL, as it is at this instant, into a SQLite
// file in a new folder inside the data folder: a backup always holds such a file,
// whichever database the ledger is in.
func fetch(ctx context.Context, cfg settings.Config, out io.Writer) (dir string, err error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp(cfg.Data, ".backup-"); err != nil {
		return "", err
	}
	p := progress.New(out, 1000, "copying the ledger from PostgreSQL")
	defer p.Finish()
	err = ledger.CopySnapshot(ctx, cfg.DatabaseURL, dir, func(done, all int64) { p.Set(int(1000 * done / max(all, 1))) })
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// open returns what a backup holds as of one instant: an image of the ledger, and the
// content of the key file that belongs to it. Where the key file changes while the image
// is opened, open starts again, so that the two match.
func open(ctx context.Context, dir, keysFile string) (image *ledger.Image, ring []byte, m Manifest, err error) {
	for {
		if ring, err = os.ReadFile(keysFile); err != nil {
			return nil, nil, m, fmt.Errorf("keys: %w", err)
		}
		now := time.Now().UTC()
		if image, err = ledger.OpenImage(ctx, dir); err != nil {
			return nil, nil, m, err
		}
		m = Manifest{Format: format, At: now, Schema: image.Schema, Head: image.Head, Size: image.Size}
		after, err := os.ReadFile(keysFile)
		if err == nil && bytes.Equal(ring, after) {
			return image, ring, m, nil
		}
		if err := errors.Join(err, image.Close()); err != nil {
			return nil, nil, m, err
		}
	}
}

// part is one file in a backup, other than the ledger.
type part struct {
	name    string
	content []byte
}

// collect reads the parts of a backup other than the ledger into memory: they are
// small.
func collect(cfg settings.Config, m Manifest, ring []byte) (parts []part, err error) {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	parts = []part{{manifestName, text}, {keysName, ring}, {settingsName, writeSettings(cfg)}}
	for _, file := range []struct{ name, path string }{{catalogueName, cfg.Catalogue}, {billingName, cfg.Billing}} {
		if file.path == "" {
			continue
		}
		text, err := os.ReadFile(file.path)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{file.name, text})
	}
	for _, name := range []string{authorityKey, authorityCert, brokerPassword} {
		text, err := os.ReadFile(filepath.Join(cfg.Data, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{name, text})
	}
	return parts, nil
}

// seal writes the parts and the ledger as a compressed tar, encrypted.
func seal(
	ctx context.Context,
	w io.Writer,
	parts []part,
	image *ledger.Image,
	to []age.Recipient,
	out io.Writer,
) error {
	sealed, err := age.Encrypt(w, to...)
	if err != nil {
		return err
	}
	packed, err := gzip.NewWriterLevel(sealed, gzip.BestSpeed)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(packed)
	for _, p := range parts {
		err := archive.WriteHeader(&tar.Header{Name: p.name, Mode: 0o600, Size: int64(len(p.content))})
		if err == nil {
			_, err = archive.Write(p.content)
		}
		if err != nil {
			return err
		}
	}
	if err := archive.WriteHeader(&tar.Header{Name: ledger.FileName, Mode: 0o600, Size: image.Size}); err != nil {
		return err
	}
	bar := progress.New(out, 1000, "copying and sealing the ledger")
	defer bar.Finish()
	err = image.Write(ctx, archive, func(done int64) { bar.Set(int(1000 * done / max(image.Size, 1))) })
	return errors.Join(err, archive.Close(), packed.Close(), sealed.Close())
}

// writeSettings writes the settings that are set, as an environment file. It leaves
// out what belongs to this machine (the names of folders and files, the address of
// the database), and the admin token.
func writeSettings(cfg settings.Config) []byte {
	var b bytes.Buffer
	v := reflect.ValueOf(cfg)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch f.Name {
		case "Data", "DatabaseURL", "Keys", "Catalogue", "Billing", "AdminToken":
			continue
		}
		if value := fmt.Sprint(v.Field(i)); value != f.Tag.Get("default") && !v.Field(i).IsZero() {
			fmt.Fprintf(&b, "%s=%s\n", f.Tag.Get("env"), value)
		}
	}
	return b.Bytes()
}
