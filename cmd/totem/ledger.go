package main

import (
	"context"
	"os"

	"github.com/lorntech/totem/internal/admin"
)

type ledgerCmd struct {
	Copy ledgerCopyCmd `cmd:"" help:"Copy a ledger from a data folder into a PostgreSQL database, or back; a copy that was stopped goes on."`
}

type ledgerCopyCmd struct {
	From string `arg:"" help:"A data folder, or postgres://user@host:5432/database; its password may be in PGPASSWORD or a .pgpass file. No service may run on it."`
	To   string `arg:"" help:"An empty folder or database, or one into which this copy has begun."`
}

func (c *ledgerCopyCmd) Run(ctx context.Context, out *printer) error {
	return admin.CopyLedger(ctx, c.From, c.To, out, os.Stderr)
}
