package app

import (
	"context"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/presence"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// store adapts the ledger to what the pipeline needs.
type store struct{ *ledger.Ledger }

func (s store) Commit(ctx context.Context, urgent bool, change func(ingest.Tx) error) error {
	write := s.Write
	if urgent {
		write = s.WriteFirst
	}
	return write(ctx, func(tx *ledger.Tx) error { return change(tx) })
}

// presenceStore adapts the ledger to what the follower of visits needs.
type presenceStore struct{ *ledger.Ledger }

func (s presenceStore) Commit(ctx context.Context, change func(presence.Tx) error) error {
	return s.Write(ctx, func(tx *ledger.Tx) error { return change(tx) })
}

// moves returns how the pipeline loads a member's positions, for anti-passback.
func moves(h catalogue.History, l *ledger.Ledger) ingest.Moves {
	places := visit.NewPlaces(h)
	return func(ctx context.Context, m tenancy.MemberID, from, to time.Time) ([]ingest.Move, error) {
		reads, err := l.Moves(ctx, visit.Subject{Member: m}, from, to)
		if err != nil {
			return nil, err
		}
		list := make([]ingest.Move, 0, len(reads))
		for _, r := range reads {
			p := ingest.Move{ID: r.ID, Position: access.Position{At: r.At}}
			p.Space, p.Door = places.At(r)
			list = append(list, p)
		}
		return list, nil
	}
}

// deviceAt returns a device as it hung at an instant.
func (a *house) deviceAt(d *catalogue.Device, t time.Time) *catalogue.Device {
	if len(a.Catalogues.Versions()) == 1 {
		return d
	}
	return catalogue.DeviceAt(a.Catalogues, d.ID, t)
}

// formerDevice returns a device as the catalogue of an instant had it at a site or, for the zero time, as the latest
// catalogue had it that had it there. It returns nil if there is none.
func (a *house) formerDevice(site catalogue.SiteID, id catalogue.DeviceID, t time.Time) *catalogue.Device {
	for _, v := range slices.Backward(a.Catalogues.Versions()) {
		n := *v.Value
		if !t.IsZero() && n != catalogue.At(a.Catalogues, t) {
			continue
		}
		if d := n.Device(id); d != nil && d.Site == site {
			return d
		}
	}
	return nil
}

// leftIn returns where a read left its subject, by the doors of its time.
func (a *house) leftIn() func(*ingest.Read) catalogue.SpaceID {
	places := visit.NewPlaces(a.Catalogues)
	return func(r *ingest.Read) catalogue.SpaceID {
		space, _ := places.At(visit.Read{At: r.At, Device: r.Device, Door: r.Door, Direction: r.Direction})
		return space
	}
}
