package live

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/occupancy"
)

// When a device or a space needs attention.
const (
	// batteryLow raises the alarm, batteryWell clears it: reported levels
	// fluctuate.
	batteryLow, batteryWell = 15.0, 20.0
	// stuckAfter is how long a sensor may report the same value while occupied
	// (docs/devices.md, trap 8).
	stuckAfter = 24 * time.Hour
	// silentHolds is after how many holds without a message a sensor is silent:
	// one lost message does not count.
	silentHolds = 2
	// crowded, in tenths of the capacity, is more people than a space can hold.
	crowded = 15
)

// value tracks how long a sensor has reported the same value, known and without
// a break.
func (s *State) value(dev *catalogue.Device, d *Device, said occupancy.Said, received time.Time) {
	if said.At.Before(d.ValueAt) {
		if said.Value != d.Value && !said.At.Before(d.ValueSince) { // a late message may show that there was a break
			d.ValueSince = said.At.Add(time.Millisecond)
			s.stuck(dev, d, received)
		}
		return
	}
	timing := occupancy.TimingOf(dev)
	holds := timing.Hold
	if timing.OffDelay > 0 {
		holds = min(holds, timing.OffDelay)
	}
	if said.Value != d.Value || d.ValueSince.IsZero() || said.At.Sub(d.ValueAt) > holds {
		d.Value, d.ValueSince = said.Value, said.At
	}
	d.ValueAt = said.At
	s.stuck(dev, d, received)
}

func (s *State) stuck(dev *catalogue.Device, d *Device, received time.Time) {
	if d.Value > 0 && d.ValueAt.Sub(d.ValueSince) >= stuckAfter {
		s.raiseAlarm(ingest.AlarmStuck,
			dev,
			d.ValueSince.Add(stuckAfter),
			"it has reported the same for a day, while occupied",
		)
	} else {
		s.clearAlarm(ingest.AlarmStuck, dev, received)
	}
}

// battery raises and clears the alarm of a low battery.
func (s *State) battery(dev *catalogue.Device, percent *float64, at, received time.Time) {
	switch {
	case percent == nil:
	case *percent < batteryLow:
		s.raiseAlarm(ingest.AlarmBatteryLow, dev, at, fmt.Sprintf("its battery is at %.0f %%", *percent))
	case *percent >= batteryWell:
		s.clearAlarm(ingest.AlarmBatteryLow, dev, received)
	}
}

// wrapping returns the numbering of devices that count to 255 and begin again;
// they have no boot of their own.
func wrapping() uuid.UUID {
	return uuid.UUID{0x3b, 0x7c, 0x8f, 0x5e, 0x2f, 0x6d, 0x5a, 0x54, 0x9a, 0x57, 0x0c, 0x4f, 0x6b, 0x1f, 0x9e, 0x01}
}

// counter processes a number that wraps: less than half a turn ahead is new,
// the rest is late.
func (s *State) counter(dev *catalogue.Device, d *Device, n uint8, at, received time.Time) {
	next := uint64(n)
	if d.Wrapped != nil {
		ahead := uint64(n-uint8(*d.Wrapped)) & 0xff
		next = *d.Wrapped + ahead
		if ahead >= 128 {
			if next < 256 {
				return // from before the first message
			}
			next -= 256
		}
	}
	if d.Wrapped == nil || next > *d.Wrapped {
		d.Wrapped = &next
	}
	s.noteNumber(dev, d, ingest.Numbered{Boot: wrapping(), Seq: next}, at, received)
}

// watch raises alarms that only the clock can raise: devices that have gone
// silent.
func (s *State) watch(now time.Time) {
	for id, d := range s.devices {
		dev := s.cfg.Network.Device(id)
		if dev == nil {
			continue
		}
		if at, silent := d.silent(dev, now); silent {
			s.raiseAlarm(ingest.AlarmSilent, dev, at, "it has sent nothing")
		} else {
			s.clearAlarm(ingest.AlarmSilent, dev, d.LastSeenAt)
		}
	}
}

