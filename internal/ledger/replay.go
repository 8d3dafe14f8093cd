package ledger

import (
	"database/sql"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lorntech/totem/internal/tenancy"
)

// Whoever can write the file could change the tables on which decisions depend.
// Every change through Totem is recorded as an act in the chain. The last act on a
// record therefore shows what the table must contain.

// lastAct is the last act on a thing.
type lastAct struct {
	seq    int64
	action string
	body   []byte
}

// compareState compares the tables on which decisions depend with the acts.
func (v *verifier) compareState() error {
	acts := map[string]lastAct{}
	rows, err := v.tx.QueryContext(v.ctx, "SELECT seq, action, target, body FROM acts WHERE target <> '' ORDER BY seq")
	err = each(rows, err, func(rows *sql.Rows) error {
		var a lastAct
		var target string
		var body sql.NullString
		if err := rows.Scan(&a.seq, &a.action, &target, &body); err != nil {
			return err
		}
		if a.action == "acknowledge" || a.action == "unlock" || a.action == "look" {
			return nil
		}
		a.body = []byte(body.String)
		acts[target] = a
		return nil
	})
	if err != nil {
		return err
	}
	if err := v.terms(acts); err != nil {
		return err
	}
	if err := v.lostTerms(); err != nil {
		return err
	}
	there := map[string]bool{}
	for _, check := range []func(map[string]lastAct, map[string]bool) error{v.records, v.tokens, v.secrets,
		v.corrections, v.statements, v.lockdowns, v.catalogues, v.rents, v.webhooks} {
		if err := check(acts, there); err != nil {
			return err
		}
	}
	for target, a := range acts {
		kind, id, _ := strings.Cut(target, "/")
		switch {
		case there[target] || a.action == "delete" || a.action == "erase" || kind == "site":
		case kind == correctionKind:
			if gone, err := v.visitIsGone(id); err != nil || gone {
				if err != nil {
					return err
				}
				continue
			}
			return v.broken(a.seq, "%s was put, but does not exist", target)
		case a.action == "put" || a.action == "secret" || a.action == "issue":
			return v.broken(a.seq, "%s was put, but does not exist", target)
		}
	}
	return v.quickCheck()
}

// differs reports as a broken chain that a thing in a table is not as its last act left it.
func (v *verifier) differs(acts map[string]lastAct, target string) error {
	a, ok := acts[target]
	if !ok {
		return v.broken(v.audit.Entries, "%s exists, but no act has put it", target)
	}
	return v.broken(a.seq, "%s is not as it was last put", target)
}

func (v *verifier) records(acts map[string]lastAct, there map[string]bool) error {
	rows, err := v.tx.QueryContext(v.ctx, "SELECT kind, id, body FROM records WHERE kind <> 'former' ORDER BY kind, id")
	return each(rows, err, func(rows *sql.Rows) error {
		var kind, id string
		var body []byte
		if err := rows.Scan(&kind, &id, &body); err != nil {
			return err
		}
		target := kind + "/" + id
		there[target] = true
		now, seal := withoutHashes(body)
		a, ok := acts[target]
		// A deleted pass keeps its record, so that its token is refused; the record loses its
		// host when that person is deleted. So it need not agree with the pass's last act.
		if kind == "pass" && now["deleted"] == true {
			return nil
		}
		then, sealed := withoutHashes(a.body)
		delete(then, "effective_from") // fields of a plan or a lease that only its act has
		delete(then, "takes_back")
		if !ok || a.action != "put" || !reflect.DeepEqual(now, then) || sealed != "" && sealed != seal {
			return v.differs(acts, target)
		}
		return nil
	})
}

// withoutHashes returns a record without its hashes, and their seal.
func withoutHashes(body []byte) (fields map[string]any, seal string) {
	var hashes struct {
		Lookup  []byte `json:"lookup"`
		ForList []byte `json:"for_list"`
		Seal    string `json:"seal"`
	}
	if json.Unmarshal(body, &fields) != nil || json.Unmarshal(body, &hashes) != nil {
		return map[string]any{"unreadable": string(body)}, ""
	}
	seal = hashes.Seal
	if hashes.Lookup != nil {
		seal = Seal(hashes.Lookup, hashes.ForList)
	}
	for _, key := range []string{"lookup", "for_list", "seal"} {
		delete(fields, key)
	}
	return fields, seal
}

func (v *verifier) tokens(acts map[string]lastAct, there map[string]bool) error {
	rows, err := v.tx.QueryContext(v.ctx, "SELECT "+tokenColumns+" FROM tokens ORDER BY id")
	return each(rows, err, func(rows *sql.Rows) error {
		t, err := scanToken(rows)
		if err != nil {
			return err
		}
		target := "token/" + t.ID
		there[target] = true
		var then, now tokenTerms
		a, ok := acts[target]
		if !ok || a.action != "put" || json.Unmarshal(a.body, &then) != nil || json.Unmarshal(t.Terms(), &now) != nil ||
			then.Role != now.Role {
			return v.differs(acts, target)
		}
		// Acts recorded before tokens were sealed have fewer fields.
		if then.Sites != nil && !slices.Equal(then.Sites, now.Sites) || then.Seal != "" && !reflect.DeepEqual(then, now) {
			return v.differs(acts, target)
		}
		return nil
	})
}

