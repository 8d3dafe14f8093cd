package occupancy

import "time"

// MinuteMS is a minute in milliseconds.
const MinuteMS = 60_000

// Minute is the series' value for one space and minute (rules 9.4).
type Minute struct {
	Known    int32 // ms of the minute in which the state was known
	Occupied int32 // ms in which the space was occupied
	Person   int64 // person-milliseconds
	Peak     int32 // most people at once
}

// Run is a minute's values that are the same for so many consecutive minutes.
type Run struct {
	Minutes int
	Minute
}

// MinuteOf returns the number of the minute, since 1970, in which t lies.
func MinuteOf(t time.Time) int64 { return floorDiv(t.UnixMilli(), MinuteMS) }

// MinuteAfter returns the number of the first minute that begins at t or later.
func MinuteAfter(t time.Time) int64 { return -floorDiv(-t.UnixMilli(), MinuteMS) }

// MinuteTime returns when a minute begins.
func MinuteTime(minute int64) time.Time { return time.UnixMilli(minute * MinuteMS).UTC() }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Minutes integrates the evidence over the minutes [from, to).
func (e *Evidence) Minutes(from, to int64) []Run {
	m := minutes{at: from * MinuteMS}
	end := to * MinuteMS
	state := step{at: -endOfTime}
	for _, s := range e.steps() {
		m.addUntil(state, min(s.at, end))
		state = s
		if s.at >= end {
			break
		}
	}
	m.addUntil(state, end)
	return m.runs
}

// minutes collects stretches of time into minutes.
type minutes struct {
	at   int64 // ms up to which time is collected
	now  Minute
	runs []Run
}

// addUntil adds the time until an instant, in one state.
func (m *minutes) addUntil(s step, until int64) {
	for m.at < until {
		rest := MinuteMS - (m.at%MinuteMS+MinuteMS)%MinuteMS
		if rest == MinuteMS && until-m.at >= MinuteMS {
			n := (until - m.at) / MinuteMS
			m.push(int(n), s.minute(MinuteMS))
			m.at += n * MinuteMS
			continue
		}
		part := min(rest, until-m.at)
		m.now.add(s.minute(part))
		m.at += part
		if part == rest {
			m.push(1, m.now)
			m.now = Minute{}
		}
	}
}

func (s step) minute(ms int64) Minute {
	if !s.known {
		return Minute{}
	}
	n := min(max(s.n, 0), mostPeople)
	v := Minute{Known: int32(ms), Person: int64(n) * ms, Peak: int32(n)}
	if n > 0 {
		v.Occupied = int32(ms)
	}
	return v
}

// add adds another part of the same minute.
func (v *Minute) add(o Minute) {
	v.Known += o.Known
	v.Occupied += o.Occupied
	v.Person += o.Person
	v.Peak = max(v.Peak, o.Peak)
}

func (m *minutes) push(n int, v Minute) { m.runs = AppendRun(m.runs, Run{n, v}) }

// AppendRun adds a run, merged with the last where their values are equal.
func AppendRun(runs []Run, r Run) []Run {
	if r.Minutes <= 0 {
		return runs
	}
	if k := len(runs); k > 0 && runs[k-1].Minute == r.Minute {
		runs[k-1].Minutes += r.Minutes
		return runs
	}
	return append(runs, r)
}
