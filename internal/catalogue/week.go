package catalogue

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Minute is a minute of the local day, 0–1440; 1440 is "24:00".
type Minute int16

// ParseMinute reads "08:00"; "24:00" is the day's end.
func ParseMinute(s string) (Minute, error) {
	var h, m int
	if len(s) == 5 && s[2] == ':' && digits(s[:2]) && digits(s[3:]) {
		h, m = int(s[0]-'0')*10+int(s[1]-'0'), int(s[3]-'0')*10+int(s[4]-'0')
		if m < 60 && (h < 24 || h == 24 && m == 0) {
			return Minute(h*60 + m), nil
		}
	}
	return 0, fmt.Errorf("%q is not a time of day like 08:00", s)
}

func digits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// String writes "08:00".
func (m Minute) String() string { return fmt.Sprintf("%02d:%02d", m/60, m%60) }

// MarshalText writes "08:00".
func (m Minute) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads "08:00".
func (m *Minute) UnmarshalText(b []byte) (err error) {
	*m, err = ParseMinute(string(b))
	return err
}

// Weekday is a day of the week, written "mon" … "sun".
type Weekday time.Weekday

var weekdayNames = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// String writes "mon" … "sun".
func (d Weekday) String() string { return weekdayNames[d] }

// MarshalText writes "mon" … "sun".
func (d Weekday) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads "mon" … "sun".
func (d *Weekday) UnmarshalText(b []byte) error {
	for i, name := range weekdayNames {
		if name == string(b) {
			*d = Weekday(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not a day: mon tue wed thu fri sat sun", b)
}

// Window is a weekly window [From, To) in local time.
type Window struct {
	Days []Weekday `json:"days" enum:"mon,tue,wed,thu,fri,sat,sun" nullable:"false"`
	From Minute    `json:"from" pattern:"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$" patternDescription:"a time of day like 08:00" required:"true"`
	To   Minute    `json:"to" pattern:"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$" patternDescription:"a time of day like 08:00" required:"true"`
}

// Check returns what is wrong with a window, naming the field relative to it.
func (w Window) Check() (field string, err error) {
	if len(w.Days) == 0 {
		return "days", fmt.Errorf("names no weekday")
	}
	if w.To <= w.From {
		return "to", fmt.Errorf("%s is not after %s", w.To, w.From)
	}
	return "", nil
}

// Week is a set of weekly windows.
type Week []Window

// MarshalJSON writes an empty list, never null.
func (w Week) MarshalJSON() ([]byte, error) {
	if w == nil {
		w = Week{}
	}
	return json.Marshal([]Window(w))
}

// Contains reports whether the local second lies in a window of that weekday.
func (w Week) Contains(d time.Weekday, second int32) bool {
	for i := range w {
		if int32(w[i].From)*60 > second || second >= int32(w[i].To)*60 {
			continue
		}
		for _, wd := range w[i].Days {
			if time.Weekday(wd) == d {
				return true
			}
		}
	}
	return false
}

// LastClosing returns the latest end of a window on that weekday.
func (w Week) LastClosing(d time.Weekday) (m Minute, ok bool) {
	for i := range w {
		for _, wd := range w[i].Days {
			if time.Weekday(wd) == d && w[i].To > m {
				m, ok = w[i].To, true
			}
		}
	}
	return m, ok
}
