package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/tenancy"
)

// Erasure is a person to be erased.
type Erasure struct {
	Actor   string
	At      time.Time
	Member  tenancy.MemberID
	Targets []string            // kind/id of records whose acts lose their content
	Keep    []catalogue.SpaceID // visits to these spaces stay, without a name: bills need them
}

// Erase erases a person: their reads lose member and credential, visits that no
// bill needs are deleted, the others lose their name, acts on their records
// lose their content and target. One entry of the chain says which entries'
// content was erased.
func (tx *Tx) Erase(e Erasure) error {
	reads, err := tx.seqs("SELECT seq FROM reads WHERE member = ?", string(e.Member))
	if err != nil {
		return err
	}
	if err := tx.run(
		"UPDATE reads SET member = NULL, credential = NULL, nonce = NULL WHERE member = ?",
		string(e.Member),
	); err != nil {
		return fmt.Errorf("ledger: erase reads: %w", err)
	}
	forgotten := reads
	acts, err := tx.actsOn(e)
	if err != nil {
		return err
	}
	for _, seq := range acts {
		if err := tx.run("UPDATE acts SET target = '', body = NULL, nonce = NULL WHERE seq = ?", seq); err != nil {
			return fmt.Errorf("ledger: erase acts: %w", err)
		}
	}
	forgotten = append(forgotten, acts...)
	if err := tx.eraseVisits(e); err != nil {
		return err
	}
	if err := tx.run("DELETE FROM touched WHERE subject = ?", "m:"+string(e.Member)); err != nil {
		return fmt.Errorf("ledger: erase the marks of visits that are to be computed again: %w", err)
	}
	if err := tx.run("DELETE FROM presence WHERE subject = ?", "m:"+string(e.Member)); err != nil {
		return fmt.Errorf("ledger: erase presence: %w", err)
	}
	if err := tx.run("UPDATE stays SET subject = NULL WHERE subject = ?", "m:"+string(e.Member)); err != nil {
		return fmt.Errorf("ledger: erase stays: %w", err)
	}
	tx.AfterCommit(tx.l.requestTruncation)
	slices.Sort(forgotten)
	// The act names nobody: the person's id would identify them.
	return tx.addErasure(
		ingest.Act{At: e.At, Actor: e.Actor, Action: "erase", Target: "member"},
		"erasure",
		slices.Compact(forgotten),
	)
}

