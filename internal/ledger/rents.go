package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/tariff"
)

// Rents returns all revisions of rents, in the order of their recording. Spaces
// have their first names.
func (l *Ledger) Rents(ctx context.Context) (list []tariff.Revision, err error) {
	rows, err := l.reads.QueryContext(ctx, "SELECT space, day, cents, reason, actor, at FROM rents ORDER BY n")
	err = each(rows, err, func(rows *sql.Rows) error {
		var r tariff.Revision
		var made int64
		err := rows.Scan(&r.Space, &r.From, &r.Rent.Cents, &r.Rent.Reason, &r.Rent.By, &made)
		r.At = at(made)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load rents: %w", err)
	}
	return list, nil
}

// rentAct is the body of an act that revises a rent.
type rentAct struct {
	Cents  int64  `json:"rent_cents_m2_month"`
	From   string `json:"from"`
	Reason string `json:"reason"`
}

func rentTarget(n int64, space catalogue.SpaceID) string { return fmt.Sprintf("rent/%s/%d", space, n) }

// PutRent records a revision of a rent, with its entry in the chain.
func (tx *Tx) PutRent(r tariff.Revision) error {
	var n int64
	if err := tx.row("SELECT coalesce(max(n), 0) + 1 FROM rents", nil, &n); err != nil {
		return fmt.Errorf("ledger: put rent: %w", err)
	}
	body, err := json.Marshal(rentAct{r.Rent.Cents, r.From.String(), r.Rent.Reason})
	if err != nil {
		return err
	}
	act := ingest.Act{At: r.At, Actor: r.Rent.By, Action: "put", Target: rentTarget(n, r.Space), Body: body}
	if err := tx.AddAct(&act); err != nil {
		return err
	}
	err = tx.run("INSERT INTO rents (n, space, day, cents, reason, actor, at, entry) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		n, string(r.Space), int64(r.From), r.Rent.Cents, r.Rent.Reason, r.Rent.By, ms(r.At), act.Seq)
	if err != nil {
		return fmt.Errorf("ledger: put rent: %w", err)
	}
	return nil
}

// rents compares the recorded revisions of rents with their acts.
func (v *verifier) rents(acts map[string]lastAct, there map[string]bool) error {
	rows, err := v.tx.QueryContext(v.ctx, "SELECT n, space, day, cents, reason FROM rents ORDER BY n")
	return each(rows, err, func(rows *sql.Rows) error {
		var n int64
		var space catalogue.SpaceID
		var day catalogue.Day
		var is rentAct
		if err := rows.Scan(&n, &space, &day, &is.Cents, &is.Reason); err != nil {
			return err
		}
		is.From = day.String()
		said, err := json.Marshal(is)
		if err != nil {
			return err
		}
		target := rentTarget(n, space)
		there[target] = true
		if a, ok := acts[target]; !ok || string(a.body) != string(said) {
			return v.differs(acts, target)
		}
		return nil
	})
}
