package api

import (
	"time"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

func milli(i catalogue.Instant) time.Time { return i.UTC().Truncate(time.Millisecond) }

func milliOrNil(i *catalogue.Instant) *time.Time {
	if i == nil {
		return nil
	}
	t := milli(*i)
	return &t
}

func instant(t time.Time) catalogue.Instant { return catalogue.Instant{Time: t.UTC()} }

// instantOrNil returns nil for the zero time too.
func instantOrNil(t *time.Time) *catalogue.Instant {
	if t == nil || t.IsZero() {
		return nil
	}
	i := instant(*t)
	return &i
}

func showCredential(v tenancy.Credential) Credential {
	return Credential{
		ID:        v.ID,
		Member:    v.Member,
		Kind:      v.Kind,
		Status:    v.Status,
		ValidFrom: instantOrNil(v.ValidFrom),
		ValidTo:   instantOrNil(v.ValidTo),
	}
}

func showPass(v tenancy.Pass) Pass {
	return Pass{
		ID:        v.ID,
		Host:      v.Host,
		Name:      v.Name,
		Spaces:    v.Spaces,
		ValidFrom: instant(v.ValidFrom),
		ValidTo:   instant(v.ValidTo),
	}
}

func showEvent(v tenancy.Event) Event {
	return Event{
		ID:       v.ID,
		Title:    v.Title,
		Spaces:   v.Spaces,
		StartsAt: instant(v.StartsAt),
		EndsAt:   instant(v.EndsAt),
		Audience: v.Audience,
		Invited:  v.Invited,
	}
}
