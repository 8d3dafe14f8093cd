package app

import (
	"context"
	"fmt"

	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/people"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/wire"
)

// Settle creates the demo's people and their rights in one change.
func (a *App) Settle(ctx context.Context, w *people.World) error {
	var changes []rights.Change
	add := func(v any) { changes = append(changes, rights.Change{Put: v}) }
	for _, v := range w.Schedules {
		add(v)
	}
	for _, v := range w.Plans {
		add(v)
	}
	for _, v := range w.Tenants {
		add(v)
	}
	for _, v := range w.Members {
		add(v)
	}
	for _, c := range w.Cards {
		lookup, list := hashes(a.Keys, wire.Credential{Bytes: c.UID})
		add(tenancy.Credential{ID: c.Credential, Member: c.Member, Kind: c.Kind, Status: c.Status, ValidFrom: c.ValidFrom, ValidTo: c.ValidTo, Lookup: lookup, ForList: list})
	}
	for _, v := range w.Leases {
		add(v)
	}
	for _, p := range w.Passes {
		lookup, list := hashes(a.Keys, wire.Credential{QR: true, Bytes: []byte(p.Token)})
		add(tenancy.Pass{ID: p.ID, Host: p.Host, Name: p.Name, Spaces: p.Spaces, ValidFrom: p.ValidFrom, ValidTo: p.ValidTo, Lookup: lookup, ForList: list})
	}
	for _, v := range w.Events {
		add(v)
	}
	if err := a.Rights.Apply(ctx, "demo", changes...); err != nil {
		return fmt.Errorf("the demo's people: %w", err)
	}
	return nil
}

func hashes(k *keys.Ring, c wire.Credential) (lookup, list tenancy.CredentialHash) {
	return wire.HashCredential(k.Lookup(), c), wire.HashCredential(k.List(), c)
}
