package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/firmware-sim/life"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/wire"
)

// Sent is one message and when its device sends it. A badge keeps who passes,
// so that a live reader can ask for a decision.
type Sent struct {
	At      time.Time
	Message *wire.Message
	Step    *life.Step // set for a badge
}

// Intervals between messages. Sensors send an unchanged value again before the time is over for which a value is held.
// doorShuts is how long a door stays open.
const (
	counterAgain = 25 * time.Minute
	sensorAgain  = 50 * time.Minute
	airEvery     = 30 * time.Minute
	flowEvery    = 10 * time.Minute
	doorShuts    = 6 * time.Second
	statusEvery  = 6 * time.Hour
)

// namespace is the UUID namespace of the simulator's message ids: the same seed
// makes the same ids.
var namespace = uuid.MustParse("4f5d3c1e-2b7a-5e0c-8d41-9a3c5f6e7b21")

// devices makes the messages of the network's devices from what people do.
type devices struct {
	network *catalogue.Network
	town    *life.Town
	seed    uint64
	seq     map[catalogue.DeviceID]uint64
	readers map[catalogue.DoorID]map[catalogue.Direction]catalogue.DeviceID
	contact map[catalogue.DoorID]catalogue.DeviceID
	dead    map[catalogue.DeviceID]bool
}

func newDevices(n *catalogue.Network, town *life.Town, seed uint64, dead int) *devices {
	d := &devices{
		network: n,
		town:    town,
		seed:    seed,
		seq:     map[catalogue.DeviceID]uint64{},
		contact: map[catalogue.DoorID]catalogue.DeviceID{},
		readers: map[catalogue.DoorID]map[catalogue.Direction]catalogue.DeviceID{},
		dead:    map[catalogue.DeviceID]bool{},
	}
	var sensors []catalogue.DeviceID
	for _, dev := range n.Devices {
		switch {
		case dev.Kind == catalogue.Reader:
			if d.readers[dev.Door] == nil {
				d.readers[dev.Door] = map[catalogue.Direction]catalogue.DeviceID{}
			}
			d.readers[dev.Door][dev.Direction] = dev.ID
		case dev.Kind == catalogue.DoorContact:
			d.contact[dev.Door] = dev.ID
		case dev.Kind != catalogue.Gateway:
			sensors = append(sensors, dev.ID)
		}
	}
	rng := rand.New(rand.NewPCG(seed, 0xdead))
	rng.Shuffle(len(sensors), func(i, j int) { sensors[i], sensors[j] = sensors[j], sensors[i] })
	for _, id := range sensors[:min(dead, len(sensors))] {
		d.dead[id] = true
	}
	return d
}

// boot returns the boot id that a device has had since the beginning of time,
// derived from the seed.
func (d *devices) boot(id catalogue.DeviceID) uuid.UUID {
	return uuid.NewSHA1(namespace, []byte("boot|"+string(id)+"|"+time.Duration(d.seed).String()))
}

// day returns all messages of one local day, in order of time.
func (d *devices) day(day catalogue.Day) ([]Sent, []life.Stay) {
	steps, stays := d.town.Day(day)
	var out []Sent
	for i := range steps {
		out = append(out, d.passage(&steps[i])...)
	}
	out = append(out, d.sensors(day, steps)...)
	out = append(out, d.statuses(day)...)
	slices.SortStableFunc(out, func(a, b Sent) int { return a.At.Compare(b.At) })
	for i := range out { // numbers follow the order of sending
		m := out[i].Message
		dev := m.Topic.Device
		d.seq[dev]++
		m.HasSeq, m.Seq, m.Boot = true, d.seq[dev], d.boot(dev)
		m.ID = uuid.NewSHA1(m.Boot, []byte{byte(m.Seq), byte(m.Seq >> 8), byte(m.Seq >> 16), byte(m.Seq >> 24)})
	}
	return out, stays
}

// forgotten is the share of batteries that nobody has changed for long.
const forgotten = 0.05

// statuses returns the status messages of every device. Batteries run down over
// half a year, from a level that the seed decides.
func (d *devices) statuses(day catalogue.Day) []Sent {
	var out []Sent
	for i := range d.network.Devices {
		dev := &d.network.Devices[i]
		if d.dead[dev.ID] || dev.Kind == catalogue.Gateway {
			continue
		}
		rng := rand.New(rand.NewPCG(d.seed, uint64(i)))
		first, luck, radio := time.Duration(rng.Int64N(int64(statusEvery))), rng.Float64(), -60-rng.Float64()*45
		left := 70 + 30*luck // the technician changes batteries in time
		if luck < forgotten {
			left = 20
		}
		since := d.network.Zone.Start(day - catalogue.Day(1+rng.IntN(90)))
		for at := d.network.Zone.Start(day).Add(first); at.Before(d.network.Zone.Start(day + 1)); at = at.Add(statusEvery) {
			uptime := at.Sub(since).Seconds()
			m := d.message(dev.ID, wire.Status, at)
			m.Status = &wire.StatusBody{Online: true, RSSI: &radio, Uptime: &uptime}
			if dev.Kind != catalogue.Reader {
				battery := max(1, left-uptime/86400/180*100)
				m.Status.Battery = &battery
			}
			out = append(out, Sent{At: m.At, Message: m})
		}
	}
	return out
}

func (d *devices) message(dev catalogue.DeviceID, w wire.What, at time.Time) *wire.Message {
	return &wire.Message{
		Topic: wire.Topic{Site: d.network.Device(dev).Site, Device: dev, What: w},
		At:    at.UTC().Truncate(time.Millisecond),
	}
}

