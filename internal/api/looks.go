package api

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
)

// Whoever looks at one person's movements leaves an entry in the audit chain
// before anything is shown: if the look cannot be recorded, nothing is shown.
// Whoever looks at a list leaves one entry an hour, which names nobody.

// actLook is the action of the acts that record looks.
const actLook = "look"

// look is one look at a person's movements, which rules 11.3 has recorded.
type look struct {
	ID   string            `json:"id"`
	At   catalogue.Instant `json:"at"`
	By   string            `json:"by" doc:"The id of the token."`
	What string            `json:"what" doc:"What was looked at: reads, visits, data, explain, hours, days."`
}

type lookBody struct {
	What   string `json:"what"`
	Filter string `json:"filter,omitempty"`
}

// listLooks holds the looks at lists that were recorded in this hour.
type listLooks struct {
	mu   sync.Mutex
	hour int64
	seen map[string]bool
}

// first reports whether a look is the first of its kind in this hour.
func (l *listLooks) first(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if hour := now.Unix() / 3600; hour != l.hour || l.seen == nil {
		l.hour, l.seen = hour, map[string]bool{}
	}
	if l.seen[key] {
		return false
	}
	l.seen[key] = true
	return true
}

// forget removes a look that could not be recorded, so that the next one is
// recorded.
func (l *listLooks) forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.seen, key)
}

// filterOf writes the filter of a list, as pairs of a name and a value, without
// the empty ones.
func filterOf(pairs ...string) string {
	var parts []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			parts = append(parts, pairs[i]+"="+pairs[i+1])
		}
	}
	return strings.Join(parts, "&")
}

// look records that the caller looks at a member's movements, of which n were
// found; without a member, that it looks at a list.
func (s *server) look(ctx context.Context, member tenancy.MemberID, n int, what, filter string) error {
	if _, there := s.cfg.Rights.InForce().Book.Member(member); !there &&
		n == 0 { // a mistyped id must not create a record of somebody
		member = ""
	}
	if member == "" || ledger.Nameless(member) {
		return s.lookAtList(ctx, what, filter)
	}
	return s.addLook(ctx, "member/"+string(member), lookBody{What: what})
}

func (s *server) lookAtList(ctx context.Context, what, filter string) error {
	key := callerOf(ctx).id + "\x00" + what + "\x00" + filter
	if !s.lists.first(key, s.cfg.Now()) {
		return nil
	}
	err := s.addLook(ctx, "list/"+what, lookBody{What: what, Filter: filter})
	if err != nil {
		s.lists.forget(key)
	}
	return err
}

func (s *server) addLook(ctx context.Context, target string, body lookBody) error {
	return s.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		return tx.AddAct(
			&ingest.Act{At: s.cfg.Now().UTC(), Actor: callerOf(ctx).id, Action: actLook, Target: target, Body: mustJSON(body)},
		)
	})
}

func (s *server) looks() {
	type looksIn struct {
		Paging
		Member string `query:"member" required:"true" minLength:"1" maxLength:"64"`
	}
	const summary = "Who looked at a person's movements, oldest first; for an admin and the person's tenant."
	op := operation("GET", "/v1/looks", tagPersons, summary, Admin, Tenant)
	op.Errors = append(op.Errors, 404)
	huma.Register(s.api, op, func(ctx context.Context, in *looksIn) (*pageOut[look], error) {
		m, err := s.person(ctx, in.Member)
		if err != nil {
			return nil, err
		}
		acts, err := s.cfg.Ledger.Acts(ctx, "member/"+string(m.ID))
		if err != nil {
			return nil, s.fail(err)
		}
		acts = slices.DeleteFunc(acts, func(a ingest.Act) bool { return a.Action != actLook })
		return pageOfAll(Tabular{Paging: in.Paging}, acts, func(a ingest.Act) look {
			var body lookBody
			_ = json.Unmarshal(a.Body, &body) // this package wrote it
			return look{strconv.FormatInt(a.Seq, 10), instant(a.At), a.Actor, body.What}
		})
	})
}