// silent returns since when a device is silent. A device that reported offline
// is silent until its next message. A sensor is also silent after two hold
// times without one. Doors may rest for days: readers and contacts are silent
// by their status alone.
func (d *Device) silent(dev *catalogue.Device, now time.Time) (time.Time, bool) {
	if d.Online != nil && !*d.Online && !d.LastSeenAt.After(d.StatusIn) {
		return d.StatusIn, true
	}
	if dev.Kind.OnDoor() || dev.Kind == catalogue.Gateway {
		return time.Time{}, false
	}
	end := d.LastSeenAt.Add(silentHolds * occupancy.TimingOf(dev).Hold)
	return end, !d.LastSeenAt.IsZero() && !now.Before(end)
}

// checkCrowd raises an alarm where more people are counted in a space than it can
// hold.
func (s *State) checkCrowd(changed []occupancy.SpaceAvailability, now time.Time) {
	for _, a := range changed {
		key := string(ingest.AlarmImplausible) + "-" + string(a.Space)
		over := a.Count != nil && a.Capacity > 0 && *a.Count*10 > a.Capacity*crowded
		switch {
		case over && s.standing[key] == "":
			s.open(key, ingest.Alarm{
				ID: fmt.Sprintf("%s-%d", key, now.UnixMilli()), Kind: ingest.AlarmImplausible, Site: a.Site, Space: a.Space,
				Detail: fmt.Sprintf("%d people are counted where %d have room", *a.Count, a.Capacity), Since: now,
			})
		case !over:
			s.close(key, now)
		}
	}
}

// ServiceAlarm raises or clears an alarm of the service itself: it has no
// device.
func (s *State) ServiceAlarm(kind ingest.AlarmKind, on bool, detail string) {
	s.found(string(kind)+"-service", on, ingest.Alarm{Kind: kind, Detail: detail})
}

// DeviceAlarm raises or clears an alarm that the service finds about a device.
func (s *State) DeviceAlarm(kind ingest.AlarmKind, dev *catalogue.Device, on bool, detail string) {
	s.found(
		string(kind)+"-"+string(dev.ID),
		on,
		ingest.Alarm{Kind: kind, Site: dev.Site, Device: dev.ID, Door: dev.Door, Detail: detail},
	)
}

func (s *State) found(key string, on bool, a ingest.Alarm) {
	now := s.cfg.Now().UTC().Truncate(time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !on:
		s.close(key, now)
	case s.standing[key] == "":
		a.ID, a.Since = fmt.Sprintf("%s-%d", key, now.UnixMilli()), now
		s.open(key, a)
	}
}

// closeGone closes the alarms of devices and spaces that are no longer in the
// catalogue: nothing would ever clear them.
func (s *State) closeGone(ctx context.Context) error {
	gone := func(a *ingest.Alarm) bool {
		n := s.cfg.Network
		return a.Device != "" && n.Device(a.Device) == nil || a.Device == "" && a.Space != "" && n.Space(a.Space) == nil ||
			a.Door != "" && n.Door(a.Door) == nil
	}
	now := s.cfg.Now().UTC()
	f := ledger.AlarmFilter{OpenOnly: true, Limit: 1000}
	for {
		list, err := s.cfg.Store.Alarms(ctx, f)
		if err != nil {
			return err
		}
		for _, a := range list {
			f.AfterSince, f.AfterID = a.Since, a.ID
			spelled := a.Kind == ingest.AlarmCardSpelling && s.cfg.Network.Device(a.Device) != nil &&
				s.cfg.Network.Device(a.Device).Settings["card"] != ""
			if !gone(&a) && !spelled {
				continue
			}
			if cleared := now; cleared.Before(a.Since) {
				a.ClearedAt = &a.Since
			} else {
				a.ClearedAt = &cleared
			}
			if spelled {
				a.Detail += " (closed: card is now set in the catalogue)"
			} else {
				a.Detail += " (closed: it has left the catalogue)"
			}
			s.alarms[a.ID] = a
			delete(s.opened, a.ID)
			maps.DeleteFunc(s.standing, func(_, id string) bool { return id == a.ID })
		}
		if len(list) < f.Limit {
			return nil
		}
	}
}
