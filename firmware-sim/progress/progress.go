// Package progress draws a progress bar for long work. It draws on a terminal
// only, never into a log.
package progress

import (
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// Bar shows how much of some work is done. The zero Bar draws nothing.
type Bar struct{ bar *progressbar.ProgressBar }

// New begins a bar of n steps.
func New(out io.Writer, steps int, what string) Bar {
	if f, ok := out.(*os.File); !ok || !isatty.IsTerminal(f.Fd()) {
		return Bar{}
	}
	return draw(out, steps, what, 50*time.Millisecond)
}

// draw begins a bar on any writer, also where out is not a terminal. The bar is drawn again at most once in every.
func draw(out io.Writer, steps int, what string, every time.Duration) Bar {
	return Bar{
		progressbar.NewOptions(steps,
			progressbar.OptionSetWriter(out),
			progressbar.OptionSetDescription(what),
			progressbar.OptionSetWidth(30),
			progressbar.OptionShowCount(),
			progressbar.OptionSetElapsedTime(true),
			progressbar.OptionThrottle(every),
			progressbar.OptionClearOnFinish(),
		),
	}
}

// Set shows that n steps are done. A bar that cannot be drawn is not an error.
func (b Bar) Set(done int) {
	if b.bar != nil {
		_ = b.bar.Set(done)
	}
}

// Finish removes the bar.
func (b Bar) Finish() {
	if b.bar != nil {
		_ = b.bar.Finish()
	}
}
