package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/ledger"
	"github.com/lorntech/totem/internal/tenancy"
)

const tagAccess = "Access"

type checkIn struct {
	Body struct {
		Credential   string               `json:"credential" doc:"As in a badge message; or use credential_id."`
		CredentialID tenancy.CredentialID `json:"credential_id" doc:"The id of a credential, in place of credential."`
		Door         catalogue.DoorID     `json:"door" minLength:"1" required:"true"`
		Direction    catalogue.Direction  `json:"direction" enum:"in,out" required:"true"`
		At           *catalogue.Instant   `json:"at" format:"date-time" doc:"Default: now."`
	}
}

type checkOut struct {
	Body struct {
		Granted bool             `json:"granted"`
		Reason  access.Reason    `json:"reason"`
		Lease   *tenancy.LeaseID `json:"lease"`
	}
}

// read is a read with its decision, as the API writes it.
type read struct {
	ID         uuid.UUID           `json:"id"`
	At         catalogue.Instant   `json:"at" format:"date-time"`
	ReceivedAt catalogue.Instant   `json:"received_at"`
	Device     catalogue.DeviceID  `json:"device"`
	Door       catalogue.DoorID    `json:"door"`
	Direction  catalogue.Direction `json:"direction"`
	Member     *tenancy.MemberID   `json:"member"`
	Pass       *tenancy.PassID     `json:"pass"`
	Granted    bool                `json:"granted"`
	Reason     string              `json:"reason"`
	Offline    bool                `json:"offline" doc:"The reader decided by itself; granted and reason are what it did."`
	Lease      *tenancy.LeaseID    `json:"lease"`
	Decided    *decided            `json:"decided,omitempty" doc:"What Totem would have answered, where the reader decided by itself."`
}

type decided struct {
	Granted bool          `json:"granted"`
	Reason  access.Reason `json:"reason"`
}

func showRead(r *ingest.Read) read {
	out := read{
		ID:         r.ID,
		At:         instant(r.At),
		ReceivedAt: instant(r.ReceivedAt),
		Device:     r.Device,
		Door:       r.Door,
		Direction:  r.Direction,
		Member:     orNil(r.Subject.Member),
		Pass:       orNil(r.Subject.Pass),
		Granted:    r.Granted,
		Reason:     string(r.Reason),
		Lease:      orNil(r.Lease),
	}
	if d := r.Reader; d != nil {
		out.Offline, out.Granted, out.Reason = true, d.Granted, d.Reason
		out.Decided = &decided{r.Granted, r.Reason}
	}
	return out
}

func orNil[T ~string](v T) *T {
	if v == "" {
		return nil
	}
	return &v
}

type readsIn struct {
	Paging
	Door   string    `query:"door"`
	Member string    `query:"member"`
	Site   string    `query:"site" doc:"Only at this site's doors."`
	Tenant string    `query:"tenant" doc:"Only of this tenant's members."`
	Result string    `query:"result" enum:"granted,refused" doc:"Only granted or only refused reads; what the reader did counts where it decided by itself."`
	Order  string    `query:"order" enum:"oldest,newest" default:"oldest" doc:"Which reads come first."`
	From   time.Time `query:"from" doc:"Reads at or after this instant."`
	To     time.Time `query:"to" doc:"Reads before this instant."`
}

type unlockIn struct {
	IDPath
	Body struct {
		Seconds int    `json:"seconds" minimum:"1" maximum:"3600" required:"true"`
		Reason  string `json:"reason" minLength:"1" maxLength:"500" required:"true"`
	}
}

type lockdownBody struct {
	Active bool   `json:"active" required:"true"`
	Reason string `json:"reason" maxLength:"500" doc:"Required to begin a lockdown."`
}

type lockdownIn struct {
	IDPath
	Body lockdownBody
}

type lockdownOut struct {
	Site   catalogue.SiteID   `json:"site"`
	Active bool               `json:"active"`
	Since  *catalogue.Instant `json:"since"`
}

func (s *server) access() {
	huma.Register(s.api,
		operation("POST", "/v1/access/check", tagAccess, "Ask what would be decided; nothing is recorded.", Admin, Manager),
		s.check,
	)
	s.reasons()
	huma.Register(s.api,
		operation("GET", "/v1/access/reads", tagAccess, "Reads with their decisions, oldest first.", Admin, Manager),
		s.reads,
	)
	huma.Register(s.api,
		with(
			operation("POST", "/v1/doors/{id}/unlock", tagAccess, "Open a door once; audited.", Admin, Manager),
			http.StatusConflict,
			http.StatusServiceUnavailable,
		),
		s.unlock,
	)
	huma.Register(s.api,
		operation(
			"PUT",
			"/v1/sites/{id}/lockdown",
			tagAccess,
			"Begin or end a lockdown, in which only responders may enter; audited.",
			Admin,
			Manager,
		),
		s.lockdown,
	)
	huma.Register(s.api,
		operation("GET", "/v1/sites/{id}/lockdown", tagAccess, "Whether a site is in lockdown.", Admin, Manager),
		func(ctx context.Context, in *IDPath) (*one[lockdownOut], error) {
			if err := s.ownSite(ctx, in.ID); err != nil {
				return nil, err
			}
			return s.showLockdown(in.ID), nil
		},
	)
}

func (s *server) check(ctx context.Context, in *checkIn) (*checkOut, error) {
	q, err := s.question(ctx, in)
	if err != nil {
		return nil, err
	}
	a := s.cfg.Rights.InForce().IndexAt(q.At).Decide(q, s.cfg.Whereabouts(ctx))
	out := &checkOut{}
	out.Body.Granted, out.Body.Reason, out.Body.Lease = a.Granted, a.Reason, orNil(a.Lease)
	return out, nil
}

