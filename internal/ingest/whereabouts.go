package ingest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/lease"
)

// lookBack covers "since 04:00 local" of any read that may still be decided
// on: the longest local day and four hours.
const lookBack = 29 * time.Hour

// never is later than any read: a track that begins there has nothing loaded.
var never = time.Unix(1<<40, 0)

// whereabouts knows where members' granted reads have left them lately: the
// memory of anti-passback. A member is loaded from the ledger when first
// asked for, so that a start need not read anything.
type whereabouts struct {
	network *catalogue.Network
	load    Moves

	mu      sync.Mutex
	members map[lease.MemberID]*track
}

type track struct {
	loaded time.Time // moves at or after this instant are all here
	moves  []move    // by at, then id
}

type move struct {
	member lease.MemberID
	id     uuid.UUID
	pos    access.Position
	gone   bool // the reader let nobody pass after all
}

func newWhereabouts(n *catalogue.Network, load Moves) *whereabouts {
	return &whereabouts{network: n, load: load, members: map[lease.MemberID]*track{}}
}

// note remembers a read, or that it moved nobody after all, and drops what is too old to matter.
func (w *whereabouts) note(m lease.MemberID, r *Read) move {
	mv := move{member: m, id: r.ID, gone: !r.Moved(), pos: access.Position{Space: w.leftIn(r), Door: r.Door, At: r.At}}
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.members[m]
	if t == nil { // what the ledger knows is fetched when it is first asked for
		t = &track{loaded: never}
		w.members[m] = t
	}
	t.moves = slices.DeleteFunc(t.moves, func(o move) bool {
		return o.id == r.ID || o.pos.At.Before(r.At.Add(-2*lookBack))
	})
	if !mv.gone {
		i, _ := slices.BinarySearchFunc(t.moves, mv, compareMoves)
		t.moves = slices.Insert(t.moves, i, mv)
	}
	return mv
}

func compareMoves(a, b move) int {
	if c := a.pos.At.Compare(b.pos.At); c != 0 {
		return c
	}
	return slices.Compare(a.id[:], b.id[:])
}

// leftIn is the space in which a read leaves its subject (contract §4).
func (w *whereabouts) leftIn(r *Read) catalogue.SpaceID {
	door := w.network.Door(r.Door)
	if door == nil {
		return catalogue.Outside
	}
	if r.Direction == catalogue.In {
		return door.To
	}
	return door.From
}

// forget undoes what a failed commit noted: those members are loaded anew.
func (w *whereabouts) forget(moves []move) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, mv := range moves {
		delete(w.members, mv.member)
	}
}

// during answers access.Whereabouts while a commit is made.
func (w *whereabouts) during(ctx context.Context) access.Whereabouts { return asking{w, ctx} }

type asking struct {
	*whereabouts
	ctx context.Context
}

// Last returns where the member's last granted read at or before t left them.
func (a asking) Last(m lease.MemberID, t time.Time) (access.Position, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	tr := a.members[m]
	if tr == nil || t.Add(-lookBack).Before(tr.loaded) {
		tr = a.fetch(m, t, tr)
	}
	for i := len(tr.moves) - 1; i >= 0; i-- {
		if !tr.moves[i].pos.At.After(t) {
			return tr.moves[i].pos, true
		}
	}
	return access.Position{}, false
}

// fetch loads a member's moves from the ledger and keeps what was noted since.
func (a asking) fetch(m lease.MemberID, t time.Time, have *track) *track {
	tr := &track{loaded: t.Add(-lookBack)}
	positions, err := a.load(a.ctx, m, tr.loaded, t.Add(2*lookBack))
	if err != nil { // without history nobody is inside: the read is decided as a first one
		tr.loaded = t
	}
	for _, p := range positions {
		tr.moves = append(tr.moves, move{member: m, pos: p})
	}
	if have != nil {
		for _, mv := range have.moves {
			if !slices.ContainsFunc(tr.moves, func(o move) bool { return o.pos == mv.pos }) {
				i, _ := slices.BinarySearchFunc(tr.moves, mv, compareMoves)
				tr.moves = slices.Insert(tr.moves, i, mv)
			}
		}
	}
	a.members[m] = tr
	return tr
}
