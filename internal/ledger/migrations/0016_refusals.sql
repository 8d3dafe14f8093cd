-- +goose Up
-- Which doors refused badges in that minute, and why, as JSON.
ALTER TABLE decision_times ADD COLUMN refusals TEXT NOT NULL DEFAULT '[]';

-- +goose Down
ALTER TABLE decision_times DROP COLUMN refusals;
