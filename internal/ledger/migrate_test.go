package ledger

import (
	"database/sql"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"
)

// tablesOf returns the tables of a ledger's file with their columns.
func tablesOf(t *testing.T, db *sql.DB) map[string][]string {
	t.Helper()
	tables := map[string][]string{}
	rows, err := db.Query(`SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'goose_%'`)
	err = each(rows, err, func(rows *sql.Rows) error {
		var table, column string
		err := rows.Scan(&table, &column)
		tables[table] = append(tables[table], column)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

// fillTable puts one row into a table: a value of its type into each column.
func fillTable(db *sql.DB, table string) error {
	var names, values []string
	rows, err := db.Query("SELECT name, type FROM pragma_table_info(?)", table)
	err = each(rows, err, func(rows *sql.Rows) error {
		var name, kind string
		err := rows.Scan(&name, &kind)
		value := map[string]string{"INTEGER": "7", "TEXT": `'{"t":1}'`, "BLOB": "x'00112233445566778899aabbccddeeff'", "REAL": "1.5"}[kind]
		names, values = append(names, name), append(values, value)
		return err
	})
	if err != nil {
		return err
	}
	_, err = db.Exec(
		"INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")",
	)
	return err
}

// TestAFolderOfEveryEarlierSchemaOpens makes a ledger of each version of the
// schema, with a row in every table, and opens it: it has the present schema,
// and no row is lost.
func TestAFolderOfEveryEarlierSchemaOpens(t *testing.T) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	newest := t.TempDir()
	l, err := Open(t.Context(), newest)
	if err != nil {
		t.Fatal(err)
	}
	want := tablesOf(t, l.pool)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	all, err := goose.NewProvider(goose.DialectSQLite3, mustOpen(t, newest), sub)
	if err != nil {
		t.Fatal(err)
	}
	versions := all.ListSources()
	if len(versions) < 13 {
		t.Fatalf("only %d versions", len(versions))
	}
	for _, v := range versions {
		t.Run(fmt.Sprintf("schema %d", v.Version), func(t *testing.T) {
			dir := t.TempDir()
			db := mustOpen(t, dir)
			old, err := goose.NewProvider(goose.DialectSQLite3, db, sub)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := old.UpTo(t.Context(), v.Version); err != nil {
				t.Fatal(err)
			}
			before := tablesOf(t, db)
			rows := map[string]int{}
			for table := range before {
				var n int
				if err := fillTable(db, table); err != nil {
					t.Fatalf("%s: %v", table, err)
				}
				if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
					t.Fatal(err)
				}
				rows[table] = n
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			l, err := Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			got := tablesOf(t, l.pool)
			for table, columns := range want {
				if strings.Join(got[table], " ") != strings.Join(columns, " ") {
					t.Errorf("%s has %v, a new ledger's has %v", table, got[table], columns)
				}
			}
			for table, n := range rows {
				var left int
				if want[table] == nil {
					t.Logf("%s is no longer kept", table)
				} else if err := l.pool.QueryRow("SELECT count(*) FROM " + table).Scan(&left); err != nil || left < n {
					t.Errorf("%s: %d rows, had %d: %v", table, left, n, err)
				}
			}
		})
	}
}

func mustOpen(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := open(filepath.Join(dir, FileName), url.Values{"_pragma": {"journal_mode(WAL)"}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
