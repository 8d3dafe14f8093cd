package foreign

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/occupancy"
	"github.com/lorntech/totem/internal/wire"
)

// The settings of LoRaWAN devices: what their payloads do not say.
const (
	settingIn       = "in"       // the counter of people who come in: a or b; "out" exchanges in and out
	settingLine     = "line"     // which line of a counter with several
	settingRegion   = "region"   // which region of a camera
	settingOccupied = "occupied" // which numbers mean occupied, as "1,2"
)

func loraSettings() []string {
	return []string{settingIn, settingLine, settingRegion, settingOccupied}
}

// loraReadings reads what a codec made from a frame: the frame's own values,
// then late ones from its history. It returns errors about a setting only where
// the device's kind needs that setting.
func loraReadings(d *catalogue.Device, o loose, head Reading) ([]Reading, error) {
	r := head
	air := o.air(d)
	r.Air = wire.AirBody{
		CO2:         air.number("co2"),
		Temperature: air.number("temperature"),
		Humidity:    air.number("humidity"),
		Noise:       air.number("LAeq"),
	}
	if !browan(o) { // its battery is in volts
		r.Battery = o.secondary().percent("battery")
	}
	switch d.Kind {
	case catalogue.DoorContact:
		r.Door = loraDoor(o)
	case catalogue.Occupancy, catalogue.Desk:
		r.Occupied = loraOccupied(d, o)
	case catalogue.PeopleCounter:
		r.Count = loraCount(d, o)
	case catalogue.FlowCounter:
		loraFlow(d, o, &r)
	}
	out := []Reading{r}
	if r.Totals == nil { // totals: their difference includes what was lost
		out = append(out, loraHistory(d, o, head)...)
	}
	return out, *o.err
}

// loraDoor reads a door or window contact.
func loraDoor(o loose) wire.DoorState {
	open := (*bool)(nil)
	for _, key := range []string{"magnet_status", "door"} {
		if said := o.yesNoWord(key, []string{"open"}, []string{"close", "closed"}); said != nil {
			open = said
		}
	}
	if open == nil && browan(o) { // a TBDW100: 1 is open, and a zero is left out
		open = new(orZero(o.total("status")) == 1)
	}
	switch {
	case open == nil:
		return ""
	case *open:
		return wire.DoorOpen
	}
	return wire.DoorClosed
}

// browan reports whether a frame comes from a TBMS100 (motion) or a TBDW100
// (door): it contains the minutes since its last trigger.
func browan(o loose) bool { return o.has("time") && o.any("status", "count") }

// loraOccupied reads whether a sensor sees somebody; nil where it says nothing.
func loraOccupied(d *catalogue.Device, o loose) *bool {
	if region := d.Settings[settingRegion]; region != "" {
		return loraRegion(o, region)
	}
	if v := o.fields["occupancy"]; v != nil {
		switch v.(type) {
		case string: // both words would be true as flags
			return o.yesNoWord("occupancy", []string{"occupied"}, []string{"vacant"})
		case bool:
			return o.flag("occupancy")
		}
		return numbersMean(d, o, "occupancy")
	}
	if o.has("pir") {
		return o.yesNoWord("pir", []string{"trigger"}, []string{"normal", "idle"})
	}
	if browan(o) {
		return new(orZero(o.total("status")) == 1) // a zero is left out
	}
	if d.Adapter == adapterTTN && d.Settings[settingOccupied] != "" &&
		o.any("motion", "light", "vdd", "co2", "temperature", "humidity") {
		return new(meansOccupied(d, 0)) // an Elsys whose 0 is left out
	}
	return nil
}

// numbersMean reads a number whose meaning, occupied or not, is in the
// catalogue.
func numbersMean(d *catalogue.Device, o loose, key string) *bool {
	n := o.total(key)
	if n == nil {
		return nil
	}
	if d.Settings[settingOccupied] == "" {
		o.needs(key, settingOccupied, "needs the setting occupied, which lists the numbers that mean occupied")
		return nil
	}
	return new(meansOccupied(d, *n))
}

func meansOccupied(d *catalogue.Device, n uint64) bool {
	words := strings.Split(d.Settings[settingOccupied], ",")
	return slices.ContainsFunc(words, func(w string) bool { return strings.TrimSpace(w) == uintText(n) })
}

// loraRegion reads a VS121's flag of one region; a zero is left out where the
// frame tells how many regions there are.
func loraRegion(o loose, region string) *bool {
	key := "region_" + region
	n, err := strconv.Atoi(region)
	if o.has(key) {
		return new(orZero(o.total(key)) > 0)
	}
	if err == nil && o.has("region_count") && n <= orZero(o.count("region_count")) {
		return new(false)
	}
	return nil
}

// loraCount reads how many people are there now.
func loraCount(d *catalogue.Device, o loose) *int {
	for _, key := range []string{"people_count_all", "people_total_counts"} {
		if n := o.count(key); n != nil {
			return n
		}
	}
	if o.any("region_count", "detection_status") { // it comes together with people_count_all, whose zero is left out
		return new(0)
	}
	if key, ok := numbered(d, o, settingRegion, regionCount); ok {
		return o.count(key)
	}
	if d.Settings[settingRegion] != "" && slices.ContainsFunc(slices.Collect(maps.Keys(o.fields)), regionKey.MatchString) {
		return new(0) // the frame lists regions, and this one's zero is left out
	}
	return nil
}

