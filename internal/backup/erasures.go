package backup

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
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
// return before the erasure is committed: a person who is remembered and was not
// erased is erased by the next attempt, one who was erased and is not remembered
// would come back.
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
	_, err = f.Write(append(line, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close(), syncDir(data)); err != nil {
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
// file that is not there holds nobody; a last line that was cut off belongs to
// an erasure that was never committed.
func readErasures(path string, m Manifest) (map[string]bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	who := map[string]bool{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		var e erasure
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			if !lines.Scan() {
				break
			}
			return nil, fmt.Errorf("%s:%d: is not an erasure: %w", path, n, err)
		}
		if e.After >= m.Head || e.At.After(m.At.Add(-overlapTime)) {
			who[e.Who] = true
		}
	}
	return who, lines.Err()
}
