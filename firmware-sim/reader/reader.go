// Package reader is the firmware of a badge reader as a state machine
// (rules 3.3, 3.5): it asks, waits by its own clock, checks the decision's
// signature, decides by its allowlist where no decision comes, and keeps in
// its flash what it could not send, to send it later with the same ids.
//
// Its caller drives it: every method takes the time by the reader's own clock, and the reader neither sends nor sleeps
// itself.
package reader

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/wire"
)

// Wait is how long a reader waits for a decision before it decides by itself.
const Wait = time.Second

// FlashSize is how many unsent messages a reader keeps. When more come the
// oldest are lost: whoever badged last may still be inside.
const FlashSize = 5000

// Config is what a reader is given when it is put into service.
type Config struct {
	Device    catalogue.DeviceID
	Site      catalogue.SiteID
	Door      catalogue.DoorID
	Direction catalogue.Direction
	SiteKey   ed25519.PublicKey // verifies decisions, commands and lists
	ListKey   []byte            // hashes badges as its allowlist does; nil: it cannot decide by itself
	ListOver  [][]byte          // further list keys: each hashes the result of the one before
	Boot      uuid.UUID
	NewID     func() uuid.UUID
}

// Outcome is the reader's answer to a badge: whether it opened, why, and who decided.
type Outcome struct {
	Request uuid.UUID
	Open    time.Duration // 0: it stayed shut
	Granted bool
	Reason  string
	By      string // "decision", "list", "token", "exit", "held"
}

// Reader is one reader. It is not safe for concurrent use.
type Reader struct {
	Config
	seq     uint64
	pending map[uuid.UUID]*asked
	list    *wire.List
	next    []wire.SiteKey // keys that a list has announced
	flash   []*wire.Message
	Lost    int // messages lost because the flash was full

	locked    bool
	heldUntil time.Time
	obeyed    map[uuid.UUID]time.Time // commands that were obeyed, kept until they expire
	lastDone  uuid.UUID               // the last of them
}

// asked is a read that waits for its decision.
type asked struct {
	msg   *wire.Message
	since time.Time
}

// New starts a reader.
func New(c Config) *Reader {
	return &Reader{Config: c, pending: map[uuid.UUID]*asked{}, obeyed: map[uuid.UUID]time.Time{}}
}

func (r *Reader) message(what wire.What, at time.Time) *wire.Message {
	r.seq++
	return &wire.Message{
		Topic:  wire.Topic{Site: r.Site, Device: r.Device, What: what},
		ID:     r.NewID(),
		At:     at.UTC().Truncate(time.Millisecond),
		HasSeq: true,
		Seq:    r.seq,
		Boot:   r.Boot,
	}
}

// Badge takes a badge and returns the message that asks for a decision. An exit
// does not wait: its lock is mechanical, and the read only records.
func (r *Reader) Badge(c wire.Credential, now time.Time) (*wire.Message, *Outcome) {
	m := r.message(wire.Badge, now)
	m.Badge = &wire.BadgeBody{Credential: c}
	r.storeUnsent(m)
	if r.Direction == catalogue.Out {
		return m, &Outcome{Request: m.ID, Open: 5 * time.Second, Granted: true, Reason: "egress", By: "exit"}
	}
	r.pending[m.ID] = &asked{msg: m, since: now}
	return m, nil
}

// Status returns the message in which the reader describes itself.
func (r *Reader) Status(now time.Time, online bool, firmware string) *wire.Message {
	m := r.message(wire.Status, now)
	lists := wire.ListForm2
	m.Status = &wire.StatusBody{Online: online, Firmware: &firmware, Lists: &lists, Keys: r.keyIDs()}
	if r.lastDone != uuid.Nil {
		done := r.lastDone
		m.Status.Obeyed = &done
	}
	if r.list != nil {
		v := r.Version()
		m.Status.List = &v
	}
	return m
}

// DoorIs returns the message of its door contact.
func (r *Reader) DoorIs(state wire.DoorState, now time.Time) *wire.Message {
	m := r.message(wire.Door, now)
	m.Door = state
	return m
}