// passage returns the messages of a door's devices for one step.
func (d *devices) passage(s *life.Step) []Sent {
	var out []Sent
	if id := d.readers[s.Door][s.Direction]; s.Badged && id != "" {
		m := d.message(id, wire.Badge, s.At)
		m.Badge = &wire.BadgeBody{
			Credential: wire.Credential{Bytes: s.UID},
			Offline:    &wire.Offline{Granted: s.Granted, Reason: string(s.Reason), List: "history"},
		}
		out = append(out, Sent{s.At, m, s})
	}
	if id := d.contact[s.Door]; s.Granted && id != "" {
		for i, state := range []wire.DoorState{wire.DoorOpen, wire.DoorClosed} {
			m := d.message(id, wire.Door, s.At.Add(time.Second+time.Duration(i)*doorShuts))
			m.Door = state
			out = append(out, Sent{At: m.At, Message: m})
		}
	}
	return out
}

// sensors returns the messages of all sensors, computed minute by minute.
func (d *devices) sensors(day catalogue.Day, steps []life.Step) []Sent {
	w := watch{
		d:      d,
		inside: d.town.Midnight(day),
		last:   map[catalogue.DeviceID]said{},
		flow:   map[catalogue.DeviceID][2]int{},
		rng:    rand.New(rand.NewPCG(d.seed, uint64(day))),
	}
	i := 0
	start, end := d.network.Zone.Start(day), d.network.Zone.Start(day+1)
	for at := start; at.Before(end); at = at.Add(time.Minute) {
		for ; i < len(steps) && steps[i].At.Before(at); i++ {
			w.step(&steps[i])
		}
		w.sendChanges(at, at.Equal(start))
	}
	return w.out
}

// watch is the state of the sensors during a day.
type watch struct {
	d      *devices
	inside map[catalogue.SpaceID]int
	last   map[catalogue.DeviceID]said
	flow   map[catalogue.DeviceID][2]int
	rng    *rand.Rand
	out    []Sent
}

type said struct {
	at    time.Time
	value int
}

func (w *watch) step(s *life.Step) {
	w.inside[s.From]--
	w.inside[s.To]++
	for _, dev := range w.d.network.Devices {
		if dev.Kind != catalogue.FlowCounter || s.From == s.To {
			continue
		}
		f := w.flow[dev.ID]
		if s.To == dev.Space {
			f[0]++
		}
		if s.From == dev.Space {
			f[1]++
		}
		w.flow[dev.ID] = f
	}
}

// sendChanges lets every sensor send whose value has changed or is due.
func (w *watch) sendChanges(at time.Time, first bool) {
	desk := map[catalogue.SpaceID]int{}
	for i := range w.d.network.Devices {
		dev := &w.d.network.Devices[i]
		count := w.inside[dev.Space]
		if dev.Kind == catalogue.Desk {
			desk[dev.Space]++
		}
		if w.d.dead[dev.ID] {
			continue
		}
		switch dev.Kind {
		case catalogue.PeopleCounter:
			w.sendValue(dev, at, wire.Count, max(0, count), counterAgain)
		case catalogue.Occupancy:
			w.sendValue(dev, at, wire.Occupancy, min(1, max(0, count)), sensorAgain)
		case catalogue.Desk:
			taken := 0
			if count >= desk[dev.Space] {
				taken = 1
			}
			w.sendValue(dev, at, wire.Occupancy, taken, sensorAgain)
		case catalogue.FlowCounter:
			w.flowed(dev, at, first)
		case catalogue.Air:
			w.air(dev, at, count)
		}
	}
}

// sendValue sends a value that changed, or that was not sent for a while.
func (w *watch) sendValue(dev *catalogue.Device, at time.Time, what wire.What, value int, again time.Duration) {
	last, before := w.last[dev.ID]
	if before && last.value == value && at.Sub(last.at) < again {
		return
	}
	w.last[dev.ID] = said{at, value}
	m := w.d.message(dev.ID, what, at)
	m.Count, m.Occupied = value, value > 0
	if what == wire.Count {
		m.Occupied = false
	} else {
		m.Count = 0
	}
	w.out = append(w.out, Sent{At: at, Message: m})
}

func (w *watch) flowed(dev *catalogue.Device, at time.Time, first bool) {
	f := w.flow[dev.ID]
	last, before := w.last[dev.ID]
	if !first && (f == [2]int{} || at.Sub(last.at) < flowEvery) && (before && at.Sub(last.at) < sensorAgain) {
		return
	}
	m := w.d.message(dev.ID, wire.Flow, at)
	m.In, m.Out = f[0], f[1]
	w.flow[dev.ID] = [2]int{}
	w.last[dev.ID] = said{at: at}
	w.out = append(w.out, Sent{At: at, Message: m})
}

// air computes a room's CO₂ from the people in it: what they breathe out stays
// a while.
func (w *watch) air(dev *catalogue.Device, at time.Time, count int) {
	last, before := w.last[dev.ID]
	if before && at.Sub(last.at) < airEvery {
		return
	}
	const fresh = 420.0
	area := w.d.network.Space(dev.Space).AreaM2
	level := fresh + float64(max(0, count))*1200/max(10, area)*4
	stale := float64(last.value)
	if !before {
		stale = fresh
	}
	co2 := float64(int(0.4*stale + 0.6*level + w.rng.Float64()*10))
	w.last[dev.ID] = said{at, int(co2)}
	temperature := float64(int(10*(20+min(4, float64(count)*0.05)+w.rng.Float64()*0.4))) / 10
	humidity := float64(int(38 + w.rng.Float64()*6))
	m := w.d.message(dev.ID, wire.Air, at)
	m.Air = &wire.AirBody{CO2: &co2, Temperature: &temperature, Humidity: &humidity}
	w.out = append(w.out, Sent{At: at, Message: m})
}
