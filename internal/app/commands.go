package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/catalogue"
)

// commandsEvery is how often the acts of commands are looked at. What a command has withdrawn works at most that long.
const commandsEvery = time.Second

// watchCommands ends what a command has withdrawn beside the running service: sessions
// and streams of a token that totem token create has replaced, connections of a device
// that totem broker export has given another secret.
func (a *house) watchCommands(ctx context.Context) {
	const fault = "could not look for what commands have withdrawn; trying again each second"
	a.lookAgain(ctx, commandsEvery, fault, a.stepCommands)
}

// stepCommands does so for the acts since the last step.
func (a *house) stepCommands(ctx context.Context) error {
	head, err := a.Ledger.Head(ctx)
	if err != nil || head == a.commandsSeen {
		return err
	}
	acts, err := a.Ledger.ActsAfter(ctx, a.commandsSeen, admin.Actor)
	if err != nil {
		return err
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
	if err := errors.Join(errs...); err != nil {
		return err
	}
	a.commandsSeen = head
	return nil
}
