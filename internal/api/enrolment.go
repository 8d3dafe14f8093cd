package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ingest"
	"github.com/lorntech/totem/internal/tenancy"
)

// enrolment is a reader that waits for a new badge.
type enrolment struct {
	ID        uuid.UUID              `json:"id" format:"uuid"`
	ExpiresAt catalogue.Instant      `json:"expires_at" format:"date-time"`
	Device    catalogue.DeviceID     `json:"device"`
	Member    tenancy.MemberID       `json:"member"`
	Kind      tenancy.CredentialKind `json:"kind"`
	State     ingest.EnrolmentState  `json:"state" enum:"waiting,once,ready,ended" doc:"ready: the same new badge was held to the reader twice; ended: two different ones were, or its time is over."`
}

func showEnrolment(e ingest.Enrolment) enrolment {
	return enrolment{e.ID, instant(e.Expires), e.Device, e.Member, e.Kind, e.State}
}

type enrolIn struct {
	IDPath
	Body struct {
		Member tenancy.MemberID       `json:"member" minLength:"1" required:"true"`
		Kind   tenancy.CredentialKind `json:"kind" enum:"card,mobile" required:"true"`
	}
}

func (s *server) enrolments() {
	const path = "/v1/devices/{id}/enrolment"
	op := with(
		operation(
			"POST",
			path,
			tagRights,
			"Have a reader wait for a new badge, held to it twice; its UID is never shown.",
			Admin,
			Manager,
		),
		http.StatusConflict,
	)
	huma.Register(s.api, op, s.enrol)
	huma.Register(s.api, operation("GET", path, tagRights, "The state of a reader's newest enrolment.", Admin, Manager),
		func(ctx context.Context, in *IDPath) (*one[enrolment], error) {
			dev, err := s.ownReader(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			e, ok := s.cfg.Enrolments.At(dev.ID, s.cfg.Now())
			if book := s.cfg.Rights.InForce().Book; !ok || !s.mayPerson(callerOf(ctx), book, e.Member) {
				return nil, notFound("enrolment at device " + in.ID)
			}
			return &one[enrolment]{showEnrolment(e)}, nil
		},
	)
	huma.Register(s.api, operation("DELETE", path, tagRights, "Cancel a reader's enrolment.", Admin, Manager),
		func(ctx context.Context, in *IDPath) (*empty, error) {
			dev, err := s.ownReader(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			s.cfg.Enrolments.End(dev.ID)
			return nil, nil
		},
	)
}

// ownReader returns a reader at the caller's sites.
func (s *server) ownReader(ctx context.Context, id string) (*catalogue.Device, error) {
	dev := s.cfg.Network.Device(catalogue.DeviceID(id))
	if dev == nil || !callerOf(ctx).reaches(dev.Site) {
		return nil, notFound("device " + id)
	}
	if dev.Kind != catalogue.Reader {
		return nil, invalid("path", "id", "is not a reader")
	}
	return dev, nil
}

func (s *server) enrol(ctx context.Context, in *enrolIn) (*one[enrolment], error) {
	dev, err := s.ownReader(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if book := s.cfg.Rights.InForce().Book; !s.mayPerson(callerOf(ctx), book, in.Body.Member) {
		return nil, invalid("body", "member", "there is no such member")
	}
	e, err := s.cfg.Enrolments.Begin(dev.ID, in.Body.Member, in.Body.Kind, s.cfg.Now())
	if errors.Is(err, ingest.ErrEnrolling) {
		return nil, problem(http.StatusConflict, err.Error())
	}
	if err != nil {
		return nil, s.fail(err)
	}
	return &one[enrolment]{showEnrolment(e)}, nil
}

// enrolled gives a credential the badge that was shown to the reader.
func (s *server) enrolled(v *Credential, c *tenancy.Credential) error {
	if v.UID != "" {
		return invalid("body", "enrolment", "is given together with uid: give only one of them")
	}
	id, err := uuid.Parse(v.Enrolment)
	if err != nil {
		return invalid("body", "enrolment", "is not a UUID")
	}
	e, lookup, forList, err := s.cfg.Enrolments.Hashes(id, s.cfg.Now())
	if err != nil {
		return invalid("body", "enrolment", err.Error())
	}
	if e.Member != v.Member || e.Kind != v.Kind {
		return invalid("body", "enrolment", "belongs to another member or kind")
	}
	c.Lookup, c.ForList = lookup, forList
	return nil
}
