package catalogue

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAWindowHoldsItsStartButNotItsEnd(t *testing.T) {
	w := Week{
		{Days: []Weekday{1, 2}, From: 8 * 60, To: 20 * 60},
		{Days: []Weekday{2, 6}, From: 22 * 60, To: 24 * 60},
	}
	for _, c := range []struct {
		day    time.Weekday
		second int32
		want   bool
	}{
		{time.Monday, 8*3600 - 1, false}, {time.Monday, 8 * 3600, true}, {time.Monday, 20*3600 - 1, true}, {time.Monday,
			20 * 3600, false},
		{time.Tuesday, 22 * 3600, true}, {time.Tuesday, 86399, true}, {time.Wednesday, 0, false}, {time.Wednesday,
			12 * 3600, false},
		{time.Saturday, 86399, true}, {time.Sunday, 0, false},
	} {
		if got := w.Contains(c.day, c.second); got != c.want {
			t.Errorf("%s second %d: %t", c.day, c.second, got)
		}
	}
	for day, want := range map[time.Weekday]Minute{time.Monday: 20 * 60, time.Tuesday: 24 * 60, time.Saturday: 24 * 60} {
		if got, ok := w.LastClosing(day); !ok || got != want {
			t.Errorf("%s closes last at %s", day, got)
		}
	}
	if _, ok := w.LastClosing(time.Sunday); ok {
		t.Error("a Sunday without opening closes")
	}
}

func TestATimeOfDayIsFiveCharacters(t *testing.T) {
	for s, want := range map[string]Minute{"00:00": 0, "08:05": 485, "23:59": 1439, "24:00": 1440} {
		if got, err := ParseMinute(s); err != nil || got != want || got.String() != s {
			t.Errorf("%s is %d: %v", s, got, err)
		}
	}
	for _, s := range []string{"", "8:00", "08:60", "24:01", "25:00", "08-00", "0８:0", "08:00 ", "-1:00", "+8:00", "08:0x"} {
		if m, err := ParseMinute(s); err == nil {
			t.Errorf("%q is read as %s", s, m)
		}
	}
}

func TestAWeekIsWrittenAndReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := Week{}
		for range rapid.IntRange(0, 4).Draw(t, "windows") {
			from := Minute(rapid.IntRange(0, 1439).Draw(t, "from"))
			w = append(w, Window{
				Days: rapid.SliceOfNDistinct(
					rapid.Custom(func(t *rapid.T) Weekday { return Weekday(rapid.IntRange(0, 6).Draw(t, "d")) }),
					1,
					7,
					func(d Weekday) Weekday { return d },
				).Draw(t, "days"),
				From: from,
				To:   Minute(rapid.IntRange(int(from)+1, 1440).Draw(t, "to")),
			})
		}
		text, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		var back Week
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		again, _ := json.Marshal(back)
		if string(again) != string(text) {
			t.Fatalf("%s is read back as %s", text, again)
		}
	})
	if text, _ := json.Marshal(Week(nil)); string(text) != "[]" {
		t.Errorf("no windows are written %s", text)
	}
}

func TestAWindowOfNothingIsNone(t *testing.T) {
	for _, c := range []struct {
		w     Window
		field string
	}{
		{Window{From: 1, To: 2}, "days"},
		{Window{Days: []Weekday{1}, From: 2, To: 2}, "to"},
		{Window{Days: []Weekday{1}, From: 3, To: 2}, "to"},
		{Window{Days: []Weekday{1}, From: 2, To: 3}, ""},
	} {
		if field, err := c.w.Check(); field != c.field || (err != nil) != (c.field != "") {
			t.Errorf("%+v: %q %v", c.w, field, err)
		}
	}
}
