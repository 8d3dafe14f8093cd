package api

import (
	"fmt"
	"net/http"
)

// Most limits how many things a tenant's token may create: what it creates
// makes every reader's list longer.
type Most struct{ Members, Credentials, Passes int }

func (m Most) check(what string, have, most int) error {
	if have < most {
		return nil
	}
	return problem(http.StatusConflict,
		fmt.Sprintf(
			"this tenant has %d %s, the most that the settings allow; delete some, or ask the operator to raise the limit",
			have,
			what,
		),
	)
}
