-- +goose Up
-- What was recorded of plans, leases and tenants (whose names statements
-- print), and from which local day it holds: the first from the beginning (0).
-- One that was taken back, or replaced on the day on which it was made, is gone:
-- it stays so that what was known at an instant can be asked.
CREATE TABLE terms (
    kind       TEXT NOT NULL,
    id         TEXT NOT NULL,
    n          INTEGER NOT NULL,     -- counts from 1 for each thing
    day        INTEGER NOT NULL,
    body       TEXT,                 -- NULL: it was deleted
    at         INTEGER NOT NULL,     -- when it was recorded, ms; 0: of before that was noted
    actor      TEXT NOT NULL,
    entry      INTEGER NOT NULL,     -- of the audit chain; 0: of before that was noted
    gone_at    INTEGER,
    gone_entry INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, id, n)
) WITHOUT ROWID;
CREATE INDEX terms_entry ON terms (entry);
INSERT INTO terms (kind, id, n, day, body, at, actor, entry)
    SELECT kind, id, row_number() OVER (PARTITION BY kind, id ORDER BY day), day, body, day * 86400000, '', 0 FROM versions;
-- A lease that was deleted before anything was issued on it never was.
UPDATE terms SET gone_at = (SELECT max(l.at) FROM terms l WHERE l.kind = 'lease' AND l.id = terms.id)
    WHERE kind = 'lease' AND id NOT IN (SELECT lease FROM statements)
    AND id IN (SELECT v.id FROM versions v WHERE v.kind = 'lease' AND v.body IS NULL AND v.day = (SELECT max(day) FROM versions w WHERE w.kind = 'lease' AND w.id = v.id));
UPDATE hours SET marked = marked + 1;
DROP TABLE versions;

-- +goose Down
CREATE TABLE versions (kind TEXT NOT NULL, id TEXT NOT NULL, day INTEGER NOT NULL, body TEXT, PRIMARY KEY (kind, id, day)) WITHOUT ROWID;
INSERT OR REPLACE INTO versions (kind, id, day, body) SELECT kind, id, day, body FROM terms WHERE gone_at IS NULL ORDER BY kind, id, n;
DROP TABLE terms;
