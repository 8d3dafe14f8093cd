package backup

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"filippo.io/age"

	"github.com/lorntech/totem/firmware-sim/progress"
	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/catalogues"
	"github.com/lorntech/totem/internal/disk"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/settings"
)

// Target is where a backup is restored to.
type Target struct {
	Data     string // a folder that has no ledger
	Erasures string // a file of erasures, read besides that of the folder; empty: none
}

// Found is what a restore found in a backup; totem restore prints it.
type Found struct {
	Manifest
	Files   []string // names of all files in it, the ledger's too
	Entries int64    // of the audit chain, all verified
	Spaces  int      // of its last catalogue
	Members int
	Leases  int
	Badges  int
	// Statements is the number of the last one: statements that were issued
	// later are not in the backup, and their numbers would be issued again.
	Statements int64
	Erased     int // people who were erased since, and are erased again
}

// Restore makes a data folder from a backup. It checks all of it first: that it
// unseals and is complete, that the ledger is undamaged and of a known version,
// that the keys are the ledger's, and the whole audit chain. Only then does the
// folder get its files, the ledger last. An error leaves the folder as it was.
func Restore(ctx context.Context, file string, from []age.Identity, to Target, bar io.Writer) (found Found, err error) {
	if err := to.check(); err != nil {
		return found, err
	}
	if err := os.MkdirAll(to.Data, 0o700); err != nil {
		return found, err
	}
	dir, err := os.MkdirTemp(to.Data, ".restore-") // on the disk of the data folder: checked files are only renamed
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if found.Files, err = unseal(ctx, file, from, dir, bar); err != nil {
		return found, fmt.Errorf("%s: %w", file, err)
	}
	if err := check(ctx, dir, to, &found); err != nil {
		return found, fmt.Errorf("%s: %w", file, err)
	}
	return found, place(dir, to, found.Head)
}

// check refuses a folder in which a restore would replace something, and a file
// of erasures that is not there.
func (t Target) check() error {
	entries, err := os.ReadDir(t.Data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--data (TOTEM_DATA): %w", err)
	}
	if what := inTheWay(entries); what != "" {
		return fmt.Errorf("--data (TOTEM_DATA): %s holds %s already: move the folder away first", t.Data, what)
	}
	if t.Erasures == "" {
		return nil
	}
	there, err := exists(t.Erasures)
	if err == nil && !there {
		err = fmt.Errorf("--erasures: the file %s does not exist", t.Erasures)
	}
	return err
}

// inTheWay names a file because of which nothing may be restored into a folder: the
// ledger if there is one; "" where there is no such file. The files that SQLite
// keeps beside a ledger count too: it would replay an old log into the new ledger.
func inTheWay(entries []os.DirEntry) (what string) {
	for _, e := range entries {
		switch e.Name() {
		case ErasuresName, "lost+found":
		case ledger.FileName:
			return "a ledger"
		case keysName:
			what = "keys"
		default:
			what = cmp.Or(what, e.Name())
		}
	}
	return what
}

// erasures returns the lines of all files that tell who was erased: that of the
// folder, and the one that was given.
func (t Target) erasures() (lines []byte, err error) {
	for _, file := range []string{filepath.Join(t.Data, ErasuresName), t.Erasures} {
		text, err := os.ReadFile(file) // either may be missing: the folder may have none, and none may be given
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if lines = append(lines, text...); len(text) > 0 && text[len(text)-1] != '\n' {
			lines = append(lines, '\n')
		}
	}
	return lines, nil
}

// unseal writes the parts of a backup into a folder.
func unseal(
	ctx context.Context,
	file string,
	from []age.Identity,
	dir string,
	out io.Writer,
) (files []string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	about, err := f.Stat()
	if err != nil {
		return nil, err
	}
	bar := progress.New(out, 1000, "unsealing")
	defer bar.Finish()
	sealed := &counted{
		ctx:      ctx,
		Reader:   f,
		progress: func(done int64) { bar.Set(int(1000 * done / max(about.Size(), 1))) },
	}
	plain, err := age.Decrypt(sealed, from...)
	if err != nil {
		return nil, fmt.Errorf("cannot be unsealed: %w", err)
	}
	packed, err := gzip.NewReader(plain)
	if err != nil {
		return nil, fmt.Errorf("is not a backup of Totem: %w", err)
	}
	known := []string{
		manifestName,
		keysName,
		settingsName,
		catalogueName,
		billingName,
		ledger.FileName,
		authorityKey,
		authorityCert,
		brokerPassword,
	}
	for archive := tar.NewReader(packed); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("is damaged: %w", err)
		}
		if !slices.Contains(known, h.Name) || slices.Contains(files, h.Name) {
			return nil, fmt.Errorf("is not a backup of Totem: it has a part %q", h.Name)
		}
		if err := writePart(filepath.Join(dir, h.Name), archive); err != nil {
			return nil, fmt.Errorf("is damaged or cannot be written: %s: %w", h.Name, err)
		}
		files = append(files, h.Name)
	}
	if _, err := io.Copy(io.Discard, packed); err != nil { // reads to the end of the seal, to see that nothing was cut off
		return nil, fmt.Errorf("is damaged: %w", err)
	}
	for _, name := range []string{manifestName, keysName, ledger.FileName} {
		if !slices.Contains(files, name) {
			return nil, fmt.Errorf("is not a whole backup: it lacks %s", name)
		}
	}
	return files, nil
}

