package ingest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// lookBack covers "since 04:00 local" of any read that may still be decided
// on: the longest local day and four hours.
const lookBack = 29 * time.Hour

// never is later than any read: a track that starts there has nothing loaded.
var never = time.Unix(1<<40, 0)

// whereabouts keeps where members' granted reads have left them lately: the
// memory of anti-passback. A member is loaded from the ledger when first asked
// for, so that a start reads nothing.
type whereabouts struct {
	network *catalogue.Network
	leftIn  func(*Read) catalogue.SpaceID // where a read leaves its subject (rules 5.1)
	load    Moves

	mu      sync.Mutex
	members map[tenancy.MemberID]*track
}

type track struct {
	loaded time.Time // all moves at or after this instant are in memory
	moves  []move    // by at, then id
}

type move struct {
	member tenancy.MemberID
	id     uuid.UUID
	pos    access.Position
	gone   bool // the reader let nobody pass after all
}

func newWhereabouts(n *catalogue.Network, load Moves, leftIn func(*Read) catalogue.SpaceID) *whereabouts {
	w := &whereabouts{network: n, load: load, leftIn: leftIn, members: map[tenancy.MemberID]*track{}}
	if leftIn == nil {
		w.leftIn = w.leftNow
	}
	return w
}

// note stores a read, or that it moved nobody after all, and drops what is too
// old to matter.
func (w *whereabouts) note(m tenancy.MemberID, r *Read) move {
	mv := move{member: m, id: r.ID, gone: !r.Moved(), pos: access.Position{Space: w.leftIn(r), Door: r.Door, At: r.At}}
	if mv.gone && r.Reader == nil { // refused, and nobody passed: it moved nobody
		return mv
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.members[m]
	if t == nil { // what the ledger knows is loaded when it is first asked for
		t = &track{loaded: never}
		w.members[m] = t
	}
	t.put(mv)
	t.forgetBefore(r.ReceivedAt.Add(-2 * lookBack))
	return mv
}

// put inserts a move in order; it replaces what was known of the same read.
func (t *track) put(mv move) {
	t.moves = slices.DeleteFunc(t.moves, func(o move) bool { return o.id == mv.id })
	i, _ := slices.BinarySearchFunc(t.moves, mv, compareMoves)
	t.moves = slices.Insert(t.moves, i, mv)
}

// forgetBefore drops moves that no longer affect any decision. Moves from then
// on are still complete: an older question loads them again.
func (t *track) forgetBefore(at time.Time) {
	n := 0
	for n < len(t.moves) && t.moves[n].pos.At.Before(at) {
		n++
	}
	t.moves = slices.Delete(t.moves, 0, n)
	if t.loaded.Before(at) {
		t.loaded = at
	}
}

func compareMoves(a, b move) int {
	if c := a.pos.At.Compare(b.pos.At); c != 0 {
		return c
	}
	return slices.Compare(a.id[:], b.id[:])
}

// leftNow returns the space in which a read leaves its subject, by the present
// doors.
func (w *whereabouts) leftNow(r *Read) catalogue.SpaceID {
	door := w.network.Door(r.Door)
	if door == nil {
		return catalogue.Outside
	}
	if r.Direction == catalogue.In {
		return door.To
	}
	return door.From
}

// forget undoes what a failed commit noted: those members are loaded again.
func (w *whereabouts) forget(moves []move) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, mv := range moves {
		delete(w.members, mv.member)
	}
}

// during returns an access.Whereabouts for use while a commit is made.
func (w *whereabouts) during(ctx context.Context) access.Whereabouts { return asking{w, ctx} }

type asking struct {
	*whereabouts
	ctx context.Context
}

// Last returns where the member's last granted read at or before t left them.
func (a asking) Last(m tenancy.MemberID, t time.Time) (access.Position, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	tr := a.members[m]
	if tr == nil || t.Add(-lookBack).Before(tr.loaded) {
		var err error
		if tr, err = a.fetch(m, t, tr); err != nil {
			return access.Position{}, false, err
		}
	}
	for _, v := range slices.Backward(tr.moves) {
		if mv := v; !mv.gone && !mv.pos.At.After(t) {
			return mv.pos, true, nil
		}
	}
	return access.Position{}, false, nil
}

// fetch loads a member's moves from the ledger. What was noted since is newer
// and stays.
func (a asking) fetch(m tenancy.MemberID, t time.Time, have *track) (*track, error) {
	tr := &track{loaded: t.Add(-lookBack)}
	loaded, err := a.load(a.ctx, m, tr.loaded, t.Add(2*lookBack))
	if err != nil {
		return nil, err
	}
	for _, l := range loaded {
		tr.put(move{member: m, id: l.ID, pos: l.Position})
	}
	if have != nil {
		for _, mv := range have.moves {
			tr.put(mv)
		}
	}
	a.members[m] = tr
	return tr, nil
}
