package live

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/wire"
)

// observe processes one sensor, door or status message. The caller holds mu.
func (s *State) observe(o *ingest.Observation, v ingest.Values) {
	s.seen.ObservationSeq = max(s.seen.ObservationSeq, o.Seq)
	s.pending++
	dev := s.cfg.Network.Device(o.Device)
	if dev == nil {
		return // the catalogue has changed since
	}
	d := s.noteHeard(dev, o.ReceivedAt)
	if v.Seq != nil && v.Boot != nil {
		s.noteNumber(dev, d, ingest.Numbered{Boot: *v.Boot, Seq: *v.Seq}, o.At, o.ReceivedAt)
	}
	if v.Counter != nil {
		s.counter(dev, d, *v.Counter, o.At, o.ReceivedAt)
	}
	if d.noteAir(v, o.At) {
		s.renewed[dev.ID] = true
	}
	switch o.What {
	case wire.Count, wire.Occupancy:
		if said, ok := v.Value(o.At, o.ID); ok {
			s.occ.SetValue(dev.ID, said)
			s.value(dev, d, said, o.ReceivedAt)
		}
	case wire.Flow:
		if s.occ.AddFlow(dev.ID, v.Flow(o.At, o.ID)) {
			s.raiseAlarm(ingest.AlarmCounterReset,
				dev,
				o.At,
				"its totals went back or jumped: nobody is counted for the time between",
			)
		} else {
			s.clearAlarm(ingest.AlarmCounterReset, dev, o.ReceivedAt)
		}
	case wire.Door:
		s.door(dev, d, v.State, o)
	case wire.Status:
		s.status(dev, d, v, o)
	}
}

// noteAir processes air values of any message, and reports whether they are
// new: late ones change nothing.
func (d *Device) noteAir(v ingest.Values, at time.Time) (fresh bool) {
	if v.CO2 == nil && v.Temperature == nil && v.Humidity == nil && v.Noise == nil || d.Air != nil && at.Before(d.Air.At) {
		return false
	}
	old := d.Air
	if old == nil {
		old = &Air{}
	}
	d.Air = &Air{
		At:          at,
		CO2:         either(v.CO2, old.CO2),
		Temperature: either(v.Temperature, old.Temperature),
		Humidity:    either(v.Humidity, old.Humidity),
		Noise:       either(v.Noise, old.Noise),
	}
	return true
}

// read processes one badge. The caller holds mu.
func (s *State) read(r *ingest.Read) {
	s.seen.ReadSeq = max(s.seen.ReadSeq, r.Seq)
	s.pending++
	dev := s.cfg.Network.Device(r.Device)
	if dev == nil {
		return
	}
	d := s.noteHeard(dev, r.ReceivedAt)
	s.occ.Heard(dev.ID)
	if r.Numbered != nil {
		s.noteNumber(dev, d, *r.Numbered, r.At, r.ReceivedAt)
	}
	tells := r.Reader == nil || r.Live // it was sent at once: its time shows whether the reader's clock is right
	if tells && r.ReceivedAt.Sub(r.At).Abs() > clockLimit {
		s.raiseAlarm(ingest.AlarmClock,
			dev,
			r.ReceivedAt,
			fmt.Sprintf("its clock is off by %s", r.ReceivedAt.Sub(r.At).Round(time.Second)),
		)
	} else if tells {
		s.clearAlarm(ingest.AlarmClock, dev, r.ReceivedAt)
	}
	if r.Reader == nil && d.Online != nil && !*d.Online &&
		!r.ReceivedAt.Before(d.StatusIn) { // it asked for an answer, so it is online
		here := true
		d.Online = &here
		s.occ.SetSilent(dev.ID, false)
	}
}

func (s *State) noteHeard(dev *catalogue.Device, at time.Time) *Device {
	d := s.devices[dev.ID]
	if d == nil {
		d = &Device{}
		s.devices[dev.ID] = d
	}
	if at.After(d.LastSeenAt) {
		d.LastSeenAt = at
	}
	return d
}

func (s *State) noteNumber(dev *catalogue.Device, d *Device, n ingest.Numbered, at, received time.Time) {
	before := d.Numbering.Holes()
	d.Numbering.Note(n.Boot, n.Seq)
	switch after := d.Numbering.Holes(); {
	case after && !before:
		s.raiseAlarm(ingest.AlarmGap, dev, at, "messages are missing")
	case before && !after:
		s.clearAlarm(ingest.AlarmGap, dev, received)
	}
}

// door processes a door's state. States go by their own instants: a late one
// changes nothing that a later one has said.
func (s *State) door(dev *catalogue.Device, d *Device, state string, o *ingest.Observation) {
	if cmp.Or(o.At.Compare(d.DoorAt), bytes.Compare(o.ID[:], d.DoorID[:])) < 0 {
		return
	}
	d.DoorAt, d.DoorID = o.At, o.ID
	for kind, now := range map[ingest.AlarmKind]bool{ingest.AlarmDoorForced: state == "forced",
		ingest.AlarmDoorHeld: state == "held"} {
		if now {
			s.raiseAlarm(kind, dev, o.At, "the door is "+state)
		} else {
			s.clearAlarm(kind, dev, o.ReceivedAt)
		}
	}
}

