// Package progress draws one bar for long work, on a terminal only: a log is
// no place for one.
package progress

import (
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// Bar shows how much of a work is done. The zero Bar shows nothing.
type Bar struct{ bar *progressbar.ProgressBar }

// New begins a bar of so many steps.
func New(out io.Writer, steps int, what string) Bar {
	if f, ok := out.(*os.File); !ok || !isatty.IsTerminal(f.Fd()) {
		return Bar{}
	}
	return Bar{progressbar.NewOptions(steps, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what), progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(), progressbar.OptionSetElapsedTime(true), progressbar.OptionThrottle(50*time.Millisecond), progressbar.OptionClearOnFinish())}
}

// Set shows that so many steps are done. A bar that cannot be drawn is no failure.
func (b Bar) Set(done int) {
	if b.bar != nil {
		_ = b.bar.Set(done)
	}
}

// Finish takes the bar away.
func (b Bar) Finish() {
	if b.bar != nil {
		_ = b.bar.Finish()
	}
}
