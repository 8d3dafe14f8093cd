-- +goose Up
-- Who told a catalogue: "totem" where the service started with it.
ALTER TABLE catalogues ADD COLUMN actor TEXT NOT NULL DEFAULT 'totem';

-- +goose Down
ALTER TABLE catalogues DROP COLUMN actor;
