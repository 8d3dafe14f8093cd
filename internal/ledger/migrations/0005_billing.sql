-- +goose Up
-- What plans and leases were, each from a local day on: bills price a day by
-- what was so on it. The first version is from the beginning of time.
CREATE TABLE versions (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    day  INTEGER NOT NULL,
    body TEXT,             -- NULL: deleted
    PRIMARY KEY (kind, id, day)
) WITHOUT ROWID;
INSERT INTO versions (kind, id, day, body) SELECT kind, id, 0, body FROM records WHERE kind IN ('plan', 'lease');

-- Issued statements: never changed. number counts without holes.
CREATE TABLE statements (
    number    INTEGER PRIMARY KEY,
    month     TEXT NOT NULL,
    lease     TEXT NOT NULL,
    tenant    TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    body      TEXT NOT NULL,
    UNIQUE (month, lease)
);
CREATE INDEX statements_tenant ON statements (tenant, number);
CREATE INDEX statements_lease ON statements (lease, number);

-- +goose Down
DROP TABLE statements; DROP TABLE versions;
