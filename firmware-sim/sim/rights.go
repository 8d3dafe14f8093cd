// Package sim runs simulated readers, sensors and people: as history, as fast
// as the service takes it, or live. `totem demo` and the firmware-sim command
// use it.
package sim

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/lorntech/totem/firmware-sim/life"
	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/people"
	"github.com/lorntech/totem/internal/tenancy"
)

// decider answers as readers with current lists would: while history is made
// there is no service to ask.
func decider(w *people.World) (life.Decide, error) {
	book := tenancy.NewBook(w.Network)
	if err := fill(book, w); err != nil {
		return nil, fmt.Errorf("create the demo's people: %w", err)
	}
	x := access.NewCompiler(w.Network).Compile(book, nil)
	return func(uid []byte, door catalogue.DoorID, direction catalogue.Direction, at time.Time) (bool, access.Reason) {
		a := x.Decide(
			access.Question{Credential: localHash(uid), Door: door, Direction: direction, At: at, Offline: true},
			nil,
		)
		return a.Granted, a.Reason
	}, nil
}

// localHash identifies a badge within this process only.
func localHash(uid []byte) tenancy.CredentialHash { return sha256.Sum256(uid) }

func fill(b *tenancy.Book, w *people.World) error {
	var errs []error
	for _, v := range w.Schedules {
		errs = append(errs, b.PutSchedule(v))
	}
	for _, v := range w.Plans {
		errs = append(errs, b.PutPlan(v))
	}
	for _, v := range w.Tenants {
		errs = append(errs, b.PutTenant(v))
	}
	for _, v := range w.Members {
		errs = append(errs, b.PutMember(v))
	}
	for _, c := range w.Cards {
		errs = append(errs,
			b.PutCredential(tenancy.Credential{ID: c.Credential, Member: c.Member, Kind: c.Kind, Status: c.Status,
				ValidFrom: c.ValidFrom, ValidTo: c.ValidTo, Lookup: localHash(c.UID)}),
		)
	}
	for _, v := range w.Leases {
		errs = append(errs, b.PutLease(v))
	}
	for _, v := range w.Events {
		errs = append(errs, b.PutEvent(v))
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
