package rights

import (
	"context"
	"errors"

	"github.com/lorntech/totem/internal/tenancy"
)

// Draft collects changes of many things and commits them at once.
type Draft struct {
	base    *InForce
	book    *tenancy.Book
	changes []Change
	moment  moment
}

// ErrChanged is returned where the rights changed since a draft was begun.
var ErrChanged = errors.New("tenants, leases or badges have changed in the meantime; try again")

// Draft begins a draft of the rights in force.
func (k *Keeper) Draft() *Draft {
	f, m := k.InForce(), k.moment("")
	book := f.Book.Clone()
	book.SetToday(m.day)
	return &Draft{base: f, book: book, moment: m}
}

// Book returns the book as the draft would make it. The caller must not modify
// it.
func (d *Draft) Book() *tenancy.Book { return d.book }

// Put checks an entity against the draft and adds it. Errors are those of
// package tenancy.
func (d *Draft) Put(v any) error {
	c := Change{Put: v}
	return d.Change(c)
}

// Change makes a change to the draft, and adds it.
func (d *Draft) Change(c Change) error {
	if _, err := makeEdit(d.book, c, d.moment); err != nil {
		return err
	}
	d.changes = append(d.changes, c)
	return nil
}

// Commit makes all of a draft's changes, or none.
func (k *Keeper) Commit(ctx context.Context, actor string, d *Draft) error {
	if len(d.changes) == 0 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.InForce() != d.base {
		return ErrChanged
	}
	return k.apply(ctx, actor, d.changes)
}
