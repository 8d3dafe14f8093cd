package app

import (
	"context"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/lease"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/visit"
)

// store lets the pipeline commit to the ledger without knowing it.
type store struct{ *ledger.Ledger }

func (s store) Commit(ctx context.Context, urgent bool, change func(ingest.Tx) error) error {
	write := s.Write
	if urgent {
		write = s.WriteFirst
	}
	return write(ctx, func(tx *ledger.Tx) error { return change(tx) })
}

// moves loads a member's positions for anti-passback.
func moves(h catalogue.History, l *ledger.Ledger) ingest.Moves {
	return func(ctx context.Context, m lease.MemberID, from, to time.Time) ([]ingest.Move, error) {
		reads, err := l.Moves(ctx, visit.Subject{Member: m}, from, to)
		if err != nil {
			return nil, err
		}
		list := make([]ingest.Move, 0, len(reads))
		for _, r := range reads {
			p := ingest.Move{ID: r.ID, Position: access.Position{Space: catalogue.Outside, Door: r.Door, At: r.At}}
			if d := catalogue.At(h, r.At).Door(r.Door); d != nil {
				p.Space = d.To
				if r.Direction == catalogue.Out {
					p.Space = d.From
				}
			}
			list = append(list, p)
		}
		return list, nil
	}
}
