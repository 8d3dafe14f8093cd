package billing_test

import (
	"fmt"

	"github.com/lorntech/totem/internal/billing"
	"github.com/lorntech/totem/internal/catalogue"
)

// A wrong setting is named by file, line and field.
func ExampleParseSettings() {
	n, err := catalogue.Default()
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := billing.ParseSettings(n, "billing.yaml", []byte("issuer: {name: LORnTECH}\n"))
	fmt.Println(s.Issuer.Name, s.Accounts.Rent, err)
	_, err = billing.ParseSettings(n, "billing.yaml", []byte("issuer:\n  siren: \"732829321\"\n"))
	fmt.Println(err)
	// Output:
	// LORnTECH 708300 <nil>
	// billing.yaml:2: issuer.siren: is not a SIREN: its check digit is wrong
}