var (
	regionCount = regexp.MustCompile(`^region_(\d+)_count$`)
	regionKey   = regexp.MustCompile(`^region_\d+_(count|avg_dwell)$`)
)

// loraFlow reads who passed since the last frame, and lifetime totals where the
// frame has them.
func loraFlow(d *catalogue.Device, o loose, r *Reading) {
	switch {
	case o.any("counter_a", "counter_b", "total_counter_a", "total_counter_b"):
		imbuildings(d, o, r)
		return
	case o.any("people_in", "people_out"):
		r.In, r.Out = zeroed(o.count("people_in")), zeroed(o.count("people_out"))
	case o.any("period_in", "period_out", "total_in", "total_out"):
		if o.any("period_in", "period_out") {
			r.In, r.Out = zeroed(o.count("period_in")), zeroed(o.count("period_out"))
		}
		if o.any("total_in", "total_out") {
			r.Totals = totals(o, "total_in", "total_out")
		}
	default:
		if o.any("people_count_all", "people_count_max", "region_count") { // a VS121 whose zeros are left out
			r.In, r.Out = new(0), new(0)
			return
		}
		key, ok := numbered(d, o, settingLine, regexp.MustCompile(`^line_(\d+)_(?:total|period)_(?:in|out)$`))
		if !ok {
			return
		}
		line := key[:strings.LastIndexByte(key[:strings.LastIndexByte(key, '_')], '_')+1]
		if o.any(line+"period_in", line+"period_out") {
			r.In, r.Out = zeroed(o.count(line+"period_in")), zeroed(o.count(line+"period_out"))
		}
		if o.any(line+"total_in", line+"total_out") {
			r.Totals = totals(o, line+"total_in", line+"total_out")
		}
	}
	if d.Settings[settingIn] == "out" {
		r.swap()
	}
}

func zeroed(n *int) *int { return new(orZero(n)) }

func totals(o loose, in, out string) *occupancy.Totals {
	return &occupancy.Totals{In: orZero(o.total(in)), Out: orZero(o.total(out))}
}

// swap exchanges in and out, for a counter that hangs the other way round.
func (r *Reading) swap() {
	r.In, r.Out = r.Out, r.In
	if t := r.Totals; t != nil {
		r.Totals = &occupancy.Totals{In: t.Out, Out: t.In}
	}
}

// imbuildings reads a counter with two counts, a and b. The setting in says which of
// them counts people who come in.
func imbuildings(d *catalogue.Device, o loose, r *Reading) {
	if n := o.total("payload_counter"); n != nil {
		r.Numbering = new(uint8(*n))
	}
	in := d.Settings[settingIn]
	if in != "a" && in != "b" {
		o.needs("counter_a", settingIn, "needs the setting in: a or b, whichever counts people who come in")
		return
	}
	if o.any("counter_a", "counter_b") {
		r.In, r.Out = zeroed(o.count("counter_a")), zeroed(o.count("counter_b"))
	}
	if o.any("total_counter_a", "total_counter_b") {
		r.Totals = totals(o, "total_counter_a", "total_counter_b")
	}
	if in == "b" {
		r.swap()
	}
}

// numbered returns the key of the numbered part that a setting names; without
// the setting there must be only one.
func numbered(d *catalogue.Device, o loose, setting string, pattern *regexp.Regexp) (key string, ok bool) {
	want := d.Settings[setting]
	found := map[string]string{}
	for k := range o.fields {
		if m := pattern.FindStringSubmatch(k); m != nil && o.has(k) {
			found[m[1]] = k
		}
	}
	if want != "" {
		key, ok = found[want]
		return key, ok
	}
	if len(found) > 1 {
		o.needs(setting+"_…", setting, fmt.Sprintf("has %d: choose one with the setting %s", len(found), setting))
		return "", false
	}
	for _, k := range found {
		return k, true
	}
	return "", false
}

// loraHistory reads late values that a device kept while it had no connection,
// each with its own instant. Their keys contain only that instant, because the
// device sends them again.
func loraHistory(d *catalogue.Device, o loose, head Reading) []Reading {
	var out []Reading
	for _, h := range o.objects("history") {
		r := Reading{At: h.seconds("timestamp")}
		if r.At.IsZero() {
			h.fail("timestamp", "is missing")
			continue
		}
		r.Key, r.History = "history "+strconv.FormatInt(r.At.Unix(), 10), true
		switch d.Kind {
		case catalogue.Occupancy, catalogue.Desk:
			r.Occupied = loraOccupied(d, h)
		case catalogue.PeopleCounter:
			r.Count = loraCount(d, h)
		case catalogue.FlowCounter:
			if h.any("period_in", "period_out") {
				r.In, r.Out = zeroed(h.count("period_in")), zeroed(h.count("period_out"))
				if d.Settings[settingIn] == "out" {
					r.swap()
				}
			}
		}
		out = append(out, r)
	}
	return out
}

func uintText(n uint64) string { return strconv.FormatUint(n, 10) }
