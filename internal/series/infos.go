package series

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/ledger"
)

// infoSnapshot holds the description of each space that InfluxDB got last.
const infoSnapshot = "influx-space-info"

// infos sends the descriptions of spaces that InfluxDB does not have, or not in
// their present form.
func (s *Shipper) infos(ctx context.Context) (more bool, err error) {
	if s.informed {
		return false, nil
	}
	snap, err := s.ledger.Snapshot(ctx, infoSnapshot)
	if err != nil {
		return false, err
	}
	known := map[catalogue.SpaceID]string{}
	if snap.Body != nil {
		if err := json.Unmarshal(snap.Body, &known); err != nil { // all are sent again
			known = map[catalogue.SpaceID]string{}
		}
	}
	l := newLines(s.network)
	for i := range s.network.Spaces {
		sp := &s.network.Spaces[i]
		is := fmt.Sprintf("%q %s %s %d %d", sp.Name, sp.Kind, sp.Building, sp.Floor, sp.Capacity)
		if known[sp.ID] != is {
			l.info(sp, s.now())
			known[sp.ID] = is
		}
	}
	if l.n > 0 {
		if err := s.deliver(ctx, l); err != nil {
			return false, err
		}
		body, err := json.Marshal(known)
		if err != nil {
			return false, err
		}
		err = s.ledger.Write(ctx,
			func(tx *ledger.Tx) error { return tx.PutSnapshot(infoSnapshot, ledger.Snapshot{Body: body}) },
		)
		if err != nil {
			return false, err
		}
	}
	s.informed = true
	return false, nil
}
