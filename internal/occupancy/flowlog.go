package occupancy

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// mostPeople bounds every sum of people, so that no message makes a number that
// cannot be written and read back.
const mostPeople = 1 << 30

// A flow counter may send a hundred thousand messages between two zeros, in any
// order. The running sum must not be recomputed over all of them for each
// message: messages are kept in order in blocks, and each block knows its
// effect on any sum.

// blockLength is how many messages a block holds before it is split.
const blockLength = 512

// gate is the effect of consecutive flows on a running sum: x → min(most,
// max(least, x+add)).
type gate struct{ add, least, most int64 }

// through returns the gate of one flow: never below 0, never above mostPeople.
func through(delta int) gate { return gate{int64(delta), 0, mostPeople} }

func (g gate) apply(x int64) int64 { return min(g.most, max(g.least, x+g.add)) }

// then returns the gate whose effect is that of g followed by h.
func (g gate) then(h gate) gate {
	return gate{g.add + h.add, h.apply(g.least), h.apply(g.most)}
}

// flow is one message's balance, as the running sum uses it.
type flow struct {
	at    time.Time
	id    uuid.UUID
	delta int
}

func compareFlows(a, b flow) int { return cmp.Or(a.at.Compare(b.at), bytes.Compare(a.id[:], b.id[:])) }

// flowLog holds a space's flows in order.
type flowLog struct {
	ordered[flow]
}

// balance returns the running sum of the flows in [zero, now], which begins with 0.
func (l *flowLog) balance(zero, now time.Time) int {
	var sum int64
	for _, b := range l.blocks {
		switch {
		case b.items[len(b.items)-1].at.Before(zero):
		case b.items[0].at.After(now):
			return int(sum)
		case b.items[0].at.Before(zero) || b.items[len(b.items)-1].at.After(now):
			for _, f := range b.items {
				if !f.at.Before(zero) && !f.at.After(now) {
					sum = through(f.delta).apply(sum)
				}
			}
		default:
			if b.changed {
				b.gate, b.changed = through(b.items[0].delta), false
				for _, f := range b.items[1:] {
					b.gate = b.gate.then(through(f.delta))
				}
			}
			sum = b.gate.apply(sum)
		}
	}
	return int(sum)
}

// ordered is a sorted list without repeats; inserting anywhere costs one block.
type ordered[T any] struct {
	compare func(a, b T) int
	blocks  []*block[T]
}

type block[T any] struct {
	items   []T
	gate    gate // combined gate of the flows, unless changed
	changed bool
}

// place returns where v is, or where it would be inserted.
func (l *ordered[T]) place(v T) (b, i int, there bool) {
	b, _ = slices.BinarySearchFunc(l.blocks,
		v,
		func(have *block[T], v T) int { return l.compare(have.items[len(have.items)-1], v) },
	)
	if b == len(l.blocks) {
		b--
		if b < 0 {
			return 0, 0, false
		}
	}
	i, there = slices.BinarySearchFunc(l.blocks[b].items, v, l.compare)
	return b, i, there
}

// put sets v, and reports whether it was not there before.
func (l *ordered[T]) put(v T) (fresh bool) {
	b, i, there := l.place(v)
	switch {
	case there:
		l.blocks[b].items[i], l.blocks[b].changed = v, true
		return false
	case len(l.blocks) == 0:
		l.blocks = []*block[T]{{items: []T{v}, changed: true}}
		return true
	case i == blockLength: // after a full last block
		l.blocks = append(l.blocks, &block[T]{items: []T{v}, changed: true})
		return true
	}
	have := l.blocks[b]
	have.items, have.changed = slices.Insert(have.items, i, v), true
	if len(have.items) > blockLength {
		half := len(have.items) / 2
		rest := &block[T]{items: slices.Clone(have.items[half:]), changed: true}
		have.items = slices.Clip(have.items[:half])
		l.blocks = slices.Insert(l.blocks, b+1, rest)
	}
	return true
}

// before calls yield for the items before v, the nearest first, until it
// returns false.
func (l *ordered[T]) before(v T, yield func(T) bool) {
	b, i, _ := l.place(v)
	for ; b >= 0 && b < len(l.blocks); b-- {
		items := l.blocks[b].items
		for j := min(i, len(items)) - 1; j >= 0; j-- {
			if !yield(items[j]) {
				return
			}
		}
		i = blockLength + 1
	}
}

// after calls yield for the items after v, the nearest first, until it returns
// false.
func (l *ordered[T]) after(v T, yield func(T) bool) {
	b, i, there := l.place(v)
	if there {
		i++
	}
	for ; b < len(l.blocks); b++ {
		for _, item := range l.blocks[b].items[min(i, len(l.blocks[b].items)):] {
			if !yield(item) {
				return
			}
		}
		i = 0
	}
}

// drop removes blocks from the beginning as long as gone returns true for a block's
// last item. The last block always stays.
func (l *ordered[T]) drop(gone func(last T) bool) {
	n := 0
	for n < len(l.blocks)-1 && gone(l.blocks[n].items[len(l.blocks[n].items)-1]) {
		n++
	}
	l.blocks = slices.Delete(l.blocks, 0, n)
}