// storeUnsent stores a message until it is acknowledged.
func (r *Reader) storeUnsent(m *wire.Message) {
	if len(r.flash) == FlashSize {
		r.flash = r.flash[1:]
		r.Lost++
	}
	r.flash = append(r.flash, m)
}

// Acknowledged drops a message from the flash: the service has committed it.
// A read that is still waiting stays: it may yet have to be sent with what
// the reader did.
func (r *Reader) Acknowledged(id uuid.UUID) {
	if _, waiting := r.pending[id]; waiting {
		return
	}
	for i, m := range r.flash {
		if m.ID == id {
			r.flash = append(r.flash[:i], r.flash[i+1:]...)
			return
		}
	}
}

// Unsent returns the messages in the flash that are to be sent (again), oldest
// first.
func (r *Reader) Unsent() []*wire.Message {
	var list []*wire.Message
	for _, m := range r.flash {
		if _, waiting := r.pending[m.ID]; !waiting {
			list = append(list, m)
		}
	}
	return list
}

// Decision takes a decision. The reader obeys it where it is signed by the site
// for this reader, answers a read that waits, and has not expired.
func (r *Reader) Decision(payload []byte, now time.Time) *Outcome {
	d, err := verified(r, wire.VerifyDecision, payload)
	if err != nil {
		return nil
	}
	if _, waits := r.pending[d.Request]; !waits || now.After(d.NotAfter) {
		return nil
	}
	delete(r.pending, d.Request)
	r.Acknowledged(d.Request) // a read that was decided has been committed
	o := &Outcome{Request: d.Request, Granted: d.Granted, Reason: d.Reason, By: "decision"}
	if d.Granted {
		o.Open = time.Duration(d.OpenMS) * time.Millisecond
	}
	return o
}

// Tick decides the reads that have waited long enough. It returns what the
// reader did and the messages that report it.
func (r *Reader) Tick(now time.Time) (outcomes []Outcome, messages []*wire.Message) {
	for id, a := range r.pending {
		if now.Sub(a.since) < Wait {
			continue
		}
		delete(r.pending, id)
		o := r.decideAlone(a.msg.Badge.Credential, now)
		o.Request = id
		a.msg.Badge.Offline = &wire.Offline{Granted: o.Granted, Reason: o.Reason, List: r.Version()}
		outcomes, messages = append(outcomes, o), append(messages, a.msg)
	}
	for id, until := range r.obeyed {
		if now.After(until) {
			delete(r.obeyed, id)
		}
	}
	return outcomes, messages
}

// decideAlone decides by the allowlist, or refuses.
func (r *Reader) decideAlone(c wire.Credential, now time.Time) Outcome {
	refused := Outcome{Reason: "unknown-credential", By: "list"}
	switch {
	case now.Before(r.heldUntil) && !r.locked:
		return Outcome{Granted: true, Reason: "event", By: "held", Open: 5 * time.Second}
	case r.list == nil || r.ListKey == nil:
		refused.Reason = "no-list"
		return refused
	case !now.Before(r.list.ExpiresAt):
		refused.Reason = "list-expired"
		return refused
	}
	ms, rights := now.UnixMilli(), r.list.Rights(r.listHash(c))
	for _, right := range rights {
		if right.From <= ms && ms < right.To {
			return Outcome{Granted: true, Reason: right.Reason, By: "list", Open: 5 * time.Second}
		}
		refused.Reason = "outside-hours"
	}
	if rights == nil && c.QR && r.passOpens(string(c.Bytes), now) {
		return Outcome{Granted: true, Reason: "pass", By: "token", Open: 5 * time.Second}
	}
	return refused
}

