package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/catalogue"
)

// commandsEvery is how long what a command has withdrawn may go on.
const commandsEvery = time.Second

// watchCommands ends what a command has withdrawn beside the running service: sessions
// and streams of a token that totem token create has replaced, connections of a device
// that totem broker export has given another secret.
func (a *house) watchCommands(ctx context.Context) {
	tick := time.NewTicker(commandsEvery)
	defer tick.Stop()
	said := "" // a fault is logged once, not every second
	for {
		switch head, err := a.stepCommands(ctx, a.commandsSeen); {
		case err == nil:
			a.commandsSeen, said = head, ""
		case ctx.Err() == nil && err.Error() != said:
			said = err.Error()
			a.opt.Log.Error("could not look for what commands have withdrawn; trying again each second", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// stepCommands does so for the acts after an entry of the chain, and returns the newest.
func (a *house) stepCommands(ctx context.Context, seen int64) (int64, error) {
	head, err := a.Ledger.Head(ctx)
	if err != nil || head == seen {
		return head, err
	}
	acts, err := a.Ledger.ActsAfter(ctx, seen, admin.Actor)
	if err != nil {
		return seen, err
	}
	var errs []error
	for _, act := range acts {
		switch kind, id, _ := strings.Cut(act.Target, "/"); kind {
		case "token":
			if changed := a.tokens.Load(); changed != nil {
				(*changed)(id)
			}
			sessions{a}.TokenChanged(id)
		case "device":
			errs = append(errs, sessions{a}.SecretChanged(ctx, catalogue.DeviceID(id)))
		}
	}
	return head, errors.Join(errs...)
}
