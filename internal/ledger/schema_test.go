package ledger

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lorntech/totem/internal/ledger/pgtest"
)

// Both databases have the tables that a copy copies, with the same columns: a
// migration that is written for one of them only is found here.
func TestBothDatabasesHaveTheSameTables(t *testing.T) {
	columns := func(place, query string) map[string][]string {
		l, err := Open(t.Context(), place)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		rows, err := l.pool.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		all := map[string][]string{}
		for rows.Next() {
			var table, column, kind string
			if err := rows.Scan(&table, &column, &kind); err != nil {
				t.Fatal(err)
			}
			all[table] = append(all[table], column+" "+kind)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return all
	}
	inSQLite := columns(
		t.TempDir(),
		`SELECT m.name, c.name, upper(c.type) FROM sqlite_schema m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE 'goose%' ORDER BY 1, 2`,
	)
	listed := map[string]bool{}
	for _, table := range tables {
		listed[table.name] = true
		for _, column := range table.key {
			if !slices.ContainsFunc(inSQLite[table.name], func(c string) bool { return strings.HasPrefix(c, column+" ") }) {
				t.Errorf("%s has no column %s", table.name, column)
			}
		}
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(inSQLite)), slices.Sorted(maps.Keys(listed))); d != "" {
		t.Errorf("what a copy leaves out (-there +copied)\n%s", d)
	}
	pgtest.Need(t)
	inPostgreSQL := columns(pgtest.Start(t).Database(t), `
		SELECT table_name, column_name, CASE data_type
			WHEN 'bigint' THEN 'INTEGER' WHEN 'bytea' THEN 'BLOB' WHEN 'double precision' THEN 'REAL'
			WHEN 'text' THEN 'TEXT' || CASE WHEN collation_name = 'C' OR column_name = 'refusals' THEN '' ELSE ' not COLLATE "C"' END
			ELSE data_type END
		FROM information_schema.columns -- refusals has no collation: it is never sorted
		WHERE table_schema = current_schema() AND table_name NOT LIKE 'goose%' AND table_name <> 'commits' ORDER BY 1, column_name COLLATE "C"`)
	if d := cmp.Diff(inSQLite, inPostgreSQL); d != "" {
		t.Errorf("(-SQLite +PostgreSQL)\n%s", d)
	}
}
