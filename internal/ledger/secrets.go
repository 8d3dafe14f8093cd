package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/lorntech/totem/internal/catalogue"
)

// PutDeviceSecret sets a device's secret: its hash for Totem, its hash for
// Mosquitto, and how many list keys the device gets with it (0: none now).
func (tx *Tx) PutDeviceSecret(device catalogue.DeviceID, hash []byte, mosquitto string, listKeys int) error {
	return tx.run(
		`INSERT INTO device_secrets (device, hash, mosquitto, list_layers) VALUES (?1, ?2, ?3, max(?4, 1)) ON CONFLICT (device) DO UPDATE
		SET hash = excluded.hash, mosquitto = excluded.mosquitto, list_layers = CASE WHEN ?4 > 0 THEN ?4 ELSE device_secrets.list_layers END`,
		string(device),
		hash,
		mosquitto,
		listKeys,
	)
}

// ListKeys returns how many list keys each device got with its secret.
func (l *Ledger) ListKeys(ctx context.Context) (map[catalogue.DeviceID]int, error) {
	given := map[catalogue.DeviceID]int{}
	rows, err := l.reads.QueryContext(ctx, "SELECT device, list_layers FROM device_secrets")
	err = each(rows, err, func(rows *sql.Rows) error {
		var device catalogue.DeviceID
		var n int
		err := rows.Scan(&device, &n)
		given[device] = n
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load list keys: %w", err)
	}
	return given, nil
}

// BrokerPasswords returns the devices' secrets as Mosquitto stores them, as far
// as they are known.
func (l *Ledger) BrokerPasswords(ctx context.Context) (map[catalogue.DeviceID]string, error) {
	m := map[catalogue.DeviceID]string{}
	rows, err := l.reads.QueryContext(ctx, "SELECT device, mosquitto FROM device_secrets WHERE mosquitto IS NOT NULL")
	err = each(rows, err, func(rows *sql.Rows) error {
		var id catalogue.DeviceID
		var hash string
		err := rows.Scan(&id, &hash)
		m[id] = hash
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load broker passwords: %w", err)
	}
	return m, nil
}

// DeviceSecrets returns the hashes of all devices' secrets.
func (l *Ledger) DeviceSecrets(ctx context.Context) (map[catalogue.DeviceID][]byte, error) {
	m := map[catalogue.DeviceID][]byte{}
	rows, err := l.reads.QueryContext(ctx, "SELECT device, hash FROM device_secrets")
	err = each(rows, err, func(rows *sql.Rows) error {
		var id catalogue.DeviceID
		var hash []byte
		err := rows.Scan(&id, &hash)
		m[id] = hash
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load device secrets: %w", err)
	}
	return m, nil
}
