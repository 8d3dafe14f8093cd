package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/webhooks"
)

// PutAlarm raises or clears an alarm. Raising one that stands changes nothing;
// raising one that was cleared opens it again.
func (tx *Tx) PutAlarm(a ingest.Alarm) error {
	if err := tx.announceAlarm(&a); err != nil {
		return err
	}
	var cleared any
	if a.ClearedAt != nil {
		cleared = ms(*a.ClearedAt)
	}
	err := tx.run(
		`INSERT INTO alarms (id, kind, site, device, door, space, detail, since, cleared_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET cleared_at = excluded.cleared_at, detail = excluded.detail`,
		a.ID,
		string(a.Kind),
		string(a.Site),
		string(a.Device),
		string(a.Door),
		string(a.Space),
		a.Detail,
		ms(a.Since),
		cleared,
	)
	if err != nil {
		return fmt.Errorf("ledger: put alarm %s: %w", a.ID, err)
	}
	return nil
}

// announceAlarm queues an event for webhooks when an alarm is raised or cleared, unless that
// was queued before. The event leaves out the alarm's Detail, which may quote a device.
func (tx *Tx) announceAlarm(a *ingest.Alarm) error {
	type data struct {
		ID        string             `json:"id"`
		Kind      ingest.AlarmKind   `json:"kind"`
		Site      catalogue.SiteID   `json:"site,omitempty"`
		Device    catalogue.DeviceID `json:"device,omitempty"`
		Door      catalogue.DoorID   `json:"door,omitempty"`
		Space     catalogue.SpaceID  `json:"space,omitempty"`
		Since     catalogue.Instant  `json:"since"`
		ClearedAt *catalogue.Instant `json:"cleared_at,omitempty"`
	}
	d := data{a.ID, a.Kind, a.Site, a.Device, a.Door, a.Space, catalogue.Instant{Time: a.Since}, nil}
	raised := webhooks.Event{Type: webhooks.AlarmRaised, Topic: webhooks.OfAlarms, Site: a.Site, At: a.Since, Data: d}
	if a.ClearedAt == nil {
		return tx.announce(raised, "NOT EXISTS (SELECT 1 FROM alarms WHERE id = ? AND cleared_at IS NULL)", a.ID)
	}
	// An alarm may be cleared before it is first written: receivers still learn of it.
	if err := tx.announce(raised, "NOT EXISTS (SELECT 1 FROM alarms WHERE id = ?)", a.ID); err != nil {
		return err
	}
	d.ClearedAt = &catalogue.Instant{Time: *a.ClearedAt}
	cleared := webhooks.Event{
		Type:  webhooks.AlarmCleared,
		Topic: webhooks.OfAlarms,
		Site:  a.Site,
		At:    *a.ClearedAt,
		Data:  d,
	}
	return tx.announce(cleared, "NOT EXISTS (SELECT 1 FROM alarms WHERE id = ? AND cleared_at IS NOT NULL)", a.ID)
}

// AcknowledgeAlarm records who has seen an alarm; ErrNotFound where there is none.
func (tx *Tx) AcknowledgeAlarm(id, by string) error {
	res, err := tx.exec("UPDATE alarms SET acknowledged_by = ? WHERE id = ?", by, id)
	if err != nil {
		return fmt.Errorf("ledger: acknowledge alarm %s: %w", id, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrNotFound)
	}
	return nil
}

// AlarmFilter selects alarms; empty fields select all. They come newest first,
// those after the cursor (Since, ID) where it is given.
type AlarmFilter struct {
	Sites      []catalogue.SiteID // nil: all
	ID         string
	OpenOnly   bool
	AfterSince time.Time
	AfterID    string
	Limit      int // 0: all
}

// Alarms lists alarms, newest first.
func (l *Ledger) Alarms(ctx context.Context, f AlarmFilter) ([]ingest.Alarm, error) {
	q := where{query: "SELECT id, kind, site, device, door, space, detail, since, cleared_at, acknowledged_by FROM alarms"}
	if f.Sites != nil {
		q.in("site", strs(f.Sites))
	}
	if f.ID != "" {
		q.and("id = ?", f.ID)
	}
	if f.OpenOnly {
		q.and("cleared_at IS NULL")
	}
	if f.AfterID != "" {
		q.and("(since < ? OR since = ? AND id > ?)", ms(f.AfterSince), ms(f.AfterSince), f.AfterID)
	}
	return list(ctx, l.reads, "list alarms", func(rows *sql.Rows) (a ingest.Alarm, err error) {
		var since int64
		var cleared sql.NullInt64
		var by sql.NullString
		err = rows.Scan(&a.ID, &a.Kind, &a.Site, &a.Device, &a.Door, &a.Space, &a.Detail, &since, &cleared, &by)
		a.Since, a.ClearedAt, a.AcknowledgedBy = at(since), instant(cleared), by.String
		return a, err
	}, q.sql()+" ORDER BY since DESC, id LIMIT ?", append(q.args, limit(f.Limit))...)
}
