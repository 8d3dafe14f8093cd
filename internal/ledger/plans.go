package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/lorntech/totem/internal/catalogue"
)

// PutPlans replaces the buildings' plans.
func (tx *Tx) PutPlans(plans map[catalogue.BuildingID]string) error {
	if err := tx.run("DELETE FROM plans"); err != nil {
		return fmt.Errorf("ledger: store the buildings' plans: %w", err)
	}
	for building, svg := range plans {
		if err := tx.run("INSERT INTO plans (building, svg) VALUES (?, ?)", string(building), svg); err != nil {
			return fmt.Errorf("ledger: store the plan of building %s: %w", building, err)
		}
	}
	return nil
}

// Plan returns a building's plan, an SVG drawing; ErrNotFound where it has none.
func (l *Ledger) Plan(ctx context.Context, b catalogue.BuildingID) (svg string, err error) {
	err = l.reads.QueryRowContext(ctx, "SELECT svg FROM plans WHERE building = ?", string(b)).Scan(&svg)
	if errors.Is(err, sql.ErrNoRows) {
		return "", ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("ledger: load a building's plan: %w", err)
	}
	return svg, nil
}
