package yamldoc

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Error is one fault of a file, written "file:line: field: message"
// (rules 13.2).
type Error struct {
	File  string // empty: there is no file
	Line  int    // counted from 1
	Field string // as "spaces[3].parent", counted from 0; "syntax" where the YAML itself is at fault
	Msg   string
}

// Error writes "file:line: field: message".
func (e *Error) Error() string {
	if e.File == "" {
		return fmt.Sprintf("%s: %s", e.Field, e.Msg)
	}
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Field, e.Msg)
}

// maxErrors is how many faults are reported at once: enough to correct a file,
// few enough to be read.
const maxErrors = 20

// Report joins the faults in the order of their lines; nil where there are
// none.
func Report(file string, faults []*Error) error {
	slices.SortStableFunc(faults, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
	var errs []error
	for i, f := range faults {
		if i == maxErrors {
			errs = append(errs, fmt.Errorf("%s: and %d more", file, len(faults)-maxErrors))
			break
		}
		errs = append(errs, f)
	}
	return errors.Join(errs...)
}