func (v *verifier) secrets(acts map[string]lastAct, there map[string]bool) error {
	rows, err := v.tx.QueryContext(v.ctx,
		"SELECT device, hash, coalesce(mosquitto, '') FROM device_secrets ORDER BY device",
	)
	return each(rows, err, func(rows *sql.Rows) error {
		var device, mosquitto string
		var hash []byte
		if err := rows.Scan(&device, &hash, &mosquitto); err != nil {
			return err
		}
		target := "device/" + device
		there[target] = true
		var then tokenTerms
		a, ok := acts[target]
		if !ok || a.action != "secret" || json.Unmarshal(a.body, &then) != nil ||
			then.Seal != "" && then.Seal != Seal(hash, []byte(mosquitto)) {
			return v.differs(acts, target)
		}
		return nil
	})
}

func (v *verifier) webhooks(acts map[string]lastAct, there map[string]bool) error {
	rows, err := v.tx.QueryContext(v.ctx, selectWebhooks+" ORDER BY id")
	return each(rows, err, func(rows *sql.Rows) error {
		w, err := scanWebhook(rows)
		if err != nil {
			return err
		}
		target := "webhook/" + w.ID
		there[target] = true
		if a, ok := acts[target]; !ok || string(a.body) != string(WebhookAct(&w)) {
			return v.differs(acts, target)
		}
		return nil
	})
}

func (v *verifier) corrections(acts map[string]lastAct, there map[string]bool) error {
	rows, err := v.tx.QueryContext(
		v.ctx,
		"SELECT c.visit, c.from_at, c.to_at, c.reason, c.author, v.member FROM corrections c LEFT JOIN visits v ON v.id = c.visit",
	)
	return each(rows, err, func(rows *sql.Rows) error {
		var id []byte
		var from, to int64
		var reason, author string
		var member sql.NullString
		if err := rows.Scan(&id, &from, &to, &reason, &author, &member); err != nil {
			return err
		}
		target := CorrectionTarget([16]byte(id))
		there[target] = true
		a, ok := acts[target]
		if !ok && reason == "" && Nameless(tenancy.MemberID(member.String)) { // its person was erased, and the act with them
			return nil
		}
		var then struct {
			From, To       time.Time
			Reason, Author string
		}
		if !ok || a.action != "put" || json.Unmarshal(a.body, &then) != nil || ms(then.From) != from || ms(then.To) != to ||
			then.Reason != reason || then.Author != author {
			return v.differs(acts, target)
		}
		return nil
	})
}

func (v *verifier) visitIsGone(id string) (gone bool, err error) {
	visit, err := uuid.Parse(id)
	if err != nil {
		return true, nil //nolint:nilerr // no visit has an id that is not a UUID
	}
	var n int
	err = v.tx.QueryRowContext(v.ctx, "SELECT count(*) FROM visits WHERE id = ?", visit[:]).Scan(&n)
	return n == 0, err
}

func (v *verifier) statements(acts map[string]lastAct, there map[string]bool) error {
	rows, err := v.tx.QueryContext(v.ctx, "SELECT body FROM statements ORDER BY number")
	return each(rows, err, func(rows *sql.Rows) error {
		var body []byte
		var s struct{ ID string }
		if err := rows.Scan(&body); err != nil {
			return err
		}
		_ = json.Unmarshal(body, &s) // where it is not JSON no act is found
		target := "statement/" + s.ID
		there[target] = true
		if a, ok := acts[target]; !ok || string(a.body) != string(body) {
			return v.differs(acts, target)
		}
		return nil
	})
}

func (v *verifier) lockdowns(acts map[string]lastAct, _ map[string]bool) error {
	open := map[string]bool{}
	rows, err := v.tx.QueryContext(v.ctx, "SELECT site FROM lockdowns WHERE to_at IS NULL")
	err = each(rows, err, func(rows *sql.Rows) error {
		var site string
		err := rows.Scan(&site)
		open[site] = true
		return err
	})
	if err != nil {
		return err
	}
	for target, a := range acts {
		if site, ok := strings.CutPrefix(target, "site/"); ok && a.action == "lockdown" {
			var then struct{ Active bool }
			if json.Unmarshal(a.body, &then) != nil || then.Active != open[site] {
				return v.differs(acts, target)
			}
			delete(open, site)
		}
	}
	for site := range open {
		return v.differs(acts, "site/"+site)
	}
	return nil
}

// quickCheck asks SQLite whether its file is damaged. For PostgreSQL it checks nothing.
func (v *verifier) quickCheck() error {
	fault, err := v.engine.damage(v.ctx, v.tx)
	if err == nil && fault != "" {
		return v.broken(v.audit.Entries, "the database file is damaged: %s", fault)
	}
	return err
}