func writePart(path string, from io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Sync(), f.Close(), disk.Adopt(path))
}

// check verifies everything in the folder of a restore, and erases again whoever
// was erased since the backup.
func check(ctx context.Context, dir string, to Target, found *Found) error {
	text, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &found.Manifest); err != nil {
		return fmt.Errorf("%s: %w", manifestName, err)
	}
	if found.Format != format {
		return fmt.Errorf("is of format %d, and this program knows %d: use a newer Totem", found.Format, format)
	}
	schema, err := ledger.Schema(ctx, filepath.Join(dir, ledger.FileName))
	if err != nil {
		return err
	}
	if schema != found.Schema {
		return errors.New("the ledger is not the one that the backup describes")
	}
	l, err := ledger.OpenExisting(ctx, dir)
	if err != nil {
		return err
	}
	return errors.Join(examine(ctx, l, dir, to, found), l.Close())
}

func examine(ctx context.Context, l *ledger.Ledger, dir string, to Target, found *Found) error {
	history, err := catalogues.HistoryOf(ctx, settings.Config{Data: dir}, l)
	if err != nil {
		return err
	}
	n := *history.Last()
	ring, err := admin.OpenKeys(ctx, keys.Path(dir), n, l)
	if err != nil {
		return err
	}
	audit, err := admin.Verify(ctx, history, l)
	if err != nil {
		return err
	}
	if !audit.OK {
		return fmt.Errorf("the audit chain is broken at entry %d: %s", audit.BrokenAt, audit.Why)
	}
	keeper, err := rights.Open(ctx, history, l, time.Now)
	if err != nil {
		return err
	}
	if err := eraseAgain(ctx, l, keeper, ring, to, found); err != nil {
		return err
	}
	if err := keepCatalogue(ctx, l, dir, found); err != nil {
		return err
	}
	size := keeper.InForce().Book.Size()
	found.Entries, found.Spaces = audit.Entries, len(n.Spaces)
	found.Members, found.Leases, found.Badges = size.Members, size.Leases, size.Credentials
	last, err := l.Statements(ctx, ledger.StatementFilter{})
	if len(last) > 0 {
		found.Statements = last[len(last)-1].Number
	}
	return err
}

// eraseAgain erases the people in a restored ledger who were erased after it was
// backed up.
func eraseAgain(
	ctx context.Context,
	l *ledger.Ledger,
	keeper *rights.Keeper,
	ring *keys.Ring,
	to Target,
	found *Found,
) error {
	lines, err := to.erasures()
	if err != nil {
		return err
	}
	erased, err := readErasures(lines, found.Manifest)
	if err != nil || len(erased) == 0 {
		return err
	}
	people, err := l.People(ctx)
	if err != nil {
		return err
	}
	for m := range keeper.InForce().Book.Members() {
		people = append(people, m.ID)
	}
	slices.Sort(people)
	for _, id := range slices.Compact(people) {
		hash := ring.ErasedHash(string(id))
		if !erased[base64.RawURLEncoding.EncodeToString(hash[:])] {
			continue
		}
		if err := keeper.Erase(ctx, "restore", id); err != nil {
			return fmt.Errorf("erase a person again who was erased after the backup: %w", err)
		}
		found.Erased++
	}
	return nil
}

// keepCatalogue writes the ledger's last catalogue to a file beside the ledger, where
// the backup has no catalogue file. Without it, a service that is started without a
// catalogue file would take the built-in catalogue for a change, and put it in force.
func keepCatalogue(ctx context.Context, l *ledger.Ledger, dir string, found *Found) error {
	list, err := l.Catalogues(ctx)
	if err != nil || len(list) == 0 || slices.Contains(found.Files, catalogueName) {
		return err
	}
	text := list[len(list)-1].Text
	if bytes.Equal(text, catalogue.DefaultText()) {
		return nil
	}
	found.Files = append(found.Files, catalogueName)
	return keys.WriteSecret(filepath.Join(dir, catalogueName), text)
}

// place moves the checked files of dir into the data folder, together with all lines
// of erasures. head is the last entry of the backup's chain. After an error it removes
// what it moved, except the erasures.
func place(dir string, to Target, head int64) (err error) {
	if err := os.Remove(filepath.Join(dir, manifestName)); err != nil {
		return err
	}
	lines, err := to.erasures()
	if err != nil {
		return err
	}
	if len(lines) > 0 {
		if err := keys.WriteSecret(filepath.Join(dir, ErasuresName), renumber(lines, head)); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	// The ledger last: a folder without one is not a restored folder.
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return cmp.Compare(rank(a.Name()), rank(b.Name())) })
	var placed []string
	defer func() {
		for _, name := range placed {
			if err != nil && name != ErasuresName { // which only has lines more than before
				err = errors.Join(err, os.Remove(filepath.Join(to.Data, name)))
			}
		}
	}()
	for _, e := range entries {
		if err := os.Rename(filepath.Join(dir, e.Name()), filepath.Join(to.Data, e.Name())); err != nil {
			return err
		}
		placed = append(placed, e.Name())
		if err := disk.Adopt(filepath.Join(to.Data, e.Name())); err != nil {
			return err
		}
	}
	return syncDir(to.Data)
}

// rank orders the ledger behind all other files.
func rank(name string) int {
	if name == ledger.FileName {
		return 1
	}
	return 0
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

// exists reports whether there is a file.
func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
