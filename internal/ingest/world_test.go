package ingest_test

import (
	"github.com/lorntech/totem/internal/wire"
)

func listed(l wire.List, hash [32]byte) bool {
	return len(l.Rights(hash)) > 0
}
