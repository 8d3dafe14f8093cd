package backup

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/lorntech/totem/internal/disk"
)

// ErasuresName is the file beside the ledger that remembers who was erased, as
// keyed hashes: a backup that was made before still has these people, and a
// restore erases them again. Keep a copy of it with the backups.
const ErasuresName = "erasures.jsonl"

// erasure is one line of that file.
type erasure struct {
	Who   string    `json:"who"`   // keys.Ring.ErasedHash, unpadded base64url
	After int64     `json:"after"` // the last entry of the audit chain when it was asked for
	At    time.Time `json:"at"`    // and the time
}

// NoteErasure appends an erasure to the file in a data folder, durably. It must
// return before the erasure is committed. If the erasure then fails, the next attempt
// erases the person; if it were committed but not noted, a restored backup would
// bring the person back.
func NoteErasure(data string, who [32]byte, after int64, now time.Time) error {
	line, err := json.Marshal(erasure{base64.RawURLEncoding.EncodeToString(who[:]), after, now.UTC()})
	if err != nil {
		return err
	}
	path := filepath.Join(data, ErasuresName)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("remember an erasure: %w", err)
	}
	// It begins with a newline, since the line before may have been cut off by a full
	// disk or a loss of power.
	_, err = f.Write(append(append([]byte{'\n'}, line...), '\n'))
	if err := errors.Join(err, f.Sync(), f.Close(), disk.Adopt(path), syncDir(data)); err != nil {
		return fmt.Errorf("remember an erasure: %w", err)
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// overlapTime is how long an erasure may take from when it is noted to its
// commit. A backup that was made meanwhile still has the person.
const overlapTime = time.Hour

// readErasures returns the hashes of who was erased after a backup was made. A
// line that was cut off belongs to an erasure that was never committed; any other
// line that cannot be read is an error.
func readErasures(lines []byte, m Manifest) (map[string]bool, error) {
	who := map[string]bool{}
	n := 0
	for line := range bytes.Lines(lines) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[len(line)-1] != '}' {
			continue
		}
		var e erasure
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("%s:%d: is not an erasure: %w", ErasuresName, n, err)
		}
		if e.After >= m.Head || e.At.After(m.At.Add(-overlapTime)) {
			who[e.Who] = true
		}
	}
	return who, nil
}

// renumber returns the lines of erasures for a restored ledger whose chain ends with
// the entry head: a line with a later entry gets head instead. The chain gives the
// numbers after head to new entries, and a line that kept one would, at the next
// restore, erase somebody who has joined again since.
func renumber(lines []byte, head int64) []byte {
	var out []byte
	for line := range bytes.Lines(lines) {
		var e erasure
		if json.Unmarshal(line, &e) == nil && e.After > head {
			e.After = head
			if text, err := json.Marshal(e); err == nil {
				out = append(append(out, text...), '\n')
				continue
			}
		}
		out = append(out, line...)
	}
	return out
}
