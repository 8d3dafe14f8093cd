// Package rights keeps the rights in force: the book of tenants, members,
// credentials, plans and leases, the lockdowns, and the index compiled from
// them:
//
//	err := keeper.Apply(ctx, "admin", rights.Change{Put: lease})
//
// Every change is checked, committed to the ledger with its audit entry,
// compiled and swapped in; then the listeners are called. The package decides
// nothing (package access does) and speaks no HTTP or MQTT.
package rights

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
)

// InForce is one immutable state of the rights.
type InForce struct {
	Book      *tenancy.Book // must not be modified
	Lockdowns []tenancy.Lockdown
	Index     *access.Index
	Since     time.Time // when the change took effect
	former    *former   // former catalogues that decide differently; nil: none
}

// former holds the indexes of the same rights with the doors of former
// catalogues, compiled when a read of that time arrives late.
type former struct {
	keeper *Keeper
	mu     sync.Mutex
	made   map[*catalogue.Network]*access.Index
}

// IndexAt returns the index of these rights with the doors of an instant.
func (f *InForce) IndexAt(t time.Time) *access.Index {
	if f.former == nil || !t.Before(f.former.keeper.decides) {
		return f.Index
	}
	n := catalogue.At(f.former.keeper.history, t)
	f.former.mu.Lock()
	defer f.former.mu.Unlock()
	if f.former.made[n] == nil {
		f.former.made[n] = f.former.keeper.compilerOf(n).Compile(f.Book.In(n), f.Lockdowns)
	}
	return f.former.made[n]
}

// LockedDown reports whether a site is in lockdown now.
func (f *InForce) LockedDown(site catalogue.SiteID) bool {
	return slices.ContainsFunc(f.Lockdowns, func(k tenancy.Lockdown) bool { return k.Site == site && k.To == nil })
}

// Store is what the keeper needs of the ledger.
type Store interface {
	Write(ctx context.Context, change func(*ledger.Tx) error) error
	Records(ctx context.Context, yield func(ledger.Record) error) error
	Lockdowns(ctx context.Context, since time.Time) ([]tenancy.Lockdown, error)
	ledger.TermsStore
}

// Keeper owns the rights in force.
type Keeper struct {
	network  *catalogue.Network
	history  catalogue.History
	store    Store
	compiler *access.Compiler
	now      func() time.Time
	erasing  func(tenancy.MemberID) error // called before an erasure is committed; nil: nothing
	decides  time.Time                    // since when doors and spaces decide as they do now; zero: always
	billable []catalogue.SpaceID          // spaces to which visits outlive their person: bills need them

	ended   atomic.Bool // another keeper has taken over
	mu      sync.Mutex  // allows one change at a time
	current atomic.Pointer[InForce]
	watch   []func(*InForce)
}

// lockdownMemory is how long an ended lockdown still explains offline reads.
const lockdownMemory = 100 * 24 * time.Hour

// Open loads the rights from the ledger.
func Open(ctx context.Context, h catalogue.History, store Store, now func() time.Time) (*Keeper, error) {
	n := *h.Last()
	k := &Keeper{
		network:  n,
		history:  h,
		store:    store,
		compiler: access.NewCompiler(n),
		now:      now,
		billable: catalogue.EverBillable(h),
		decides:  catalogue.DecidesSince(h),
	}
	book := tenancy.NewBook(n)
	book.SetToday(k.day(now()))
	book.SetLoading(true)
	if err := load(ctx, book, store, n); err != nil {
		return nil, err
	}
	book.SetLoading(false)
	lockdowns, err := store.Lockdowns(ctx, now().Add(-lockdownMemory))
	if err != nil {
		return nil, err
	}
	k.current.Store(k.compile(book, lockdowns))
	return k, nil
}

// OnErase sets a function that is called before each erasure of a person is committed. Its
// error prevents the erasure. OnErase must be called before the first erasure.
func (k *Keeper) OnErase(f func(tenancy.MemberID) error) { k.erasing = f }

// compilerOf returns the compiler for the doors of a former catalogue.
func (k *Keeper) compilerOf(n *catalogue.Network) *access.Compiler {
	if n == k.network {
		return k.compiler
	}
	return access.NewCompiler(n)
}

// ErrEnded is returned where another keeper, for a changed catalogue, has taken
// over.
var ErrEnded = errors.New("the catalogue has changed in the meantime: try again")

// End refuses further changes: another keeper takes over.
func (k *Keeper) End() { k.ended.Store(true) }

// InForce returns the rights in force.
func (k *Keeper) InForce() *InForce { return k.current.Load() }

// Index returns the index in force.
func (k *Keeper) Index() *access.Index { return k.current.Load().Index }

// OnChange calls f after each change, in order. It must be called before the
// first change.
func (k *Keeper) OnChange(f func(*InForce)) { k.watch = append(k.watch, f) }

