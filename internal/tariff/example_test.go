package tariff_test

import (
	"fmt"

	"github.com/lorntech/totem/internal/tariff"
	"github.com/lorntech/totem/internal/tenancy"
)

// A plan with a grace of 5 minutes rounds up to quarters of an hour and charges
// at most 9 hours a day.
func ExampleBillable() {
	p := tenancy.Plan{GraceMinutes: 5, RoundingMinutes: 15, DailyCapMinutes: 540}
	for _, seconds := range []int64{4*60 + 59, 5 * 60, 3 * 3600, 9*3600 + 12*60} {
		fmt.Println(tariff.Rounded(&p, seconds), tariff.Billable(&p, seconds))
	}
	// Output:
	// 0 0
	// 15 15
	// 180 180
	// 555 540
}
