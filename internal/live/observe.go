package live

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/wire"
)

// observe takes in one sensor, door or status message. The caller holds mu.
func (s *State) observe(o *ingest.Observation, v ingest.Values) {
	s.seen.ObservationSeq = max(s.seen.ObservationSeq, o.Seq)
	s.pending++
	dev := s.cfg.Network.Device(o.Device)
	if dev == nil {
		return // the catalogue has changed since
	}
	d := s.hear(dev, o.ReceivedAt)
	if v.Seq != nil && v.Boot != nil {
		s.number(dev, d, ingest.Numbered{Boot: *v.Boot, Seq: *v.Seq}, o.At)
	}
	if v.Counter != nil {
		s.counter(dev, d, *v.Counter, o.At)
	}
	switch o.What {
	case wire.Count, wire.Occupancy:
		if said, ok := v.Value(o.At, o.ID); ok {
			s.occ.SetValue(dev.ID, said)
			s.value(dev, d, said)
		}
	case wire.Flow:
		if s.occ.AddFlow(dev.ID, v.Flow(o.At, o.ID)) {
			s.raise(ingest.AlarmCounterReset, dev, o.At, "its totals went back or leapt: nobody is counted for the time between")
		} else {
			s.clear(ingest.AlarmCounterReset, dev, o.At)
		}
	case wire.Door:
		s.door(dev, v.State, o.At)
	case wire.Status:
		s.status(dev, d, v, o.At)
	}
}

// read takes in one badge. The caller holds mu.
func (s *State) read(r *ingest.Read) {
	s.seen.ReadSeq = max(s.seen.ReadSeq, r.Seq)
	s.pending++
	dev := s.cfg.Network.Device(r.Device)
	if dev == nil {
		return
	}
	d := s.hear(dev, r.ReceivedAt)
	s.occ.Heard(dev.ID)
	if r.Numbered != nil {
		s.number(dev, d, *r.Numbered, r.At)
	}
	if r.Reader == nil && r.ReceivedAt.Sub(r.At).Abs() > clockLimit {
		s.raise(ingest.AlarmClock, dev, r.ReceivedAt, fmt.Sprintf("its clock is off by %s", r.ReceivedAt.Sub(r.At).Round(time.Second)))
	} else if r.Reader == nil {
		s.clear(ingest.AlarmClock, dev, r.ReceivedAt)
	}
	if r.Reader == nil && d.Online != nil && !*d.Online && r.At.After(d.StatusAt) { // it asked: it is there
		here := true
		d.Online = &here
		s.occ.SetSilent(dev.ID, false)
	}
}

func (s *State) hear(dev *catalogue.Device, at time.Time) *Device {
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

func (s *State) number(dev *catalogue.Device, d *Device, n ingest.Numbered, at time.Time) {
	before := d.Numbering.Holes()
	d.Numbering.Note(n.Boot, n.Seq)
	switch after := d.Numbering.Holes(); {
	case after && !before:
		s.raise(ingest.AlarmGap, dev, at, "messages are missing")
	case before && !after:
		s.clear(ingest.AlarmGap, dev, at)
	}
}

func (s *State) door(dev *catalogue.Device, state string, at time.Time) {
	for kind, now := range map[ingest.AlarmKind]bool{ingest.AlarmDoorForced: state == "forced", ingest.AlarmDoorHeld: state == "held"} {
		if now {
			s.raise(kind, dev, at, "the door is "+state)
		} else {
			s.clear(kind, dev, at)
		}
	}
}

func (s *State) status(dev *catalogue.Device, d *Device, v ingest.Values, at time.Time) {
	if at.Before(d.StatusAt) {
		return
	}
	d.StatusAt, d.Online = at, v.Online
	s.battery(dev, v.Battery, at)
	d.Firmware, d.Battery, d.RSSI, d.Uptime = either(v.Firmware, d.Firmware), either(v.Battery, d.Battery), either(v.RSSI, d.RSSI), either(v.Uptime, d.Uptime)
	if v.List != nil && (d.List == nil || *d.List != *v.List) {
		d.List, d.ListSince = v.List, at
		if s.cfg.Applied != nil {
			s.cfg.Applied(dev.ID, *v.List)
		}
	}
	online := v.Online != nil && *v.Online
	if dev.Kind == catalogue.Reader {
		s.occ.Heard(dev.ID)
		s.occ.SetSilent(dev.ID, !online)
		if online && s.cfg.Online != nil {
			s.cfg.Online(dev.ID)
		}
	}
}

func either[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// raise opens an alarm of a device; an alarm that stands is not raised again.
func (s *State) raise(kind ingest.AlarmKind, dev *catalogue.Device, at time.Time, detail string) {
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

func (s *State) clear(kind ingest.AlarmKind, dev *catalogue.Device, at time.Time) {
	s.close(string(kind)+"-"+string(dev.ID), at)
}

func (s *State) close(key string, at time.Time) {
	id := s.standing[key]
	if id == "" {
		return
	}
	delete(s.standing, key)
	a := s.opened[id]
	delete(s.opened, id)
	a.ClearedAt = &at
	s.alarms[a.ID] = a
}

// alarm makes an alarm whose id names its kind, its device and when it began,
// so that replaying a message after a start makes the same alarm.
func (s *State) alarm(kind ingest.AlarmKind, dev *catalogue.Device, at time.Time, detail string) ingest.Alarm {
	a := ingest.Alarm{
		ID: fmt.Sprintf("%s-%s-%d", kind, dev.ID, at.UnixMilli()), Kind: kind, Site: dev.Site, Device: dev.ID, Door: dev.Door, Space: dev.Space,
		Detail: detail, Since: at,
	}
	if door := s.cfg.Network.Door(dev.Door); door != nil {
		a.Space = door.To
	}
	return a
}

// writeAlarms commits what was raised and cleared; what fails is tried again.
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
		return
	}
	s.cfg.Log.Error("alarms not written; trying again", "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, a := range batch {
		if _, newer := s.alarms[id]; !newer {
			s.alarms[id] = a
		}
	}
}

// save writes a snapshot, so that a start need not replay what is in it.
func (s *State) save(ctx context.Context) {
	s.mu.Lock()
	if s.pending == 0 || len(s.alarms) > 0 { // an alarm not yet written must be replayed
		s.mu.Unlock()
		return
	}
	body, err := json.Marshal(memory{Devices: s.devices, Occupancy: s.occ.Snapshot(), Opened: s.opened, Standing: s.standing})
	snap := ledger.Snapshot{ObservationSeq: s.seen.ObservationSeq, ReadSeq: s.seen.ReadSeq, Body: body}
	s.pending = 0
	s.mu.Unlock()
	if err == nil {
		err = s.cfg.Store.Write(ctx, func(tx *ledger.Tx) error { return tx.PutSnapshot(snapshotName, snap) })
	}
	if err != nil {
		s.cfg.Log.Error("live state not saved; a start will replay more", "error", err)
	}
}
