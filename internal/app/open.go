package app

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/lorntech/totem/internal/admin"
	"github.com/lorntech/totem/internal/api"
	"github.com/lorntech/totem/internal/backup"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/live"
	"github.com/lorntech/totem/internal/presence"
	"github.com/lorntech/totem/internal/readers"
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/settings"
	"github.com/lorntech/totem/internal/tenancy"
	"github.com/lorntech/totem/internal/visit"
)

// closeFolder lets only the owner read and enter the data folder, if it is empty. Where it holds files, other users may
// need them, so that closeFolder only logs a warning.
func (a *shell) closeFolder() error {
	info, err := os.Stat(a.Config.Data)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	entries, err := os.ReadDir(a.Config.Data)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return os.Chmod(a.Config.Data, 0o700) //nolint:gosec // a folder
	}
	a.opt.Log.Warn("others can look into the data folder: chmod 700", "data", a.Config.Data)
	return nil
}

func (a *shell) openData(ctx context.Context) error {
	if err := os.MkdirAll(a.Config.Data, 0o700); err != nil {
		return fmt.Errorf("--data (TOTEM_DATA): %w", err)
	}
	if err := a.closeFolder(); err != nil {
		return err
	}
	unlock, err := ledger.Lock(a.Config.Data)
	if err != nil {
		return err
	}
	a.closes.add("lock of the data folder", func(context.Context) error { return unlock() })
	if a.Ledger, err = ledger.Open(ctx, a.Config.Ledger()); err != nil {
		return err
	}
	a.closes.add("ledger", func(context.Context) error { return a.Ledger.Close() })
	// A service that waits must be able to take over later, so wrong keys are reported before it waits.
	if err := admin.CheckKeys(ctx, a.Config.KeysFile(), a.Ledger); err != nil {
		return settings.Unread("--keys (TOTEM_KEYS)", err)
	}
	err = a.Ledger.Own(ctx, func() {
		a.opt.Log.Info("another totem serves this database; this one waits, and takes over when that one ends")
	})
	if err != nil {
		return err
	}
	a.closes.run(a.ctx, "owner of the ledger", a.endWhenLost)
	return nil
}

// endWhenLost ends the service once another one has taken its ledger over.
func (a *shell) endWhenLost(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-a.Ledger.Lost():
		a.endService(errors.New("another totem has taken over this database: this one must not go on"))
	}
}

