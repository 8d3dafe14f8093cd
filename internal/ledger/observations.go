package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/occupancy"
)

const selectObservations = "SELECT seq, id, at, received_at, device, what, body FROM observations"

func scanObservation(row scanner) (*ingest.Observation, error) {
	var o ingest.Observation
	var id []byte
	var t, received int64
	err := row.Scan(&o.Seq, &id, &t, &received, &o.Device, &o.What, &o.Body)
	copy(o.ID[:], id)
	o.At, o.ReceivedAt = at(t), at(received)
	return &o, err
}

// ObservationsAfter calls yield for the observations with a greater seq, in order.
func (l *Ledger) ObservationsAfter(ctx context.Context, seq int64, yield func(*ingest.Observation) error) error {
	rows, err := l.reads.QueryContext(ctx, selectObservations+" WHERE seq > ? ORDER BY seq", seq)
	err = each(rows, err, func(rows *sql.Rows) error {
		o, err := scanObservation(rows)
		if err != nil {
			return err
		}
		return yield(o)
	})
	if err != nil {
		return fmt.Errorf("load observations: %w", err)
	}
	return nil
}

// ObservationsPage lists at most n observations after a seq.
func (l *Ledger) ObservationsPage(ctx context.Context, after int64, n int) ([]ingest.Observation, error) {
	var list []ingest.Observation
	rows, err := l.reads.QueryContext(ctx, selectObservations+" WHERE seq > ? ORDER BY seq LIMIT ?", after, n)
	err = each(rows, err, func(rows *sql.Rows) error {
		o, err := scanObservation(rows)
		list = append(list, *o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list observations: %w", err)
	}
	return list, nil
}

// YieldValues is called with the value of one message of a sensor.
type YieldValues func(at time.Time, id uuid.UUID, v *ingest.Values)

// FlowsInto returns a YieldValues that collects a flow counter's values in add.
func FlowsInto(add func(occupancy.FlowSaid)) YieldValues {
	return func(at time.Time, id uuid.UUID, v *ingest.Values) { add(v.Flow(at, id)) }
}

// SensorSaid calls yield for each value that a sensor sent in [from, to).
func (l *Ledger) SensorSaid(
	ctx context.Context,
	device catalogue.DeviceID,
	from, to time.Time,
	yield YieldValues,
) error {
	rows, err := l.reads.QueryContext(ctx, `SELECT id, at, body FROM observations
		WHERE what IN ('count', 'occupancy', 'flow') AND device = ?1 AND at >= ?2 AND at < ?3`, string(device), ms(from), ms(to))
	return each(rows, err, func(rows *sql.Rows) error { return yieldValue(rows, yield) })
}

// SensorBefore returns the last value that a sensor sent before t, if any.
func (l *Ledger) SensorBefore(ctx context.Context, device catalogue.DeviceID, t time.Time, yield YieldValues) error {
	rows, err := l.reads.QueryContext(ctx, `SELECT id, at, body FROM observations
		WHERE what IN ('count', 'occupancy', 'flow') AND device = ? AND at < ? ORDER BY at DESC, id DESC LIMIT 1`, string(device), ms(t))
	return each(rows, err, func(rows *sql.Rows) error { return yieldValue(rows, yield) })
}

func yieldValue(rows *sql.Rows, yield YieldValues) error {
	var id, body sql.RawBytes
	var t int64
	if err := rows.Scan(&id, &t, &body); err != nil {
		return err
	}
	v, err := fastValues(body)
	if err != nil {
		return fmt.Errorf("read an observation: %w", err)
	}
	yield(at(t), uuid.UUID(id), v)
	return nil
}

func fastValues(body []byte) (*ingest.Values, error) {
	v := &ingest.Values{}
	err := json.Unmarshal(body, v)
	return v, err
}

// NextSaid returns the instant of a sensor's first value after t; zero: none.
func (tx *Tx) NextSaid(device catalogue.DeviceID, t time.Time) (time.Time, error) {
	var next sql.NullInt64
	err := tx.row(
		"SELECT min(at) FROM observations WHERE what IN ('count', 'occupancy', 'flow') AND device = ? AND at > ?",
		[]any{string(device), ms(t)},
		&next,
	)
	if err != nil || !next.Valid {
		return time.Time{}, err
	}
	return at(next.Int64), nil
}

// AddObservation appends a message of a sensor, a door or a status, and sets
// its Seq.
func (tx *Tx) AddObservation(o *ingest.Observation) error {
	if tx.next != 0 {
		o.Seq = tx.next
		tx.next++
		return tx.run("INSERT INTO observations (seq, id, at, received_at, device, what, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
			o.Seq, o.ID[:], ms(o.At), ms(o.ReceivedAt), string(o.Device), string(o.What), o.Body)
	}
	err := tx.row(
		`INSERT INTO observations (seq, id, at, received_at, device, what, body)
			VALUES ((SELECT coalesce(max(seq), 0) + 1 FROM observations), ?, ?, ?, ?, ?, ?) RETURNING seq`,
		[]any{o.ID[:], ms(o.At), ms(o.ReceivedAt), string(o.Device), string(o.What), o.Body},
		&o.Seq,
	)
	if err != nil {
		return fmt.Errorf("ledger: add observation %s: %w", o.ID, err)
	}
	return nil
}

// ToldAlready reports whether a device sent the same values for about the same
// time before.
func (tx *Tx) ToldAlready(
	device catalogue.DeviceID,
	t time.Time,
	within time.Duration,
	body string,
) (told bool, err error) {
	err = tx.row(
		"SELECT EXISTS (SELECT 1 FROM observations WHERE what IN ('count', 'occupancy', 'flow') AND device = ? AND at >= ? AND at <= ? AND body = ?)",
		[]any{string(device), ms(t.Add(-within)), ms(t.Add(within)), body},
		&told,
	)
	return told, err
}
