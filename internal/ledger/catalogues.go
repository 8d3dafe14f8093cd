package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
)

// Catalogue is the text of a catalogue that a service ran with.
type Catalogue struct {
	N     int
	Since time.Time // when it begins to hold; 1970: from the beginning
	At    time.Time // when it was recorded
	Name  string    // the name of its file
	By    string    // who put it in force
	Entry int64     // its entry in the audit chain
	Text  []byte
}

// Catalogues returns all catalogues that a service ran with, in the order of
// their recording.
func (l *Ledger) Catalogues(ctx context.Context) (list []Catalogue, err error) {
	rows, err := l.reads.QueryContext(ctx, "SELECT n, since, at, name, actor, entry, body FROM catalogues ORDER BY n")
	err = each(rows, err, func(rows *sql.Rows) error {
		var c Catalogue
		var since, made int64
		err := rows.Scan(&c.N, &since, &made, &c.Name, &c.By, &c.Entry, &c.Text)
		c.Since, c.At = at(since), at(made)
		list = append(list, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load catalogues: %w", err)
	}
	return list, nil
}

// catalogueAct is the body of an act that records a catalogue.
type catalogueAct struct {
	Name   string `json:"name"`
	Since  string `json:"since"`
	SHA256 string `json:"sha256"`
}

func actOf(c Catalogue) ([]byte, error) {
	sum := sha256.Sum256(c.Text)
	return json.Marshal(catalogueAct{c.Name, c.Since.UTC().Format(time.RFC3339Nano), hex.EncodeToString(sum[:])})
}

// PutCatalogue records a catalogue, with its entry in the chain.
func (tx *Tx) PutCatalogue(c Catalogue) error {
	body, err := actOf(c)
	if err != nil {
		return err
	}
	act := ingest.Act{At: c.At, Actor: c.By, Action: "put", Target: fmt.Sprintf("catalogue/%d", c.N), Body: body}
	if err := tx.AddAct(&act); err != nil {
		return err
	}
	err = tx.run(
		"INSERT INTO catalogues (n, since, at, name, actor, entry, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
		c.N,
		ms(c.Since),
		ms(c.At),
		c.Name,
		c.By,
		act.Seq,
		string(c.Text),
	)
	if err != nil {
		return fmt.Errorf("ledger: put catalogue: %w", err)
	}
	return nil
}

// KeptUnder looks for data that is stored under any of the names. It returns where it found
// some ("visits of x"), or "" if there is none.
func (l *Ledger) KeptUnder(ctx context.Context, names []catalogue.SpaceID) (what string, err error) {
	list, err := json.Marshal(names)
	if err != nil {
		return "", err
	}
	for _, table := range []string{"visits", "stays", "presence", "series_days"} {
		var name string
		err := l.reads.QueryRowContext(ctx,
			"SELECT space FROM "+table+" WHERE space IN (SELECT value FROM json_each(?)) LIMIT 1",
			string(list),
		).Scan(&name)
		if err == nil {
			return table + " of " + name, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return "", fmt.Errorf("ledger: look for data under former names of spaces: %w", err)
		}
	}
	return "", nil
}

// RenameSpace moves everything that is stored about a space to its new name. If outbox is set,
// it also queues the hours of both names for an outside database: there the values under the
// old name are overwritten as unknown, and written under the new one.
func (tx *Tx) RenameSpace(old, name catalogue.SpaceID, outbox bool) error {
	const ever = int64(1) << 40 // minutes
	if outbox {
		if err := tx.AllToOutbox(old, 0, ever); err != nil {
			return err
		}
	}
	// A catalogue that was replaced since may have left values under the new name: these
	// are deleted and computed again.
	days, err := tx.seqs("SELECT day FROM series_days WHERE space = ?", string(name))
	if err != nil {
		return err
	}
	if err := tx.run("DELETE FROM series_days WHERE space = ?", string(name)); err != nil {
		return fmt.Errorf("ledger: rename space %s: %w", old, err)
	}
	for _, day := range days {
		begin := time.Unix(day*86400, 0).UTC()
		if err := tx.MarkDirty(name, begin, begin.AddDate(0, 0, 1)); err != nil {
			return err
		}
	}
	for _, table := range []string{"visits", "stays", "presence", "alarms", "series_days", "series_dirty"} {
		if err := tx.run("UPDATE "+table+" SET space = ? WHERE space = ?", string(name), string(old)); err != nil {
			return fmt.Errorf("ledger: rename space %s: %w", old, err)
		}
	}
	if outbox {
		return tx.AllToOutbox(name, 0, ever)
	}
	return nil
}

// catalogues compares the recorded catalogues with their acts.
func (v *verifier) catalogues(acts map[string]lastAct, there map[string]bool) error {
	rows, err := v.tx.QueryContext(v.ctx, "SELECT n, since, name, body FROM catalogues ORDER BY n")
	return each(rows, err, func(rows *sql.Rows) error {
		var c Catalogue
		var since int64
		if err := rows.Scan(&c.N, &since, &c.Name, &c.Text); err != nil {
			return err
		}
		c.Since = at(since)
		target := fmt.Sprintf("catalogue/%d", c.N)
		there[target] = true
		said, err := actOf(c)
		if a, ok := acts[target]; err == nil && (!ok || string(a.body) != string(said)) {
			return v.differs(acts, target)
		}
		return err
	})
}
