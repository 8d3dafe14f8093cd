package readers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/broker"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

const (
	// listLife is how long a list may be used (rules 3.6).
	listLife = 24 * time.Hour
	// listRenewal is how long before its end a list is replaced: whenever the
	// network fails, every reader has a list for the next 23 hours.
	listRenewal = 23 * time.Hour
)

// republish marks every unexpired list as unsent, so that it is sent again. The embedded
// broker forgets retained messages when it restarts.
func (d *Updater) republish() {
	now := d.cfg.Now()
	for _, r := range d.readers {
		if r.last.Version == 0 || !r.last.ExpiresAt.After(now) {
			continue
		}
		r.unsent = true
	}
}

// basis is what a reader's list depends on besides time. While it stays the same the list
// need not be laid out again to see that it is still right.
type basis struct {
	known     bool
	state     uint64 // of the door: access.Index.ListState
	form      int
	listKeys  int
	key, next string // ids of the keys that sign
}

func (d *Updater) basisOf(r *reader, force *rights.InForce) (b basis) {
	key, _ := d.cfg.Keys.Site(r.dev.Site)
	next, _ := d.cfg.Keys.Next(r.dev.Site)
	b = basis{form: r.form, listKeys: d.listKeysOf(r.dev.ID), key: key.ID, next: next.ID}
	b.state, b.known = force.Index.ListState(r.dev.Door)
	return b
}

