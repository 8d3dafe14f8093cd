package broker

import (
	"errors"
	"io"
	"time"
)

// A broker ends a client's connection when another one comes with its name. Neither is
// told why (MQTT 3.1.1): each sees its connection closed, connects again at the first
// attempt, and so ends the other's.
const (
	rivalLosses = 3                // short connections in a row after which a rival is logged
	rivalSoon   = 30 * time.Second // a connection that lasts no longer is short: a rival may have ended it
	rivalQuiet  = 5 * time.Minute  // a connection that lasts at least as long shows that the rival has gone
)

// rivalry finds out whether another client uses our name.
type rivalry struct {
	began  time.Time // of the connection; zero: there is none
	failed bool      // an attempt has failed since the last connection: the broker was away
	losses int       // connections in a row that were closed soon
	told   bool      // the rival was logged
	hidden bool      // a rival that was logged has ended the last connection
}

// connected notes a new connection.
func (r *rivalry) connected(now time.Time) {
	if r.failed {
		r.losses = 0
	}
	r.began, r.failed = now, false
}

// attemptFailed notes an attempt to connect that came to nothing.
func (r *rivalry) attemptFailed() { r.failed = true }

// lost notes the end of a connection. tell is set if a rival must be logged now; hidden if a
// rival that was logged already has ended this connection, so that its end need not be logged.
func (r *rivalry) lost(now time.Time, err error) (tell, hidden bool) {
	lasted := now.Sub(r.began)
	if r.began.IsZero() || !errors.Is(err, io.EOF) || lasted > rivalSoon {
		r.losses, r.hidden = 0, false
		r.told = r.told && lasted < rivalQuiet
		return false, false
	}
	r.losses++
	r.hidden = r.told
	tell = r.losses >= rivalLosses && !r.told
	r.told = r.told || tell
	return tell, r.hidden
}
