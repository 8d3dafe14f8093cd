package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
)

// keyChecks names the ledger snapshot that stores the check values of the
// cryptographic keys.
const keyChecks = "keys"

// OpenKeys opens the keys in a file. A ledger is never opened with keys
// that are not its own: no badge would be known, and no reader would say why.
func OpenKeys(ctx context.Context, file string, n *catalogue.Network, l *ledger.Ledger) (*keys.Ring, error) {
	known, err := keyChecksOf(ctx, l)
	if err != nil {
		return nil, err
	}
	used, err := l.Used(ctx)
	if err != nil {
		return nil, err
	}
	ring, err := keys.Open(file, n.Sites, known, used)
	if err != nil {
		return nil, err
	}
	return ring, NoteKeys(ctx, ring, l)
}

// CheckKeys returns an error if the ledger is in use with other keys than those in a file. A service calls it before it
// waits for another one to end.
func CheckKeys(ctx context.Context, file string, l *ledger.Ledger) error {
	known, err := keyChecksOf(ctx, l)
	if err != nil || known == nil {
		return err
	}
	_, err = keys.Open(file, nil, known, true)
	return err
}

func keyChecksOf(ctx context.Context, l *ledger.Ledger) (*keys.Checks, error) {
	s, err := l.Snapshot(ctx, keyChecks)
	if err != nil || s.Body == nil {
		return nil, err
	}
	known := &keys.Checks{}
	if err := json.Unmarshal(s.Body, known); err != nil {
		return nil, fmt.Errorf("the ledger's check values of its keys: %w", err)
	}
	return known, nil
}

// NoteKeys stores the check values of the keys in the ledger.
func NoteKeys(ctx context.Context, ring *keys.Ring, l *ledger.Ledger) error {
	body, err := json.Marshal(ring.Checks())
	if err != nil {
		return err
	}
	if s, err := l.Snapshot(ctx, keyChecks); err != nil || bytes.Equal(s.Body, body) {
		return err
	}
	return l.Write(ctx, func(tx *ledger.Tx) error { return tx.PutSnapshot(keyChecks, ledger.Snapshot{Body: body}) })
}
