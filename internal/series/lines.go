package series

import (
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/occupancy"
)

// The measurements in InfluxDB. None contains a person. Tags are ids only: a
// space's name and kind may change, and its minutes must not then exist twice.
// A change of these names needs another Generation.
const (
	measureMinute    = "space_minute" // a point for each space and minute
	measureHour      = "space_hour"   // and for each hour
	measureDay       = "space_day"    // and each local day, at its start
	measureInfo      = "space_info"   // description of a space: name, kind, building, floor, capacity, at each change
	measureAir       = "space_air"
	measureDevice    = "device_status"
	measureDecisions = "decisions" // a point for each site and minute in which readers asked
	measureRefusals  = "refusals"  // a point for each door, reason and minute in which it refused
	measureService   = "service"   // Totem itself: its mark, that it has a copy here
	fieldMark        = "copy"
)

// lines writes points in line protocol, to the millisecond.
type lines struct {
	enc     lineprotocol.Encoder
	network *catalogue.Network
	n       int
}

func newLines(n *catalogue.Network) *lines {
	l := &lines{network: n}
	l.enc.SetPrecision(lineprotocol.Millisecond)
	return l
}

// begin starts a point; tags come in pairs, by name.
func (l *lines) begin(measurement string, tags ...string) {
	l.enc.StartLine(measurement)
	for i := 0; i < len(tags); i += 2 {
		if tags[i+1] != "" {
			l.enc.AddTag(tags[i], tags[i+1])
		}
	}
}

func (l *lines) end(t time.Time) {
	l.enc.EndLine(t)
	l.n++
}

func (l *lines) float(name string, x float64) {
	if v, ok := lineprotocol.FloatValue(x); ok {
		l.enc.AddField(name, v)
	}
}

func (l *lines) int(name string, n int64) { l.enc.AddField(name, lineprotocol.IntValue(n)) }

func (l *lines) ms(name string, ms int64) { l.float(name, float64(ms)/1000) }

func (l *lines) space(measurement string, sp *catalogue.Space) {
	l.begin(measurement, "site", string(sp.Site), "space", string(sp.ID))
}

// info writes the description of a space from an instant on.
func (l *lines) info(sp *catalogue.Space, at time.Time) {
	l.space(measureInfo, sp)
	l.text("building", string(sp.Building))
	l.int("capacity", int64(sp.Capacity))
	l.int("floor", int64(sp.Floor))
	l.text("kind", string(sp.Kind))
	l.text("name", sp.Name)
	l.end(at)
}

func (l *lines) text(name, s string) {
	if v, ok := lineprotocol.StringValue(s); ok {
		l.enc.AddField(name, v)
	}
}

// Generation counts the changes of the measurements: an InfluxDB with an older
// one gets everything again, under the new names.
const Generation = 3

// minutes writes a point for each minute of runs that begin at a minute.
func (l *lines) minutes(sp *catalogue.Space, at int64, runs []occupancy.Run) {
	for _, r := range runs {
		for range r.Minutes {
			l.space(measureMinute, sp)
			l.ms("known_seconds", int64(r.Known))
			l.ms("occupied_seconds", int64(r.Occupied))
			l.int("peak", int64(r.Peak))
			l.ms("person_seconds", r.Person)
			l.end(occupancy.MinuteTime(at))
			at++
		}
	}
}

// sum writes the point of an hour or a day.
func (l *lines) sum(measurement string, sp *catalogue.Space, at int64, s *occupancy.Sum) {
	l.space(measurement, sp)
	l.int("capacity", int64(sp.Capacity))
	l.ms("known_open_seconds", s.KnownOpen)
	l.ms("known_seconds", s.Known)
	l.ms("occupied_open_seconds", s.OccupiedOpen)
	l.ms("occupied_seconds", s.Occupied)
	l.ms("open_seconds", s.Open)
	l.int("peak", int64(s.Peak))
	l.ms("person_open_seconds", s.PersonOpen)
	l.ms("person_seconds", s.Person)
	if measurement == measureHour { // in local time, since the Flux of 1.8 knows no time zones
		local := occupancy.MinuteTime(at).In(l.network.Zone.Location())
		l.int("hour", int64(local.Hour()))
		l.int("weekday", int64((local.Weekday()+6)%7)+1) // 1: Monday
	}
	l.end(occupancy.MinuteTime(at))
}

// air adds one air measurement as a row for InfluxDB.
func (l *lines) air(d *catalogue.Device, at time.Time, v *ingest.Values) {
	sp := l.network.Space(d.Space)
	if door := l.network.Door(d.Door); door != nil {
		sp = l.network.Space(door.To)
	}
	if sp == nil {
		return
	}
	l.begin(measureAir, "device", string(d.ID), "site", string(d.Site), "space", string(sp.ID))
	l.optional("co2_ppm", v.CO2)
	l.optional("humidity_pct", v.Humidity)
	l.optional("noise_db", v.Noise)
	l.optional("temperature_c", v.Temperature)
	l.end(at)
}

// device adds one status of a device as a row for InfluxDB.
func (l *lines) device(d *catalogue.Device, at time.Time, v *ingest.Values) {
	if v.Online == nil || at.UnixMilli() <= 0 {
		return
	}
	l.begin(measureDevice, "device", string(d.ID), "site", string(d.Site))
	l.optional("battery_pct", v.Battery)
	online := int64(0)
	if *v.Online {
		online = 1
	}
	l.int("online", online)
	l.optional("rssi_dbm", v.RSSI)
	l.optional("uptime_s", v.Uptime)
	l.end(at)
}

func (l *lines) optional(name string, x *float64) {
	if x != nil {
		l.float(name, *x)
	}
}
