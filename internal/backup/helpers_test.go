package backup_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/lorntech/totem/internal/catalogue"
	"github.com/lorntech/totem/internal/keys"
	"github.com/lorntech/totem/internal/ledger"
)

// alter changes a ledger behind its back.
func alter(t *testing.T, data, query string) error {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(data, ledger.FileName))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(query)
	return err
}

// otherKeys makes keys that belong to no ledger.
func otherKeys(data string) error {
	n, err := catalogue.Default()
	if err != nil {
		return err
	}
	_, err = keys.Open(keys.Path(data), n.Sites, nil, false)
	return err
}