// status processes a status or a will: the last that arrived counts, whatever
// its own time.
func (s *State) status(dev *catalogue.Device, d *Device, v ingest.Values, o *ingest.Observation) {
	if o.ReceivedAt.Before(d.StatusIn) {
		return
	}
	s.renewed[dev.ID] = true
	at := o.At
	if at.UnixMilli() <= 0 { // a will that a broker had kept: nobody knows from when
		at = o.ReceivedAt
	}
	before, boot := d.Online, d.Boot
	d.StatusIn, d.StatusAt, d.Online = o.ReceivedAt, at, v.Online
	if v.Boot != nil {
		d.Boot = *v.Boot
	}
	s.battery(dev, v.Battery, at, o.ReceivedAt)
	d.Firmware, d.Battery, d.RSSI, d.Uptime = either(v.Firmware, d.Firmware), either(v.Battery, d.Battery), either(v.RSSI,
		d.RSSI,
	), either(v.Uptime, d.Uptime)
	online := v.Online != nil && *v.Online
	if dev.Kind != catalogue.Reader {
		return
	}
	s.lists(dev, d, v, at, online)
	if v.Obeyed != nil && *v.Obeyed != d.Obeyed {
		d.Obeyed, d.ObeyedAt = *v.Obeyed, o.ReceivedAt
	}
	s.occ.Heard(dev.ID)
	s.occ.SetSilent(dev.ID, !online)
	// A reader that reconnects, or has restarted, may have missed messages; one
	// that only repeats its status has not.
	wasAway := before != nil && !*before
	if online && (before == nil || wasAway || d.Boot != boot) && s.cfg.Online != nil {
		s.cfg.Online(dev.ID, wasAway)
	}
}

// lists processes what a reader reports of its allowlist.
func (s *State) lists(dev *catalogue.Device, d *Device, v ingest.Values, at time.Time, online bool) {
	if v.List != nil && (d.List == nil || *d.List != *v.List) {
		d.List, d.ListSince = v.List, at
		if s.cfg.Applied != nil {
			s.cfg.Applied(dev.ID, *v.List)
		}
	}
	if v.Keys != nil {
		d.Keys = *v.Keys
	}
	form := d.Lists
	switch {
	case v.Lists != nil:
		d.Lists = *v.Lists
	case online: // a will does not tell; firmware that does not report it understands form 1
		d.Lists = 0
	}
	if d.Lists != form && s.cfg.Lists != nil {
		s.cfg.Lists(dev.ID, d.Lists)
	}
}

func either[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// raiseAlarm opens an alarm of a device; an alarm that stands is not raised again.
func (s *State) raiseAlarm(kind ingest.AlarmKind, dev *catalogue.Device, at time.Time, detail string) {
	id := string(kind) + "-" + string(dev.ID)
	if s.standing[id] != "" {
		return
	}
	s.open(id, s.alarm(kind, dev, at, detail))
}

func (s *State) open(key string, a ingest.Alarm) {
	s.standing[key] = a.ID
	s.opened[a.ID] = a
	s.alarms[a.ID] = a
}

// clearAlarm ends a device's alarm at the arrival of the message that shows that it
// is over.
func (s *State) clearAlarm(kind ingest.AlarmKind, dev *catalogue.Device, received time.Time) {
	s.close(string(kind)+"-"+string(dev.ID), received)
}

func (s *State) close(key string, at time.Time) {
	id := s.standing[key]
	if id == "" {
		return
	}
	delete(s.standing, key)
	a := s.opened[id]
	delete(s.opened, id)
	if at.Before(a.Since) { // a device's clock may run ahead of ours
		at = a.Since
	}
	a.ClearedAt = &at
	s.alarms[a.ID] = a
}

// alarm returns an alarm whose id names its kind, its device and when it began,
// so that replaying a message after a start gives the same alarm.
func (s *State) alarm(kind ingest.AlarmKind, dev *catalogue.Device, at time.Time, detail string) ingest.Alarm {
	a := ingest.Alarm{
		ID:     fmt.Sprintf("%s-%s-%d", kind, dev.ID, at.UnixMilli()),
		Kind:   kind,
		Site:   dev.Site,
		Device: dev.ID,
		Door:   dev.Door,
		Space:  dev.Space,
		Detail: detail,
		Since:  at,
	}
	if door := s.cfg.Network.Door(dev.Door); door != nil {
		a.Space = door.To
	}
	return a
}

// writeAlarms commits raised and cleared alarms; what fails is tried again.
func (s *State) writeAlarms(ctx context.Context) {
	s.mu.Lock()
	batch := s.alarms
	s.alarms = map[string]ingest.Alarm{}
	s.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	err := s.cfg.Store.Write(ctx, func(tx *ledger.Tx) error {
		for _, a := range batch {
			if err := tx.PutAlarm(a); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		for _, a := range batch {
			s.AlarmChanged(a)
		}
		return
	}
	if ctx.Err() == nil {
		s.cfg.Log.Error("could not write alarms; trying again", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, a := range batch {
		if _, newer := s.alarms[id]; !newer {
			s.alarms[id] = a
		}
	}
}

// save writes a snapshot, so that a start need not replay what it includes.
func (s *State) save(ctx context.Context) {
	s.mu.Lock()
	if s.pending == 0 || len(s.alarms) > 0 { // an alarm that is not written yet must be replayed
		s.mu.Unlock()
		return
	}
	body, err := json.Marshal(
		memory{Devices: s.devices, Occupancy: s.occ.Snapshot(), Opened: s.opened, Standing: s.standing, Topics: s.topics},
	)
	snap := ledger.Snapshot{ObservationSeq: s.seen.ObservationSeq, ReadSeq: s.seen.ReadSeq, Body: body}
	s.pending = 0
	s.mu.Unlock()
	if err == nil {
		err = s.cfg.Store.Write(ctx, func(tx *ledger.Tx) error { return tx.PutSnapshot(snapshotName, snap) })
	}
	if err != nil {
		s.cfg.Log.Error("could not save the live state; a start will replay more", "error", err)
	}
}
