// Package catalogues handles the catalogues that a service is given over time:
// it reads a file, compares it with those in the ledger, finds what a change
// affects and what forbids it.
//
//	p, err := catalogues.FromFile("lorntech.yaml", "2026-11-23")
//	before, err := catalogues.Read(ctx, ledger)
//	change, err := before.Put(since, now, p.Network)
//
// Package catalogue defines what a catalogue and a history of catalogues are. Package app
// puts a catalogue in force.
package catalogues

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/settings"
)

// Read reads every catalogue recorded in a ledger; empty where none
// was.
func Read(ctx context.Context, l *ledger.Ledger) (c catalogue.Chronicle, err error) {
	return ReadBeside(ctx, l, Proposal{})
}

// ReadBeside is like Read, for a caller that has already parsed a file. A recorded catalogue
// with the same text is not parsed again: parsing a large one takes seconds.
func ReadBeside(ctx context.Context, l *ledger.Ledger, file Proposal) (c catalogue.Chronicle, err error) {
	list, err := l.Catalogues(ctx)
	if err != nil {
		return c, err
	}
	for _, told := range list {
		n := file.Network
		if n == nil || !bytes.Equal(told.Text, file.Text) {
			n, err = catalogue.Parse(fmt.Sprintf("%s as recorded on %s", told.Name, told.At.Format(time.RFC3339)), told.Text)
		}
		if err != nil {
			return c, err
		}
		change, err := c.Put(told.Since, told.At, n)
		if err != nil {
			return c, err
		}
		c = change.After
	}
	return c, nil
}

// HistoryOf returns the catalogues recorded in a ledger; for a ledger without
// any, that of the settings' file from the beginning. It records nothing: a
// changed file is for the service to record.
func HistoryOf(ctx context.Context, c settings.Config, l *ledger.Ledger) (catalogue.History, error) {
	all, err := Read(ctx, l)
	if err != nil || len(all.Told.Versions()) > 0 {
		return all.Told, err
	}
	n, err := Load(c.Catalogue)
	if err != nil {
		return all.Told, err
	}
	return catalogue.Always(n), nil
}

// Digest identifies a catalogue by its content, however its file is written.
func Digest(n *catalogue.Network) string {
	sum := sha256.Sum256(n.Canonical())
	return hex.EncodeToString(sum[:])
}

// VisitBasis names everything in the catalogue that visits depend on.
func VisitBasis(n *catalogue.Network) string {
	text, _ := json.Marshal(
		[]any{n.Sites, n.Spaces, n.Doors},
	) // these values were read from text and can be written as text
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