// passOpens reports whether a token that the list does not know is a pass that
// opens this door now: signed by the site, and not refused by the list
// (rules 4.11).
func (r *Reader) passOpens(token string, now time.Time) bool {
	if r.locked {
		return false
	}
	p, err := wire.VerifyPass(r.SiteKey, token)
	for _, k := range r.next {
		if err == nil {
			break
		}
		if public, decoded := base64.RawURLEncoding.DecodeString(k.Key); decoded == nil {
			p, err = wire.VerifyPass(public, token)
		}
	}
	return err == nil && !slices.Contains(r.list.Refused, p.ID) && p.Opens(r.list.Opens, now)
}

// listHash returns a credential's hash as the list has it.
func (r *Reader) listHash(c wire.Credential) [32]byte {
	h := wire.HashCredential(r.ListKey, c)
	for _, key := range r.ListOver {
		mac := hmac.New(sha256.New, key)
		mac.Write(h[:])
		h = [32]byte(mac.Sum(nil))
	}
	return h
}

// Allowlist takes a list and reports whether it is applied: signed for this
// reader and door, and newer than the one it has.
func (r *Reader) Allowlist(payload []byte) bool {
	l, err := verified(r, wire.VerifyList, payload)
	if err != nil || l.Door != r.Door || l.Direction != r.Direction || r.list != nil && l.Version <= r.list.Version {
		return false
	}
	r.list, r.next = &l, l.Keys
	return true
}

// verified checks the site's signature, by its key or by one that a list signed
// with that key has announced. An announced key that has signed becomes the
// site's key.
func verified[T any](
	r *Reader,
	verify func(ed25519.PublicKey, catalogue.DeviceID, []byte) (T, error),
	payload []byte,
) (T, error) {
	v, err := verify(r.SiteKey, r.Device, payload)
	for _, k := range r.next {
		if !errors.Is(err, wire.ErrSignature) {
			break
		}
		public, decoded := base64.RawURLEncoding.DecodeString(k.Key)
		if decoded != nil {
			continue
		}
		if v, err = verify(public, r.Device, payload); err == nil {
			r.SiteKey, r.next = public, nil
		}
	}
	return v, err
}

// keyIDs returns the ids of the keys that it verifies by.
func (r *Reader) keyIDs() []string {
	ids := []string{}
	if len(r.SiteKey) > 0 {
		ids = append(ids, keys.SiteKeyID(r.Site, r.SiteKey))
	}
	for _, k := range r.next {
		ids = append(ids, k.ID)
	}
	return ids
}

// Version returns the version of the list that is applied, "" without one.
func (r *Reader) Version() string {
	if r.list == nil {
		return ""
	}
	return strconv.FormatInt(r.list.Version, 10)
}

// Command takes a command and returns what the lock does. A command is obeyed
// once, where it is signed and has not expired.
func (r *Reader) Command(payload []byte, now time.Time) *Outcome {
	c, err := verified(r, wire.VerifyCommand, payload)
	if err != nil || now.After(c.NotAfter) {
		return nil
	}
	if _, seen := r.obeyed[c.ID]; seen {
		return nil
	}
	r.obeyed[c.ID] = c.NotAfter
	open := time.Duration(c.OpenMS) * time.Millisecond
	switch c.Kind {
	case wire.Unlock:
		if r.locked {
			return nil
		}
		r.heldUntil, r.lastDone = now.Add(open), c.ID
		return &Outcome{Request: c.ID, Granted: true, Open: open, Reason: "unlock", By: "held"}
	case wire.Lockdown:
		r.locked, r.heldUntil = true, time.Time{}
	case wire.Release:
		r.locked, r.heldUntil = false, time.Time{}
	}
	r.lastDone = c.ID
	return &Outcome{Request: c.ID, Reason: string(c.Kind), By: "held"}
}

// Held reports whether the door is held unlocked at an instant.
func (r *Reader) Held(now time.Time) bool { return now.Before(r.heldUntil) }

// Reboot drops what only memory held: reads that waited are sent without a
// decision of the reader, and numbering starts again. The flash and the list
// stay.
func (r *Reader) Reboot(boot uuid.UUID) {
	r.Boot, r.seq = boot, 0
	r.pending = map[uuid.UUID]*asked{}
	r.locked, r.heldUntil = false, time.Time{}
}