// disabled reports whether every reader of a door in a direction is disabled.
func (s *server) disabled(door catalogue.DoorID, direction catalogue.Direction) bool {
	found := false
	for _, d := range s.cfg.Network.Devices {
		if d.Kind == catalogue.Reader && d.Door == door && d.Direction == direction {
			if !d.Disabled {
				return false
			}
			found = true
		}
	}
	return found
}

func (s *server) reads(ctx context.Context, in *readsIn) (*pageOut[read], error) {
	c := callerOf(ctx)
	f := ledger.ReadFilter{
		Doors:  s.doorsOf(c),
		Member: tenancy.MemberID(in.Member),
		Tenant: tenancy.TenantID(in.Tenant),
		Result: in.Result,
		Newest: in.Order == "newest",
		From:   in.From,
		To:     in.To,
		Limit:  in.Limit + 1,
	}
	if err := s.checkSite(in.Site); err != nil {
		return nil, err
	}
	if in.Site != "" {
		if !c.reaches(catalogue.SiteID(in.Site)) {
			return nil, forbidden("site " + in.Site)
		}
		f.Doors = []catalogue.DoorID{}
		for _, d := range s.ever.Doors {
			if string(d.Site) == in.Site {
				f.Doors = append(f.Doors, d.ID)
			}
		}
	}
	if in.Door != "" {
		d := s.ever.Door(catalogue.DoorID(in.Door))
		if d == nil {
			return nil, invalid("query", "door", "the catalogue has no such door")
		}
		if !c.reaches(d.Site) {
			return nil, forbidden("door " + in.Door)
		}
		f.Doors = []catalogue.DoorID{d.ID}
	}
	if parts, err := in.decode(2); err != nil {
		return nil, err
	} else if parts != nil {
		at, err1 := strconv.ParseInt(parts[0], 10, 64)
		seq, err2 := strconv.ParseInt(parts[1], 10, 64)
		if err1 != nil || err2 != nil {
			return nil, in.wrongCursor()
		}
		f.After = ledger.ReadCursor{At: time.UnixMilli(at), Seq: seq}
	}
	reads, err := s.cfg.Ledger.Reads(ctx, f)
	if err == nil {
		err = s.look(ctx, f.Member, len(reads), "reads", filterOf("door", in.Door, "site", in.Site, "tenant", in.Tenant))
	}
	if err != nil {
		return nil, s.fail(err)
	}
	return pageOf(in.Limit, reads, showRead, func(r *ingest.Read) []string {
		return []string{strconv.FormatInt(r.At.UnixMilli(), 10), strconv.FormatInt(r.Seq, 10)}
	}), nil
}

// recordAct records who does what, before it is done.
func (s *server) recordAct(ctx context.Context, action, target string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return s.cfg.Ledger.Write(ctx, func(tx *ledger.Tx) error {
		return tx.AddAct(
			&ingest.Act{At: s.cfg.Now().UTC(), Actor: callerOf(ctx).id, Action: action, Target: target, Body: data},
		)
	})
}

func (s *server) unlock(ctx context.Context, in *unlockIn) (*empty, error) {
	door := s.cfg.Network.Door(catalogue.DoorID(in.ID))
	if door == nil {
		return nil, notFound("door " + in.ID)
	}
	if !callerOf(ctx).reaches(door.Site) {
		return nil, forbidden("door " + in.ID)
	}
	if s.cfg.Rights.InForce().LockedDown(door.Site) {
		return nil, problem(http.StatusConflict, "the site is in lockdown, which forbids unlocking")
	}
	if !s.cfg.Doors.CanUnlock(door.ID) {
		return nil, problem(http.StatusConflict, "no reader on the way in can open this door on command")
	}
	if err := s.recordAct(ctx, "unlock", "door/"+in.ID, in.Body); err != nil {
		return nil, s.fail(err)
	}
	err := s.cfg.Doors.Unlock(door.ID, time.Duration(in.Body.Seconds)*time.Second)
	if err != nil {
		s.cfg.Log.Warn("unlock not sent", "door", in.ID, "error", err)
		return nil, problem(http.StatusServiceUnavailable, "the command could not be sent: the broker is away")
	}
	return nil, nil
}

func (s *server) ownSite(ctx context.Context, id string) error {
	if s.cfg.Network.Site(catalogue.SiteID(id)) == nil {
		return notFound("site " + id)
	}
	if !callerOf(ctx).reaches(catalogue.SiteID(id)) {
		return forbidden("site " + id)
	}
	return nil
}

func (s *server) lockdown(ctx context.Context, in *lockdownIn) (*one[lockdownOut], error) {
	if err := s.ownSite(ctx, in.ID); err != nil {
		return nil, err
	}
	if in.Body.Active && strings.TrimSpace(in.Body.Reason) == "" {
		return nil, invalid("body", "reason", "is missing or empty: a lockdown says why")
	}
	if err := s.cfg.Rights.SetLockdown(ctx,
		callerOf(ctx).id,
		catalogue.SiteID(in.ID),
		in.Body.Active,
		in.Body.Reason,
	); err != nil {
		return nil, s.fail(err)
	}
	return s.showLockdown(in.ID), nil
}

func (s *server) showLockdown(id string) *one[lockdownOut] {
	out := lockdownOut{Site: catalogue.SiteID(id)}
	for _, k := range s.cfg.Rights.InForce().Lockdowns {
		if k.Site == out.Site && k.To == nil {
			out.Active, out.Since = true, instantOrNil(&k.From)
		}
	}
	return &one[lockdownOut]{out}
}
