-- +goose Up
-- Instants are Unix milliseconds, message ids 16 bytes, booleans 0 or 1.

-- The audit chain: hash = SHA-256(previous hash, seq, kind, commitment).
-- commitment = HMAC-SHA-256(nonce, the entry's content); nonce and content
-- stand in the entry's own table, so that forgetting them leaves the chain whole.
CREATE TABLE chain (
    seq        INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL,
    commitment BLOB NOT NULL,
    hash       BLOB NOT NULL
);

-- Every message ever committed, by id: what a repeat is compared with.
CREATE TABLE seen (
    id     BLOB PRIMARY KEY,
    digest BLOB NOT NULL,    -- keyed, of the canonical body
    seq    INTEGER NOT NULL  -- of the read (> 0), or 0 for an observation
) WITHOUT ROWID;

-- Badges with Totem's own answer; seq is the chain's.
CREATE TABLE reads (
    seq         INTEGER PRIMARY KEY,
    id          BLOB NOT NULL,
    at          INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    device      TEXT NOT NULL,
    door        TEXT NOT NULL,
    direction   TEXT NOT NULL,
    credential  BLOB,         -- keyed hash; NULL once erased
    member      TEXT,
    pass        TEXT,
    granted     INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    lease       TEXT,
    open_ms     INTEGER NOT NULL,
    not_after   INTEGER NOT NULL,
    boot        BLOB,         -- the device's, with counter: its own numbering
    counter     INTEGER,
    nonce       BLOB          -- NULL once erased
);
CREATE INDEX reads_member ON reads (member, at) WHERE member IS NOT NULL;
CREATE INDEX reads_pass ON reads (pass, at) WHERE pass IS NOT NULL;
CREATE INDEX reads_at ON reads (at);

-- What a reader did by itself with a read (docs/rules.md 2.2, offline).
CREATE TABLE reader_decisions (
    read_seq    INTEGER PRIMARY KEY,
    seq         INTEGER NOT NULL, -- the chain's; the read's own where both came in one message
    granted     INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    list        TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    nonce       BLOB
);
CREATE UNIQUE INDEX reader_decisions_seq ON reader_decisions (seq);

-- Sensor messages, door states, statuses.
CREATE TABLE observations (
    seq         INTEGER PRIMARY KEY,
    id          BLOB NOT NULL,
    at          INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    device      TEXT NOT NULL,
    what        TEXT NOT NULL,
    body        TEXT NOT NULL
);

CREATE TABLE rejects (
    seq         INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL,
    topic       TEXT NOT NULL,
    payload     BLOB NOT NULL,
    reason      TEXT NOT NULL
);

-- Administrative acts and remote actions; seq is the chain's.
CREATE TABLE acts (
    seq    INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL, -- kind/id
    body   TEXT,          -- NULL once erased
    nonce  BLOB           -- NULL once erased
);
CREATE INDEX acts_target ON acts (target, seq);

-- Tenants, members, credentials, schedules, plans, leases, passes, events.
CREATE TABLE records (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;

CREATE TABLE lockdowns (
    seq     INTEGER PRIMARY KEY,
    site    TEXT NOT NULL,
    from_at INTEGER NOT NULL,
    to_at   INTEGER
);

CREATE TABLE visits (
    id      BLOB PRIMARY KEY,
    member  TEXT,          -- NULL once erased
    tenant  TEXT NOT NULL,
    space   TEXT NOT NULL,
    from_at INTEGER NOT NULL,
    to_at   INTEGER NOT NULL,
    ended   TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX visits_member ON visits (member, from_at);
CREATE INDEX visits_space ON visits (space, from_at);
CREATE INDEX visits_tenant ON visits (tenant, from_at);
CREATE INDEX visits_from ON visits (from_at);

CREATE TABLE corrections (
    visit   BLOB PRIMARY KEY,
    from_at INTEGER NOT NULL,
    to_at   INTEGER NOT NULL,
    reason  TEXT NOT NULL,
    author  TEXT NOT NULL,
    at      INTEGER NOT NULL
) WITHOUT ROWID;

-- Where each subject's last granted read left them, until when it counts.
CREATE TABLE presence (
    subject TEXT PRIMARY KEY, -- m:member or p:pass
    space   TEXT NOT NULL,
    since   INTEGER NOT NULL,
    until   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX presence_until ON presence (until);

CREATE TABLE alarms (
    id              TEXT PRIMARY KEY,
    kind            TEXT NOT NULL,
    site            TEXT NOT NULL,
    device          TEXT NOT NULL,
    door            TEXT NOT NULL,
    space           TEXT NOT NULL,
    detail          TEXT NOT NULL,
    since           INTEGER NOT NULL,
    cleared_at      INTEGER,
    acknowledged_by TEXT
) WITHOUT ROWID;
CREATE INDEX alarms_since ON alarms (since);

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    role       TEXT NOT NULL,
    sites      TEXT NOT NULL,
    tenant     TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    expires_at INTEGER
) WITHOUT ROWID;

CREATE TABLE device_secrets (
    device TEXT PRIMARY KEY,
    hash   BLOB NOT NULL
) WITHOUT ROWID;

-- The allowlist each reader was last given.
CREATE TABLE allowlists (
    device     TEXT PRIMARY KEY,
    version    INTEGER NOT NULL,
    digest     BLOB NOT NULL, -- of the entries
    issued_at  INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    payload    BLOB NOT NULL
) WITHOUT ROWID;

-- How far each follower of the ledger has come.
CREATE TABLE cursors (
    name TEXT PRIMARY KEY,
    seq  INTEGER NOT NULL
) WITHOUT ROWID;

-- Live state as of a sequence number: what a start needs not replay.
CREATE TABLE snapshots (
    name    TEXT PRIMARY KEY,
    obs_seq INTEGER NOT NULL,
    read_seq INTEGER NOT NULL,
    body    BLOB NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE snapshots; DROP TABLE cursors; DROP TABLE allowlists; DROP TABLE device_secrets;
DROP TABLE tokens; DROP TABLE alarms; DROP TABLE presence; DROP TABLE corrections; DROP TABLE visits;
DROP TABLE lockdowns; DROP TABLE records; DROP TABLE acts; DROP TABLE rejects; DROP TABLE observations;
DROP TABLE reader_decisions; DROP TABLE reads; DROP TABLE seen; DROP TABLE chain;
