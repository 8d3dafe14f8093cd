package keys

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// An address may try guessesPerMinute wrong tokens or passwords a minute, and
	// guessesAtOnce at once. Beyond addressesMost addresses all counts begin again.
	guessesPerMinute, guessesAtOnce = 30, 20
	addressesMost                   = 10_000
)

// Guesses counts the wrong tokens and passwords of each address. The zero value
// is ready to use and safe for concurrent use.
type Guesses struct {
	mu   sync.Mutex
	from map[string]*rate.Limiter
}

// Wrong counts one, and returns for how long the address is blocked; 0: it is
// not.
func (g *Guesses) Wrong(address string, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.from[address]
	if l == nil {
		if g.from == nil || len(g.from) >= addressesMost {
			g.from = map[string]*rate.Limiter{}
		}
		l = rate.NewLimiter(rate.Every(time.Minute/guessesPerMinute), guessesAtOnce)
		g.from[address] = l
	}
	if l.AllowN(now, 1) {
		return 0
	}
	return time.Minute / guessesPerMinute
}
