package api

import (
	"github.com/lorntech/totem/internal/rights"
	"github.com/lorntech/totem/internal/tenancy"
)

// schedules registers the endpoints of schedules. Those of the network are written
// by admins alone.
func (s *server) schedules() {
	register(s, resource[tenancy.Schedule]{
		path: "/v1/schedules", noun: "schedule", kind: rights.KindSchedule,
		read:   []Role{Admin, Manager, Billing},
		write:  []Role{Admin, Manager},
		id:     func(v *tenancy.Schedule) *string { return (*string)(&v.ID) },
		all:    (*tenancy.Book).Schedules,
		find:   func(b *tenancy.Book, id string) (tenancy.Schedule, bool) { return b.Schedule(tenancy.ScheduleID(id)) },
		may:    func(c *caller, _ *tenancy.Book, v tenancy.Schedule) bool { return v.Site == nil || c.reaches(*v.Site) },
		owns:   func(c *caller, v tenancy.Schedule) bool { return ownsTerms(c, v.Site) },
		change: unchanged[tenancy.Schedule],
	})
}
