package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Session is a browser that has signed in with a token.
type Session struct {
	Hash   []byte // hash of the id in the cookie
	Token  Token
	UsedAt time.Time // about when it was last used
}

// PutSession stores a new session, and deletes those that were not used since
// idle.
func (tx *Tx) PutSession(s Session, idle time.Time) error {
	// A display's session lives as long as its token does.
	err := tx.run(
		"DELETE FROM sessions WHERE used_at < ? AND token NOT IN (SELECT id FROM tokens WHERE role = 'display')",
		ms(idle),
	)
	if err == nil {
		err = tx.run(
			"INSERT INTO sessions (hash, token, token_hash, used_at) VALUES (?, ?, ?, ?)",
			s.Hash,
			s.Token.ID,
			s.Token.Hash,
			ms(s.UsedAt),
		)
	}
	if err != nil {
		return fmt.Errorf("ledger: store a session: %w", err)
	}
	return nil
}

// UseSession stores that a session was used.
func (tx *Tx) UseSession(hash []byte, now time.Time) error {
	return tx.run("UPDATE sessions SET used_at = ? WHERE hash = ?", ms(now), hash)
}

// DeleteSession ends a session.
func (tx *Tx) DeleteSession(hash []byte) error {
	return tx.run("DELETE FROM sessions WHERE hash = ?", hash)
}

// Session returns a session whose token is still the one with which it was
// started; ErrNotFound where there is none.
func (l *Ledger) Session(ctx context.Context, hash []byte) (Session, error) {
	s := Session{Hash: hash}
	var used int64
	var tokenHash []byte
	err := l.reads.QueryRowContext(ctx,
		"SELECT token, token_hash, used_at FROM sessions WHERE hash = ?",
		hash,
	).Scan(&s.Token.ID, &tokenHash, &used)
	if errors.Is(err, sql.ErrNoRows) {
		return s, ErrNotFound
	}
	if err != nil {
		return s, fmt.Errorf("ledger: find a session: %w", err)
	}
	s.UsedAt = at(used)
	s.Token, err = l.TokenByHash(ctx, tokenHash)
	return s, err
}
