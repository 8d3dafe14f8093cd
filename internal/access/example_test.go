package access_test

import (
	"fmt"
	"time"

	"github.com/lorntech/totem/internal/access"
	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// A lease of one office opens that office and the way to it. An exit opens for
// everybody.
func ExampleIndex_Decide() {
	n, err := catalogue.Default()
	if err != nil {
		fmt.Println(err)
		return
	}
	book, badge := tenancy.NewBook(n), tenancy.CredentialHash{1}
	for _, err := range []error{
		book.PutTenant(tenancy.Tenant{ID: "forge", Name: "Forge", Site: "metz", Kind: tenancy.Company}),
		book.PutMember(tenancy.Member{ID: "nadia", Tenant: "forge", Name: "Nadia"}),
		book.PutCredential(tenancy.Credential{ID: "c", Member: "nadia", Kind: tenancy.Card, Status: tenancy.Active, Lookup: badge}),
		book.PutPlan(tenancy.Plan{ID: "office", Name: "Office", Schedule: tenancy.Always, RoundingMinutes: 1}),
		book.PutLease(tenancy.Lease{ID: "forge-101", Tenant: "forge", Site: "metz", Plan: "office", Status: tenancy.Active,
			Spaces: []catalogue.SpaceID{"metz-bureau-101"}, StartsOn: catalogue.Date(2026, 1, 1)}),
	} {
		if err != nil {
			fmt.Println(err)
		}
	}
	index := access.NewCompiler(n).Compile(book, nil)
	at := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	for _, q := range []access.Question{
		{Credential: badge, Door: "metz-bureau-101-door", Direction: catalogue.In, At: at},
		{Credential: badge, Door: "metz-entrance", Direction: catalogue.In, At: at},
		{Credential: badge, Door: "metz-coworking-door", Direction: catalogue.In, At: at},
		{Door: "metz-entrance", Direction: catalogue.Out, At: at},
	} {
		a := index.Decide(q, nil)
		fmt.Printf("%s %s: %t, %s\n", q.Door, q.Direction, a.Granted, a.Reason)
	}
	// Output:
	// metz-bureau-101-door in: true, lease
	// metz-entrance in: true, lease
	// metz-coworking-door in: false, no-right
	// metz-entrance out: true, egress
}
