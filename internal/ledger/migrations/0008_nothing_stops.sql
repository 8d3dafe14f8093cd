-- +goose Up
-- Whose reads are committed and not in visits yet: what a follower has still
-- to make, the newest first. A row goes when its visits are made.
CREATE TABLE touched (
    subject     TEXT PRIMARY KEY,  -- m:member or p:pass
    from_at     INTEGER NOT NULL,  -- of the reads' own instants, both included
    to_at       INTEGER NOT NULL,
    received_at INTEGER NOT NULL,  -- the earliest arrival among them
    marked      INTEGER NOT NULL   -- how often it was touched: it may be again while it is being made
) WITHOUT ROWID;
CREATE INDEX touched_newest ON touched (to_at);

-- When each reader's last will arrived.
CREATE TABLE reader_wills (
    device TEXT PRIMARY KEY,
    at     INTEGER NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE reader_wills; DROP TABLE touched;