// open opens the parts that decide by the house's catalogue.
func (a *house) open(ctx context.Context) error {
	for _, step := range []func(context.Context) error{a.openKeys, a.openRights, a.openSeries, a.openCore} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (a *house) openKeys(ctx context.Context) (err error) {
	// Where a change of the catalogue opens the house again, commandsSeen keeps its value.
	if a.commandsSeen == 0 {
		if a.commandsSeen, err = a.Ledger.Head(ctx); err != nil {
			return err
		}
	}
	a.Keys, err = admin.OpenKeys(ctx, a.Config.KeysFile(), a.Network, a.Ledger)
	return settings.Unread("--keys (TOTEM_KEYS)", err)
}

func (a *house) openRights(ctx context.Context) (err error) {
	if a.Rights, err = rights.Open(ctx, a.Catalogues, a.Ledger, a.opt.Now); err != nil {
		return err
	}
	a.Rights.OnErase(func(id tenancy.MemberID) error {
		head, err := a.Ledger.Head(a.ctx)
		if err != nil {
			return err
		}
		return backup.NoteErasure(a.Config.Data, a.Keys.ErasedHash(string(id)), head, a.opt.Now())
	})
	return nil
}

// openCore opens the parts that answer readers. The broker publishes for parts
// that are opened before it, and hands over messages only once all of them run.
func (a *house) openCore(ctx context.Context) (err error) {
	publish := func(topic string, payload []byte, retain bool) error { return a.Broker.Publish(topic, payload, retain) }
	if a.Readers, err = readers.Open(ctx, readers.Config{
		Network: a.Network, Keys: a.Keys, Rights: a.Rights, Store: a.Ledger, Publish: publish, Now: a.opt.Now, Log: a.opt.Log,
		OnList:    a.metrics.lists.issued,
		OnCommand: func(d catalogue.DeviceID) { a.Live.DeviceChanged(d) },
		OnSize: func(d *catalogue.Device, size int) {
			a.Live.DeviceAlarm(ingest.AlarmListTooLarge,
				d,
				size > a.Config.ListMaxBytes,
				fmt.Sprintf(
					"its allowlist has %d bytes, more than the settings allow (%d): do so many badges need to open this door?",
					size,
					a.Config.ListMaxBytes,
				),
			)
		},
	}); err != nil {
		return err
	}
	if a.Live, err = live.Open(ctx, live.Config{
		Network: a.Network,
		Store:   a.Ledger,
		Publish: publish,
		Online:  a.Readers.Returned,
		Lists:   a.Readers.SetForm,
		Applied: func(d catalogue.DeviceID, v string) { a.metrics.lists.applied(d, v, a.opt.Now()) },
		Now:     a.opt.Now,
		Log:     a.opt.Log,
	}); err != nil {
		return err
	}
	a.tellEvents(a.Rights.InForce())
	a.Rights.OnChange(a.tellEvents)
	a.openPresence()
	a.openWebhooks()
	newest, err := a.Ledger.NewestArrival(ctx)
	if err != nil {
		return err
	}
	a.enrolments = ingest.NewEnrolments(a.Keys)
	a.Pipeline = ingest.New(ingest.Config{
		Network:    a.Network,
		Keys:       a.Keys,
		Store:      store{a.Ledger},
		Foreign:    a.Foreign,
		Enrolments: a.enrolments,
		Moves:      moves(a.Catalogues, a.Ledger),
		Newest:     newest,
		Rights:     func() ingest.Rights { return a.Rights.InForce() },
		DeviceAt:   a.deviceAt,
		Former:     a.formerDevice,
		LeftIn:     a.leftIn(),
		Publish:    publish,
		OnCommit:   a.committed,
		Now:        a.opt.Now,
		Log:        a.opt.Log,
		Metrics:    measured{a.metrics, a.Waits},
	})
	a.core.run(a.ctx, "pipeline", a.Pipeline.Run) // closed after the broker: what was handed over is committed first
	return nil
}

// openPresence opens the follower of visits.
func (a *house) openPresence() {
	a.Presence = presence.New(presence.Config{
		Store:  presenceStore{a.Ledger},
		Places: visit.NewPlaces(a.Catalogues),
		Tenant: func(id tenancy.MemberID) tenancy.TenantID {
			m, _ := a.Rights.InForce().Book.Member(id)
			return m.Tenant
		},
		Placed:  a.Live.SetPresence,
		Changed: a.maker.Wake,
		Moved:   a.moved,
		Now:     a.opt.Now,
		Log:     a.opt.Log,
	})
	a.moved = false
}

func (a *house) committed(c ingest.Committed) {
	a.Live.Committed(c)
	if len(c.Reads) > 0 {
		a.Presence.Wake()
	}
	a.maker.Wake()
}

// tellEvents passes the times of events in each space to the live state.
func (a *house) tellEvents(f *rights.InForce) {
	events := map[catalogue.SpaceID][]catalogue.Interval{}
	yesterday := a.opt.Now().AddDate(0, 0, -1)
	for e := range f.Book.Events() {
		for _, space := range e.Spaces {
			if e.EndsAt.After(yesterday) {
				events[space] = append(events[space], catalogue.Interval{From: e.StartsAt, To: e.EndsAt})
			}
		}
	}
	a.Live.SetEvents(events)
}

// follow starts the parts that follow the ledger.
func (a *house) follow() {
	if a.shipper != nil {
		a.followers.run(a.ctx, "shipping to InfluxDB", a.shipper.Run)
	}
	for _, p := range []struct {
		name string
		run  func(context.Context)
	}{
		{"series", a.maker.Run},
		{"decision times", a.keepWaits},
		{"visits", a.Presence.Run},
		{"hours", a.keepHours},
		{"live state", a.Live.Run},
		{"readers", a.Readers.Run},
		{"purge", a.janitor},
		{"days", a.keepDay},
		{"clock", a.watchClock},
		{"keys", a.watchKeys},
		{"commands", a.watchCommands},
		{"webhooks", a.webhooks.Run},
		{"availability for webhooks", a.tellAvailability},
	} {
		a.followers.run(a.ctx, p.name, p.run)
	}
	a.front.open(a.ctx, api.New(a.APIConfig()))
}
