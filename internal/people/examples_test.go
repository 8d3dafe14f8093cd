package people

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
)

func ask(t *testing.T, w *World, x *access.Index, e Example, at time.Time) access.Answer {
	t.Helper()
	uid, err := hex.DecodeString(e.UID)
	if err != nil {
		t.Fatal(err)
	}
	d := w.Network.Device(e.Device)
	return x.Decide(access.Question{Credential: sha256.Sum256(uid), Door: d.Door, Direction: d.Direction, At: at}, nil)
}

// Over holidays, the evening's events, the clock change and the nights, the
// demo's two lines must do what they say.
func TestTheExamplesAreCertainAtAnyHour(t *testing.T) {
	n := network(t)
	for seed := range uint64(8) {
		for _, day := range []catalogue.Day{today, catalogue.Date(2026, 10, 25), catalogue.Date(2026, 4, 3),
			catalogue.Date(2026, 12, 26)} {
			w := New(n, seed, day)
			x := access.NewCompiler(n).Compile(book(t, w), nil)
			for _, s := range n.Sites {
				opens, refused := w.Examples(s.ID)
				for at := n.Zone.Start(day); at.Before(n.Zone.Start(day + 2)); at = at.Add(20 * time.Minute) {
					if a := ask(t, w, x, opens, at); !a.Granted || a.Reason != access.Lease {
						t.Fatalf("seed %d: %s at %s: %+v", seed, opens.Device, at, a)
					}
					if a := ask(t, w, x, refused, at); a.Granted || a.Reason != access.LeaseSuspended {
						t.Fatalf("seed %d: %s at %s: %+v", seed, refused.Device, at, a)
					}
				}
			}
		}
	}
}

// The people of the demo meet every answer that a lease can give.
func TestTheWorldKnowsEveryReason(t *testing.T) {
	n := network(t)
	w := New(n, 1, today)
	x := access.NewCompiler(n).Compile(book(t, w), nil)
	met := map[access.Reason]int{}
	for _, hour := range []int{10, 19, 23} {
		at := n.Zone.Instant(today, hour*3600)
		for _, d := range n.Devices {
			for _, c := range w.Cards {
				if d.Kind == catalogue.Reader {
					met[x.Decide(access.Question{Credential: sha256.Sum256(c.UID), Door: d.Door, Direction: d.Direction, At: at},
						nil).Reason]++
				}
			}
			for _, p := range w.Passes {
				if d.Kind == catalogue.Reader {
					met[x.Decide(access.Question{Credential: sha256.Sum256([]byte(p.Token)), Door: d.Door, Direction: d.Direction,
						At: at}, nil).Reason]++
				}
			}
		}
	}
	for _, r := range []access.Reason{access.Egress, access.CredentialLost, access.CredentialRevoked,
		access.CredentialOutOfDate, access.Staff, access.Lease,
		access.Pass, access.Event, access.OutsideHours, access.LeaseSuspended, access.LeaseNotStarted, access.LeaseEnded,
		access.NoRight} {
		if met[r] == 0 {
			t.Errorf("nobody meets %s: %v", r, met)
		}
	}
}
