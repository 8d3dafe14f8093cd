package progress

import (
	"bytes"
	"strings"
	"testing"
)

func TestABarIsDrawnAndRemoved(t *testing.T) {
	var out bytes.Buffer
	b := draw(&out, 4, "reading", 0)
	b.Set(2)
	if got := out.String(); !strings.Contains(got, "reading") || !strings.Contains(got, "2/4") {
		t.Errorf("drawn: %q", got)
	}
	b.Finish()
	if got := out.String(); !strings.HasSuffix(got, "\r") {
		t.Errorf("left on the terminal: %q", got)
	}
}

func TestNothingIsDrawnIntoALog(t *testing.T) {
	var log bytes.Buffer
	b := New(&log, 4, "reading")
	b.Set(2)
	b.Finish()
	if log.Len() != 0 {
		t.Errorf("in the log: %q", log.String())
	}
}