// compile returns the rights to be put in force.
func (k *Keeper) compile(book *tenancy.Book, lockdowns []tenancy.Lockdown) *InForce {
	f := &InForce{Book: book, Lockdowns: lockdowns, Index: k.compiler.Compile(book, lockdowns), Since: k.now()}
	if !k.decides.IsZero() {
		f.former = &former{keeper: k, made: map[*catalogue.Network]*access.Index{}}
	}
	return f
}

// put commits a change and puts the result in force before anybody else may
// write: every read after it in the chain is decided by it.
func (k *Keeper) put(ctx context.Context, next *InForce, change func(*ledger.Tx) error) error {
	if k.ended.Load() {
		return ErrEnded
	}
	err := k.store.Write(ctx, func(tx *ledger.Tx) error {
		tx.AfterCommit(func() { k.current.Store(next) })
		return change(tx)
	})
	if err != nil {
		return err
	}
	for _, w := range k.watch {
		w(next)
	}
	return nil
}

// Change is one entity to put or delete, or a version to take back. Put is a
// value of package tenancy.
type Change struct {
	Put      any
	Delete   *Key
	TakeBack *Version
	// From is the local day from which a put plan or lease holds; nil: today.
	From *catalogue.Day
	// Expect is called with the book to be changed; its error forbids the
	// change. May be nil.
	Expect func(*tenancy.Book) error
}

// Key identifies a record: its kind and its id.
type Key struct {
	Kind Kind
	ID   string
}

// Apply makes all changes or none. Each is checked against the book with the earlier
// changes applied. All are committed together, and are in force when Apply
// returns. Errors are those of package tenancy, or the ledger's.
func (k *Keeper) Apply(ctx context.Context, actor string, changes ...Change) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.apply(ctx, actor, changes)
}

func (k *Keeper) apply(ctx context.Context, actor string, changes []Change) error {
	m := k.moment(actor)
	book := k.InForce().Book.Clone()
	book.SetToday(m.day)
	edits := make([]edit, 0, len(changes))
	for _, c := range changes {
		if c.Expect != nil {
			if err := c.Expect(book); err != nil {
				return err
			}
		}
		e, err := makeEdit(book, c, m)
		if err != nil {
			return err
		}
		edits = append(edits, e)
	}
	return k.put(ctx, k.compile(book, k.InForce().Lockdowns), func(tx *ledger.Tx) error {
		for _, e := range edits {
			if err := e.commit(tx, m); err != nil {
				return err
			}
		}
		return nil
	})
}

// day returns the local day of an instant: a change of prices begins with it.
func (k *Keeper) day(now time.Time) catalogue.Day { return k.network.Zone.At(now).Day }

func (k *Keeper) moment(actor string) moment {
	now := truncated(k.now())
	return moment{now, k.day(now), actor}
}

// Roll puts in force what begins with a new local day. Doors do not need it:
// their index knows from when each version holds.
func (k *Keeper) Roll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	day := k.day(k.now())
	if k.InForce().Book.Today() == day {
		return
	}
	book := k.InForce().Book.Clone()
	book.SetToday(day)
	next := k.compile(book, k.InForce().Lockdowns)
	k.current.Store(next)
	for _, w := range k.watch {
		w(next)
	}
}

// SetLockdown begins or ends a site's lockdown.
func (k *Keeper) SetLockdown(
	ctx context.Context,
	actor string,
	site catalogue.SiteID,
	active bool,
	reason string,
) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now().UTC().Truncate(time.Millisecond)
	body, err := json.Marshal(map[string]any{"active": active, "reason": reason})
	if err != nil {
		return err
	}
	next := k.compile(k.InForce().Book, setLockdown(k.InForce().Lockdowns, site, active, now))
	return k.put(ctx, next, func(tx *ledger.Tx) error {
		if err := tx.SetLockdown(site, active, now); err != nil {
			return fmt.Errorf("set lockdown of %s: %w", site, err)
		}
		return tx.AddAct(&ingest.Act{At: now, Actor: actor, Action: "lockdown", Target: "site/" + string(site), Body: body})
	})
}

// setLockdown begins or ends a site's lockdown in a list, as the ledger does.
func setLockdown(list []tenancy.Lockdown, site catalogue.SiteID, active bool, now time.Time) []tenancy.Lockdown {
	list = slices.DeleteFunc(
		slices.Clone(list),
		func(k tenancy.Lockdown) bool { return k.To != nil && k.To.Before(now.Add(-lockdownMemory)) },
	)
	i := slices.IndexFunc(list, func(k tenancy.Lockdown) bool { return k.Site == site && k.To == nil })
	switch {
	case active && i < 0:
		list = append(list, tenancy.Lockdown{Site: site, From: now})
	case !active && i >= 0:
		list[i].To = &now
	}
	return list
}

// Check returns why a change could not be made as things stand, and changes
// nothing.
func (k *Keeper) Check(c Change) error {
	_, err := makeEdit(k.InForce().Book.Clone(), c, k.moment(""))
	return err
}
