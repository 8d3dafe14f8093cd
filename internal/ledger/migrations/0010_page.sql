-- +goose Up
-- Sessions of the page: a browser's cookie holds an id, of which the hash
-- stands here. A session is its token's: token_hash tells that the token is
-- still the one that it was made with.
CREATE TABLE sessions (
    hash       BLOB PRIMARY KEY,
    token      TEXT NOT NULL,
    token_hash BLOB NOT NULL,
    used_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The plans of buildings, SVG drawings, as the catalogue last brought them.
CREATE TABLE plans (
    building TEXT PRIMARY KEY,
    svg      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE plans;
DROP TABLE sessions;
