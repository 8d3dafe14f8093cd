package ingest

import (
	"crypto/subtle"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
	"github.com/lorntech/totem/internal/wire"
)

// EnrolmentTime is how long a reader waits for a new badge.
const EnrolmentTime = 60 * time.Second

// EnrolmentState is the state of an enrolment.
type EnrolmentState string

// The states.
const (
	EnrolmentWaiting EnrolmentState = "waiting" // waits for a badge that nobody has
	EnrolmentOnce    EnrolmentState = "once"    // the badge was shown once
	EnrolmentReady   EnrolmentState = "ready"   // shown twice: it can be given to a member
	EnrolmentEnded   EnrolmentState = "ended"   // two different badges were shown, it was used, or its time is over
)

// Enrolment is a reader that waits for a new badge to be shown to it twice, so
// that nobody needs to know its UID.
type Enrolment struct {
	ID      uuid.UUID
	Device  catalogue.DeviceID
	Member  tenancy.MemberID
	Kind    tenancy.CredentialKind // of the credential to be created
	Expires time.Time
	State   EnrolmentState

	lookup, forList tenancy.CredentialHash // of the badge; zero before the first
}

// Errors of enrolments.
var (
	ErrEnrolling   = errors.New("this reader already waits for another new badge")
	ErrNoEnrolment = errors.New("there is no such enrolment, its time is over, or no badge was shown to the reader twice")
)

// Enrolments holds the readers that wait for a badge. While there is no
// enrolment, a badge costs one atomic load.
type Enrolments struct {
	keys   *keys.Ring
	n      atomic.Int32
	mu     sync.Mutex
	byRead map[catalogue.DeviceID]*Enrolment
}

// NewEnrolments returns an empty set.
func NewEnrolments(k *keys.Ring) *Enrolments {
	return &Enrolments{keys: k, byRead: map[catalogue.DeviceID]*Enrolment{}}
}

// Begin makes a reader wait for a new badge; ErrEnrolling where it waits for
// another.
func (e *Enrolments) Begin(
	device catalogue.DeviceID,
	m tenancy.MemberID,
	kind tenancy.CredentialKind,
	now time.Time,
) (Enrolment, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if old := e.byRead[device]; old != nil && old.State != EnrolmentEnded && now.Before(old.Expires) {
		return Enrolment{}, ErrEnrolling
	}
	x := &Enrolment{
		ID:      uuid.New(),
		Device:  device,
		Member:  m,
		Kind:    kind,
		Expires: now.Add(EnrolmentTime),
		State:   EnrolmentWaiting,
	}
	e.byRead[device] = x
	e.n.Store(int32(len(e.byRead)))
	return *x, nil
}

// At returns the newest enrolment of a reader, as it is now.
func (e *Enrolments) At(device catalogue.DeviceID, now time.Time) (Enrolment, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.byRead[device]
	if x == nil {
		return Enrolment{}, false
	}
	if !now.Before(x.Expires) {
		x.State = EnrolmentEnded
	}
	return *x, true
}

// End cancels an enrolment.
func (e *Enrolments) End(device catalogue.DeviceID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.byRead, device)
	e.n.Store(int32(len(e.byRead)))
}

// Hashes returns the hashes of the enrolled badge; ErrNoEnrolment unless it was
// shown twice in time.
func (e *Enrolments) Hashes(
	id uuid.UUID,
	now time.Time,
) (x Enrolment, lookup, forList tenancy.CredentialHash, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.byRead {
		if x.ID == id && x.State == EnrolmentReady && now.Before(x.Expires) {
			return *x, x.lookup, x.forList, nil
		}
	}
	return x, lookup, forList, ErrNoEnrolment
}

// noteBadge notes a badge that a reader has just read.
func (e *Enrolments) noteBadge(r *Read, badge wire.Credential) {
	if e == nil || e.n.Load() == 0 || r.Reader != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.byRead[r.Device]
	if x == nil || !r.ReceivedAt.Before(x.Expires) ||
		r.Reason != access.UnknownCredential && r.Direction == catalogue.In ||
		r.Subject != (visit.Subject{}) {
		return
	}
	if badge.QR || badge.CheckEntry() != nil {
		return
	}
	switch x.State {
	case EnrolmentWaiting:
		x.lookup, x.forList, x.State = r.Credential, wire.HashCredential(e.keys.List(), badge), EnrolmentOnce
	case EnrolmentOnce:
		x.State = EnrolmentEnded
		if subtle.ConstantTimeCompare(x.lookup[:], r.Credential[:]) == 1 {
			x.State = EnrolmentReady
		}
	case EnrolmentReady:
		if x.lookup != r.Credential {
			x.State = EnrolmentEnded
		}
	}
}
