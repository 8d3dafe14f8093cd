package ledger

import (
	"database/sql"
	"reflect"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/tenancy"
)

// terms compares the versions of plans, leases and tenants with the acts that
// recorded and took them back; versions recorded before entries were noted need
// some act on the thing. Acts on a lease are erased with the people whom it
// named.
func (v *verifier) terms(acts map[string]lastAct) error {
	rows, err := v.tx.QueryContext(v.ctx,
		`SELECT t.kind, t.id, t.day, t.body, t.entry, coalesce(a.target, ''), coalesce(a.body, ''), coalesce(g.target, ''),
		t.gone_at IS NOT NULL AND t.gone_entry <> 0,
		t.entry = 0 AND EXISTS (SELECT 1 FROM acts o WHERE o.target = t.kind || '/' || t.id AND o.action = 'put' AND o.body
		= t.body)
		FROM terms t LEFT JOIN acts a ON a.seq = t.entry AND t.entry <> 0 LEFT JOIN acts g ON g.seq = t.gone_entry AND t.gone_entry <> 0 ORDER BY t.kind, t.id, t.n`,
	)
	return each(rows, err, func(rows *sql.Rows) error {
		var kind, id, by, act, goneBy string
		var day, entry int64
		var body sql.NullString
		var gone, said bool
		if err := rows.Scan(&kind, &id, &day, &body, &entry, &by, &act, &goneBy, &gone, &said); err != nil {
			return err
		}
		target := kind + "/" + id
		switch {
		// Erased, with the people whom it named; of which act a version is, older versions did not note.
		case kind == "lease" && act == "" && (v.forgotten(entry) || entry == 0 && len(v.spans) > 0):
			return nil
		case gone && goneBy != target, entry != 0 && by != target:
			return v.differs(acts, target)
		case !body.Valid: // a tenant's end is not recorded in its terms
			return nil
		case entry == 0 && !said, entry != 0 && !recorded(act, body.String, kind, catalogue.Day(day)):
			return v.differs(acts, target)
		}
		return nil
	})
}

// lostTerms finds what the acts record and the terms lack: a change that is
// missing, a change that was taken back but still stands, a deleted thing that
// still stands.
func (v *verifier) lostTerms() error {
	rows, err := v.tx.QueryContext(
		v.ctx,
		`WITH said AS (SELECT seq, action, target, body, substr(target, 1, instr(target, '/') - 1) AS kind, substr(target, instr(target, '/') + 1) AS id
			FROM acts WHERE target LIKE 'lease/%' OR target LIKE 'plan/%')
		SELECT seq, target FROM said WHERE action = 'put' AND json_extract(body, '$.effective_from') IS NOT NULL AND NOT
		EXISTS (SELECT 1 FROM terms t WHERE t.entry = said.seq)
		UNION ALL SELECT seq, target FROM said, json_each(said.body, '$.takes_back') n WHERE action = 'put'
			AND NOT EXISTS (SELECT 1 FROM terms t WHERE t.kind = said.kind AND t.id = said.id
			AND t.n = CAST(n.value AS BIGINT) AND
			t.gone_entry = said.seq)
		UNION ALL SELECT said.seq, target FROM said JOIN terms t ON t.kind = said.kind AND t.id = said.id
			WHERE action = 'delete' AND t.entry <> 0 AND t.entry < said.seq AND t.gone_at IS NULL ORDER BY 1 LIMIT 1`,
	)
	return each(rows, err, func(rows *sql.Rows) error {
		var seq int64
		var target string
		if err := rows.Scan(&seq, &target); err != nil {
			return err
		}
		return v.broken(seq, "a version of %s is not as it was recorded", target)
	})
}

// recorded reports whether an act records what terms contain, and from when.
func recorded(act, body, kind string, day catalogue.Day) bool {
	said, _ := withoutHashes([]byte(act))
	is, _ := withoutHashes([]byte(body))
	from := said["effective_from"]
	delete(said, "effective_from")
	delete(said, "takes_back")
	if kind != "tenant" && from != tenancy.WriteDay(day) {
		return false
	}
	return reflect.DeepEqual(said, is)
}
