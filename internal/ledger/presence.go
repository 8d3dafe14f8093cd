package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// Presence is where a subject is, and until when that counts.
type Presence struct {
	Subject      visit.Subject
	Space        catalogue.SpaceID
	Since, Until time.Time
}

func subjectKey(s visit.Subject) string {
	if s.Pass != "" {
		return "p:" + string(s.Pass)
	}
	return "m:" + string(s.Member)
}

// subjectOf parses what subjectKey wrote.
func subjectOf(key string) visit.Subject {
	if key[0] == 'p' {
		return visit.Subject{Pass: tenancy.PassID(key[2:])}
	}
	return visit.Subject{Member: tenancy.MemberID(key[2:])}
}

// PutPresence stores where a subject is; nowhere where Space is empty or
// outside.
func (tx *Tx) PutPresence(p Presence) error {
	if p.Space == "" || p.Space == catalogue.Outside {
		return tx.run("DELETE FROM presence WHERE subject = ?", subjectKey(p.Subject))
	}
	return tx.run(`INSERT INTO presence (subject, space, since, until) VALUES (?, ?, ?, ?)
		ON CONFLICT (subject) DO UPDATE SET space = excluded.space, since = excluded.since, until = excluded.until`,
		subjectKey(p.Subject), string(p.Space), ms(p.Since), ms(p.Until))
}

// Presences lists the subjects that are somewhere after now.
func (l *Ledger) Presences(ctx context.Context, now time.Time) ([]Presence, error) {
	var list []Presence
	rows, err := l.reads.QueryContext(ctx, "SELECT subject, space, since, until FROM presence WHERE until > ?", ms(now))
	err = each(rows, err, func(rows *sql.Rows) error {
		var p Presence
		var subject string
		var since, until int64
		if err := rows.Scan(&subject, &p.Space, &since, &until); err != nil {
			return err
		}
		p.Subject = subjectOf(subject)
		p.Since, p.Until = at(since), at(until)
		list = append(list, p)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load presence: %w", err)
	}
	return list, nil
}
