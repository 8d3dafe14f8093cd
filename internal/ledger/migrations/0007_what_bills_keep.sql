-- +goose Up
-- A visit whose reads are no longer kept, all or some: it stays as it was made.
ALTER TABLE visits ADD COLUMN settled INTEGER NOT NULL DEFAULT 0;
UPDATE visits SET settled = 1 WHERE NOT EXISTS (SELECT 1 FROM reads WHERE reads.member = visits.member AND reads.at = visits.from_at);

-- What tenants were called: a statement names them when they are gone.
INSERT INTO versions (kind, id, day, body) SELECT kind, id, 0, body FROM records WHERE kind = 'tenant';

-- +goose Down
DELETE FROM versions WHERE kind = 'tenant';
ALTER TABLE visits DROP COLUMN settled;
