-- +goose Up
-- A device's secret as Mosquitto keeps it: for its password file.
ALTER TABLE device_secrets ADD COLUMN mosquitto TEXT;

-- +goose Down
ALTER TABLE device_secrets DROP COLUMN mosquitto;
