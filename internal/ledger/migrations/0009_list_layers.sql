-- +goose Up
-- How many keys of allowlists a device was given with its secret: its list
-- hashes badges with as many, one over the other.
ALTER TABLE device_secrets ADD COLUMN list_layers INTEGER NOT NULL DEFAULT 1;

-- +goose Down
ALTER TABLE device_secrets DROP COLUMN list_layers;
