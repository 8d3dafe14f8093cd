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
	"github.com/lorntech/totem/internal/keys"
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
	dir, err := os.MkdirTemp(cfg.Data, ".backup-") // on the disk of the ledger, and for its owner only
	if err != nil {
		return m, fmt.Errorf("--data (TOTEM_DATA): %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	parts, m, err := collect(ctx, cfg, dir, bar)
	if err != nil {
		return m, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".backup-*")
	if err != nil {
		return m, err
	}
	defer os.Remove(tmp.Name())
	if err := errors.Join(seal(ctx, tmp, parts, to, m.Size, bar), tmp.Sync(), tmp.Close()); err != nil {
		return m, fmt.Errorf("write %s: %w", file, err)
	}
	// Link, not rename: it fails where the file has come to exist meanwhile.
	if err := os.Link(tmp.Name(), file); err != nil {
		return m, err
	}
	return m, nil
}

// part is one file in a backup: its content, or where it is.
type part struct {
	name    string
	content []byte
	path    string
}

// collect gathers the parts. The keys are those of the ledger: where they change
// while it is copied, it is copied again.
func collect(
	ctx context.Context,
	cfg settings.Config,
	dir string,
	out io.Writer,
) (parts []part, m Manifest, err error) {
	copied := filepath.Join(dir, ledger.FileName)
	var ring []byte
	for again := true; again; {
		if ring, err = os.ReadFile(keys.Path(cfg.Data)); err != nil {
			return nil, m, fmt.Errorf("keys: %w", err)
		}
		if err := os.RemoveAll(copied); err != nil {
			return nil, m, err
		}
		m.At = time.Now().UTC()
		bar := progress.New(out, 1000, "copying the ledger")
		err := ledger.Copy(ctx, cfg.Data, copied, func(done, all int64) { bar.Set(int(1000 * done / max(all, 1))) })
		bar.Finish()
		if err != nil {
			return nil, m, err
		}
		after, err := os.ReadFile(keys.Path(cfg.Data))
		if err != nil {
			return nil, m, fmt.Errorf("keys: %w", err)
		}
		again = !bytes.Equal(ring, after)
	}
	if m, err = describe(ctx, copied, m); err != nil {
		return nil, m, err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, m, err
	}
	parts = []part{
		{name: manifestName, content: text},
		{name: keysName, content: ring},
		{name: settingsName, content: writeSettings(cfg)},
	}
	for name, path := range map[string]string{catalogueName: cfg.Catalogue, billingName: cfg.Billing} {
		if path == "" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, m, err
		}
		parts = append(parts, part{name: name, content: text})
	}
	return append(parts, part{name: ledger.FileName, path: copied}), m, nil
}

// describe fills in what the copy of the ledger says about itself.
func describe(ctx context.Context, copied string, m Manifest) (Manifest, error) {
	f, err := os.Stat(copied)
	if err != nil {
		return m, err
	}
	m.Format, m.Size = format, f.Size()
	if m.Schema, err = ledger.Schema(ctx, copied); err != nil {
		return m, err
	}
	m.Head, err = ledger.HeadOf(ctx, copied)
	return m, err
}

// seal writes the parts as a compressed tar, encrypted.
func seal(ctx context.Context, w io.Writer, parts []part, to []age.Recipient, size int64, out io.Writer) error {
	sealed, err := age.Encrypt(w, to...)
	if err != nil {
		return err
	}
	packed, err := gzip.NewWriterLevel(sealed, gzip.BestSpeed)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(packed)
	bar := progress.New(out, 1000, "sealing")
	defer bar.Finish()
	for _, p := range parts {
		if err := p.write(ctx, archive, func(done int64) { bar.Set(int(1000 * done / max(size, 1))) }); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), packed.Close(), sealed.Close())
}

func (p part) write(ctx context.Context, to *tar.Writer, progress func(done int64)) error {
	content, size := io.Reader(bytes.NewReader(p.content)), int64(len(p.content))
	if p.path != "" {
		f, err := os.Open(p.path)
		if err != nil {
			return err
		}
		defer f.Close()
		about, err := f.Stat()
		if err != nil {
			return err
		}
		content, size = &counted{ctx: ctx, Reader: f, progress: progress}, about.Size()
	}
	if err := to.WriteHeader(&tar.Header{Name: p.name, Mode: 0o600, Size: size}); err != nil {
		return err
	}
	_, err := io.Copy(to, content)
	return err
}

// counted reads until its context ends, and tells how far it is.
type counted struct {
	io.Reader
	ctx      context.Context
	done     int64
	progress func(done int64)
}

func (c *counted) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.Reader.Read(b)
	c.done += int64(n)
	c.progress(c.done)
	return n, err
}

// writeSettings writes the settings that are set, as an environment file. Names
// of folders and files are left out: they are of this machine.
func writeSettings(cfg settings.Config) []byte {
	var b bytes.Buffer
	v := reflect.ValueOf(cfg)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch f.Name {
		case "Data", "Catalogue", "Billing", "AdminToken":
			continue
		}
		if value := fmt.Sprint(v.Field(i)); value != f.Tag.Get("default") && !v.Field(i).IsZero() {
			fmt.Fprintf(&b, "%s=%s\n", f.Tag.Get("env"), value)
		}
	}
	return b.Bytes()
}

// exists reports whether there is a file.
func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