// updateLists makes new lists for the readers whose rights have changed or
// whose list expires soon, commits them, then publishes them.
func (d *Updater) updateLists(ctx context.Context, force *rights.InForce, now time.Time) error {
	var fresh []*reader
	for _, r := range d.readers {
		r.form = d.formOf(r.dev.ID)
		b := d.basisOf(r, force)
		next, err := d.renewList(r, b, force, now)
		if err != nil {
			return err
		}
		if next != nil {
			fresh = append(fresh, &reader{dev: r.dev, last: *next, basis: b})
		}
	}
	if len(fresh) == 0 {
		return d.send(ctx)
	}
	err := d.cfg.Store.Write(ctx, func(tx *ledger.Tx) error {
		for _, f := range fresh {
			if err := tx.PutAllowlist(f.last); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range fresh {
		r := d.byID[f.dev.ID]
		r.last, r.basis, r.unsent = f.last, f.basis, true
	}
	return d.send(ctx)
}

// send sends the lists that were not sent yet. A list that cannot be sent waits
// for the next call, and does not hold up the others.
func (d *Updater) send(ctx context.Context) error {
	var failed error
	for _, r := range d.readers {
		if !r.unsent {
			continue
		}
		size, err := d.sendList(ctx, r)
		if errors.Is(err, broker.ErrNotConnected) { // nor can the others be sent: their payloads need not be read
			return err
		}
		if err != nil {
			failed = fmt.Errorf("send allowlist to %s: %w", r.dev.ID, err)
			continue
		}
		r.unsent, r.last.Payload = false, nil
		if d.cfg.OnList != nil {
			d.cfg.OnList(r.dev.ID, r.last.Version, r.last.IssuedAt)
		}
		if d.cfg.OnSize != nil {
			d.cfg.OnSize(r.dev, size)
		}
	}
	return failed
}

// sendList publishes a reader's last list and returns its size in bytes. Where its payload is
// no longer in memory, it takes that from the ledger.
func (d *Updater) sendList(ctx context.Context, r *reader) (size int, err error) {
	payload := r.last.Payload
	if payload == nil {
		payload, err = d.cfg.Store.AllowlistPayload(ctx, r.dev.ID)
		if err == nil && payload == nil { // an empty retained message would take the reader's list away
			err = errors.New("the ledger has no such list")
		}
		if err != nil {
			return 0, err
		}
	}
	return len(payload), d.cfg.Publish(topic(r.dev, wire.Allowlist), payload, true)
}

// renewList returns the reader's next list, or nil where its present one is still
// right.
func (d *Updater) renewList(r *reader, b basis, force *rights.InForce, now time.Time) (*ledger.Allowlist, error) {
	// A list that was issued in the future came from a clock that was ahead. It is
	// replaced, since no reader would use it before that time.
	if r.last.Version != 0 && !now.Before(r.last.IssuedAt) && r.last.ExpiresAt.Sub(now) > listRenewal {
		if b.known && b == r.basis {
			return nil, nil
		}
		// The same period, so that only a change of rights makes a difference.
		c := d.contentOf(r, force, r.last.IssuedAt, r.last.ExpiresAt)
		if bytes.Equal(d.digest(r, c), r.last.Digest) {
			r.basis = b
			return nil, nil
		}
	}
	return d.makeList(r, force, now)
}

// content is what an allowlist allows: credentials with their times, and passes.
type content struct {
	entries []access.Entry
	opens   []wire.SpaceHash
	refused []wire.PassID
}

// contentOf returns what a reader may decide by itself; a disabled reader
// nothing.
func (d *Updater) contentOf(r *reader, force *rights.InForce, from, to time.Time) (c content) {
	if r.dev.Disabled {
		return c
	}
	c.entries = force.Index.Entries(r.dev.Door, r.dev.Direction, from, to)
	if r.dev.Direction != catalogue.In || force.LockedDown(r.dev.Site) {
		return c // outwards everybody passes; in a lockdown no visitor does
	}
	c.opens = d.opens[r.dev.Door]
	c.refused = refusedPasses(force.Book, c, from, to)
	return c
}

// spacesBeyond returns, for each door, the hashes of the spaces that it leads
// to: those it opens into, and those reached across them. A renamed space also
// has the hashes of its former names, which older tokens contain.
func spacesBeyond(n *catalogue.Network) map[catalogue.DoorID][]wire.SpaceHash {
	names := map[catalogue.SpaceID][]wire.SpaceHash{}
	for i := range n.Spaces {
		names[n.Spaces[i].ID] = []wire.SpaceHash{wire.HashSpace(n.Spaces[i].ID)}
	}
	for _, former := range n.FormerNames() {
		now := n.PresentName(former)
		names[now] = append(names[now], wire.HashSpace(former))
	}
	into := map[catalogue.SpaceID][]catalogue.DoorID{}
	for _, door := range n.Doors {
		into[door.To] = append(into[door.To], door.ID)
	}
	beyond := map[catalogue.DoorID][]wire.SpaceHash{}
	for i := range n.Spaces {
		for _, crossed := range n.Chain(n.Spaces[i].ID) {
			for _, door := range into[crossed] {
				beyond[door] = append(beyond[door], names[n.Spaces[i].ID]...)
			}
		}
	}
	return beyond
}

// refusedPasses lists the signed passes that the door must not open, although
// their tokens say so: passes that were deleted, and those of which the list
// has no entry for its period. It lists them until their tokens have run out. A
// pass that begins after the list's end is left out: its token is not valid yet.
func refusedPasses(book *tenancy.Book, c content, from, to time.Time) (list []wire.PassID) {
	for p := range book.Passes() {
		signed, err := wire.ParsePass(p.Claims)
		if err != nil || !signed.To.After(from) || !overlap(signed.Spaces, c.opens) {
			continue
		}
		if p.Deleted || signed.From.Before(to) &&
			!slices.ContainsFunc(c.entries, func(e access.Entry) bool { return e.Hash == p.ForList }) {
			list = append(list, signed.ID)
		}
	}
	return list
}

func overlap(a, b []wire.SpaceHash) bool {
	return slices.ContainsFunc(a, func(h wire.SpaceHash) bool { return slices.Contains(b, h) })
}

func (d *Updater) makeList(r *reader, force *rights.InForce, now time.Time) (*ledger.Allowlist, error) {
	c := d.contentOf(r, force, now, now.Add(listLife))
	list := wire.List{
		// Milliseconds of the clock, but always larger than before: readers
		// refuse an older version.
		Version: max(now.UnixMilli(), r.last.Version+1), Device: r.dev.ID, Door: r.dev.Door, Direction: r.dev.Direction,
		IssuedAt: now, ExpiresAt: now.Add(listLife), Entries: make([]wire.ListEntry, len(c.entries)),
		Opens: c.opens, Refused: c.refused,
	}
	keys := d.listKeysOf(r.dev.ID)
	for i, e := range c.entries {
		list.Entries[i] = wire.ListEntry{
			Hash:   d.cfg.Keys.Layered(e.Hash, keys),
			Rights: make([]wire.ListRight, len(e.Rights)),
		}
		for j, right := range e.Rights {
			list.Entries[i].Rights[j] = wire.ListRight{
				Reason: string(right.Reason),
				From:   right.From.UnixMilli(),
				To:     right.To.UnixMilli(),
			}
		}
	}
	key, ok := d.cfg.Keys.Site(r.dev.Site)
	if !ok {
		return nil, fmt.Errorf("no signing key for site %s", r.dev.Site)
	}
	if next, ok := d.cfg.Keys.Next(r.dev.Site); ok {
		list.Keys = []wire.SiteKey{{ID: next.ID, Key: base64.RawURLEncoding.EncodeToString(next.Public())}}
	}
	payload, err := wire.SignList(key.Private, r.dev.ID, list, r.form)
	if err != nil {
		return nil, fmt.Errorf("make allowlist of %s: %w", r.dev.ID, err)
	}
	return &ledger.Allowlist{
		Device:    r.dev.ID,
		Version:   list.Version,
		Digest:    d.digest(r, c),
		IssuedAt:  now,
		ExpiresAt: list.ExpiresAt,
		Payload:   payload,
	}, nil
}

// digest identifies a list by what it lets through, by which key it is signed
// and for which door: a change of any of these needs a new list.
func (d *Updater) digest(r *reader, c content) []byte {
	h := sha256.New()
	key, _ := d.cfg.Keys.Site(r.dev.Site)
	next, _ := d.cfg.Keys.Next(r.dev.Site)
	if n := d.listKeysOf(r.dev.ID); n > 1 {
		fmt.Fprintf(h, "list keys %d|", n)
	}
	fmt.Fprintf(h, "%s%s|%s|%s|%t|%d|", key.ID, next.ID, r.dev.Door, r.dev.Direction, r.dev.Disabled, r.form)
	var b []byte
	for _, e := range c.entries {
		b = append(b[:0], e.Hash[:]...)
		for _, right := range e.Rights {
			b = append(append(b, right.Reason...), 0)
			b = binary.BigEndian.AppendUint64(b, uint64(right.From.UnixMilli()))
			b = binary.BigEndian.AppendUint64(b, uint64(right.To.UnixMilli()))
		}
		h.Write(append(b, 0xff))
	}
	for _, s := range c.opens {
		h.Write(s[:])
	}
	for _, id := range c.refused {
		h.Write(id[:])
	}
	return h.Sum(nil)
}