// actsOn returns the acts that mention a person: on their records, on
// corrections of their visits, and those that named them in a record that no
// longer does.
func (tx *Tx) actsOn(e Erasure) ([]int64, error) {
	targets, err := json.Marshal(e.Targets)
	if err != nil {
		return nil, err
	}
	m := string(e.Member)
	list, err := tx.seqs(`SELECT a.seq FROM acts a JOIN chain c ON c.seq = a.seq WHERE c.kind = 'act' AND (
		a.target IN (SELECT value FROM json_each(?1))
		OR a.body IS NOT NULL AND json_valid(a.body) AND (json_extract(a.body, '$.member') = ?2 OR json_extract(a.body,
		'$.host') = ?2
			OR EXISTS (SELECT 1 FROM json_each(a.body, '$.members') WHERE value = ?2) OR EXISTS (SELECT 1 FROM json_each(a.body, '$.invited') WHERE value = ?2)))`, string(targets), m)
	if err != nil {
		return nil, err
	}
	var visits []uuid.UUID
	rows, err := tx.query("SELECT id FROM visits WHERE member = ?", m)
	err = each(rows, err, func(rows *sql.Rows) error {
		var id []byte
		err := rows.Scan(&id)
		if err == nil {
			visits = append(visits, uuid.UUID(id))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: erase acts: %w", err)
	}
	for _, id := range visits {
		acts, err := tx.seqs(
			"SELECT a.seq FROM acts a JOIN chain c ON c.seq = a.seq WHERE a.target = ? AND c.kind = 'act'",
			CorrectionTarget(id),
		)
		if err != nil {
			return nil, err
		}
		list = append(list, acts...)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

func (tx *Tx) eraseVisits(e Erasure) error {
	keep, err := json.Marshal(e.Keep)
	if err != nil {
		return err
	}
	gone := "member = ? AND space NOT IN (SELECT value FROM json_each(?))"
	if err := tx.run(
		"DELETE FROM corrections WHERE visit IN (SELECT id FROM visits WHERE "+gone+")",
		string(e.Member),
		string(keep),
	); err != nil {
		return fmt.Errorf("ledger: erase corrections: %w", err)
	}
	if err := tx.run("DELETE FROM visits WHERE "+gone, string(e.Member), string(keep)); err != nil {
		return fmt.Errorf("ledger: erase visits: %w", err)
	}
	// The corrected times stay as they were billed; the reason is personal
	// data.
	if err := tx.run(
		"UPDATE corrections SET reason = '' WHERE visit IN (SELECT id FROM visits WHERE member = ?)",
		string(e.Member),
	); err != nil {
		return fmt.Errorf("ledger: erase the reasons of corrections: %w", err)
	}
	return tx.loseName(e.Member)
}

func (tx *Tx) seqs(query string, args ...any) ([]int64, error) {
	var list []int64
	rows, err := tx.query(query, args...)
	err = each(rows, err, func(rows *sql.Rows) error {
		var seq int64
		err := rows.Scan(&seq)
		list = append(list, seq)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return list, nil
}

// Retention says how long each kind of data is kept (rules 12.3).
type Retention struct {
	Reads   time.Duration // from the later of at and arrival
	Rejects time.Duration

	Observations time.Duration // from the later of at and arrival; what was computed from them stays
	Series       time.Duration // 0: without end
	Shipped      bool          // an outside database gets observations before they are deleted
}

// Purge deletes what is older than r allows: reads with the readers' own decisions on them, visits
// to spaces not in keep (bills need the others) once their reads are gone, rejects, webhooks'
// deliveries, sensors' messages and days of the series. It deletes at most limit reads, deliveries
// and messages, and reports whether more remain.
func (tx *Tx) Purge(now time.Time, r Retention, keep []catalogue.SpaceID, limit int) (more bool, err error) {
	before := ms(now.Add(-r.Reads))
	if err := tx.run("DELETE FROM rejects WHERE received_at < ?", ms(now.Add(-r.Rejects))); err != nil {
		return false, fmt.Errorf("ledger: purge rejects: %w", err)
	}
	deliveries, err := tx.purgeDeliveries(now, limit)
	if err != nil {
		return false, err
	}
	reads, err := tx.seqs(
		"SELECT seq FROM reads WHERE at < ? AND received_at < ? ORDER BY at LIMIT ?",
		before,
		before,
		limit,
	)
	if err != nil {
		return false, err
	}
	forgotten := slices.Clone(reads)
	for _, seq := range reads {
		own, err := tx.seqs("SELECT seq FROM reader_decisions WHERE read_seq = ?", seq)
		if err != nil {
			return false, err
		}
		forgotten = append(forgotten, own...)
		if err := tx.run("DELETE FROM reader_decisions WHERE read_seq = ?", seq); err != nil {
			return false, fmt.Errorf("ledger: purge readers' decisions: %w", err)
		}
		if err := cmp.Or(tx.forgetStay(seq), tx.settleVisits(seq)); err != nil {
			return false, err
		}
		if err := tx.run("DELETE FROM reads WHERE seq = ?", seq); err != nil {
			return false, fmt.Errorf("ledger: purge reads: %w", err)
		}
	}
	list, err := json.Marshal(keep)
	if err != nil {
		return false, err
	}
	// A visit is deleted once its reads are, and no earlier.
	const gone = "settled = 1 AND from_at < ? AND space NOT IN (SELECT value FROM json_each(?))"
	for _, q := range []string{"DELETE FROM corrections WHERE visit IN (SELECT id FROM visits WHERE " + gone + ")", "DELETE FROM visits WHERE " + gone} {
		if err := tx.run(q, before, string(list)); err != nil {
			return false, fmt.Errorf("ledger: purge visits: %w", err)
		}
	}
	if len(forgotten) > 0 {
		tx.AfterCommit(tx.l.requestTruncation)
		slices.Sort(forgotten)
		if err := tx.addErasure(
			ingest.Act{At: now, Actor: "totem", Action: "purge", Target: "reads"},
			"retention",
			forgotten,
		); err != nil {
			return false, err
		}
	}
	old, err := tx.purgeObservations(now, r, limit)
	return old || deliveries || len(reads) == limit, err
}

// purgeObservations deletes messages that are too old, with their ids, and
// stores that what was computed from them is final.
func (tx *Tx) purgeObservations(now time.Time, r Retention, limit int) (more bool, err error) {
	if r.Series > 0 {
		if err := tx.run("DELETE FROM series_days WHERE day < ?", ms(now.Add(-r.Series))/86_400_000); err != nil {
			return false, fmt.Errorf("ledger: purge the series: %w", err)
		}
	}
	before := ms(now.Add(-r.Observations))
	// They arrived in the order of seq: where the first are recent, all are.
	// The newest stays whatever its age: its seq would be given again, and
	// followers would miss the new message.
	seqs, err := tx.seqs(
		`SELECT seq FROM (SELECT seq, at, received_at FROM observations WHERE seq < (SELECT max(seq) FROM observations) ORDER BY seq LIMIT ?) oldest
		WHERE received_at < ? AND at < ?
		AND seq <= CASE WHEN ? = 1 THEN coalesce((SELECT seq FROM cursors WHERE name = 'influx-observations'), 0) ELSE seq END`,
		limit,
		before,
		before,
		flag(r.Shipped),
	)
	if err != nil || len(seqs) == 0 {
		return false, err
	}
	for _, seq := range seqs {
		if err := tx.run("DELETE FROM seen WHERE id = (SELECT id FROM observations WHERE seq = ?)", seq); err != nil {
			return false, fmt.Errorf("ledger: purge message ids: %w", err)
		}
		if err := tx.run("DELETE FROM observations WHERE seq = ?", seq); err != nil {
			return false, fmt.Errorf("ledger: purge messages: %w", err)
		}
	}
	// Two more days: minutes after the boundary also depend on deleted messages,
	// through a flow counter's sum of the day and through visits of up to 16 h.
	final := before/60_000 + 2*dayMinutes
	have := int64(0)
	if err := tx.row(
		"SELECT coalesce(max(seq), 0) FROM cursors WHERE name = ?",
		[]any{cursorEvidence},
		&have,
	); err != nil {
		return false, fmt.Errorf("ledger: %w", err)
	}
	if final > have {
		if err := tx.SetCursor(cursorEvidence, final); err != nil {
			return false, err
		}
	}
	return len(seqs) == limit, nil
}

// cursorEvidence is the cursor of the minute before which the series is final,
// because its messages are deleted.
const cursorEvidence = "series-evidence"

// forgetStay removes the subject from the stay that a read began: a count
// remains.
func (tx *Tx) forgetStay(read int64) error {
	err := tx.run(`UPDATE stays SET subject = NULL WHERE (subject, from_at) IN
		(SELECT CASE WHEN member IS NOT NULL THEN 'm:' || member ELSE 'p:' || pass END, at FROM reads WHERE seq = ?)`, read)
	if err != nil {
		return fmt.Errorf("ledger: remove the person from a stay: %w", err)
	}
	return nil
}

// People lists everybody whom reads or visits name.
func (l *Ledger) People(ctx context.Context) ([]tenancy.MemberID, error) {
	return list(ctx, l.reads, "list people", func(rows *sql.Rows) (m tenancy.MemberID, err error) {
		return m, rows.Scan(&m)
	}, "SELECT member FROM reads WHERE member IS NOT NULL UNION SELECT member FROM visits WHERE member <> '' ORDER BY 1")
}
