-- +goose Up
-- Each catalogue that a service ran with, and from when it holds (Unix ms); the
-- first from the beginning. body is the file's text.
CREATE TABLE catalogues (
    n     INTEGER PRIMARY KEY,
    since INTEGER NOT NULL,
    at    INTEGER NOT NULL,   -- when it was recorded
    name  TEXT NOT NULL,      -- of the file
    entry INTEGER NOT NULL,   -- of the audit chain
    body  TEXT NOT NULL
);

-- +goose Down
DROP TABLE catalogues;
