package people

import (
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// The schedules beside the built-in "always".
const (
	businessHours tenancy.ScheduleID = "heures-ouvrees"
	extendedHours tenancy.ScheduleID = "horaires-etendus"
	eveningHours  tenancy.ScheduleID = "soirs-et-week-ends"
)

// The plans.
const (
	dayCoworking  tenancy.PlanID = "coworking-journee"
	fullCoworking tenancy.PlanID = "coworking-complet"
	roaming       tenancy.PlanID = "nomade"
	privateOffice tenancy.PlanID = "bureau-prive"
	incubation    tenancy.PlanID = "incubation"
	residency     tenancy.PlanID = "residence"
	association   tenancy.PlanID = "association"
	makers        tenancy.PlanID = "fablab"
)

func schedules() []tenancy.Schedule {
	week := []catalogue.Weekday{1, 2, 3, 4, 5}
	return []tenancy.Schedule{
		{
			ID:       businessHours,
			Holidays: tenancy.ClosedOnHolidays,
			Windows:  catalogue.Week{{Days: week, From: 8 * 60, To: 19 * 60}},
		},
		{ID: extendedHours, Holidays: tenancy.ClosedOnHolidays, Windows: catalogue.Week{
			{Days: week, From: 7 * 60, To: 22 * 60},
			{Days: []catalogue.Weekday{6}, From: 8 * 60, To: 20 * 60},
		}},
		{ID: eveningHours, Holidays: tenancy.OpenOnHolidays, Windows: catalogue.Week{
			{Days: week, From: 9 * 60, To: 24 * 60},
			{Days: []catalogue.Weekday{6, 0}, From: 10 * 60, To: 20 * 60},
		}},
	}
}

// plans returns the network's plans. The additional spaces of an office's or an
// association's plan are never below a coworking, or the plan would open the
// coworking too.
func plans() []tenancy.Plan {
	kinds := func(k ...catalogue.SpaceKind) []catalogue.SpaceKind { return k }
	return []tenancy.Plan{
		{
			ID:                 dayCoworking,
			Name:               "Coworking à la journée",
			Schedule:           businessHours,
			HourlyRateCents:    450,
			RoundingMinutes:    30,
			GraceMinutes:       10,
			DailyCapMinutes:    360,
			InferredCapMinutes: 240,
			VatPct:             20,
			Includes:           kinds(catalogue.Coworking, catalogue.Cafe),
		},
		{
			ID:                 fullCoworking,
			Name:               "Coworking complet",
			Schedule:           extendedHours,
			IncludedMinutes:    6000,
			HourlyRateCents:    250,
			RoundingMinutes:    15,
			GraceMinutes:       5,
			DailyCapMinutes:    600,
			InferredCapMinutes: 480,
			VatPct:             20,
			Includes:           kinds(catalogue.Coworking, catalogue.MeetingRoom, catalogue.Cafe),
		},
		{
			ID:                 roaming,
			Name:               "Nomade, les quatre sites",
			Roaming:            true,
			Schedule:           extendedHours,
			IncludedMinutes:    4800,
			HourlyRateCents:    300,
			RoundingMinutes:    15,
			GraceMinutes:       5,
			DailyCapMinutes:    540,
			InferredCapMinutes: 360,
			VatPct:             20,
			Includes:           kinds(catalogue.Coworking, catalogue.MeetingRoom, catalogue.Cafe),
		},
		{ID: privateOffice, Name: "Bureau privé", Schedule: tenancy.Always, VatPct: 20,
			Includes: kinds(catalogue.MeetingRoom, catalogue.Videoconference, catalogue.Cafe)},
		{
			ID:                 incubation,
			Name:               "Incubation",
			Schedule:           extendedHours,
			IncludedMinutes:    2400,
			HourlyRateCents:    200,
			RoundingMinutes:    15,
			GraceMinutes:       5,
			DailyCapMinutes:    480,
			InferredCapMinutes: 240,
			VatPct:             20,
			Includes:           kinds(catalogue.Coworking, catalogue.MeetingRoom, catalogue.FabLab),
		},
		{
			ID:       residency,
			Name:     "Résidence d’artistes",
			Schedule: tenancy.Always,
			VatPct:   10,
			Includes: kinds(catalogue.Cafe, catalogue.FabLab),
		},
		{
			ID:       association,
			Name:     "Association",
			Schedule: eveningHours,
			Includes: kinds(catalogue.AssociationsOffice, catalogue.MeetingRoom),
		},
		{ID: makers, Name: "FabLab", Schedule: eveningHours, VatPct: 20, Includes: kinds(catalogue.FabLab, catalogue.Cafe)},
	}
}
