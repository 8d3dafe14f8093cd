-- +goose Up
-- Where each subject's reads left them, in the space itself: what badges tell
-- of occupancy. Begins at a read; loses its subject with it.
CREATE TABLE stays (
    id      INTEGER PRIMARY KEY,
    subject TEXT,             -- m:member or p:pass; NULL once erased
    space   TEXT NOT NULL,
    from_at INTEGER NOT NULL,
    to_at   INTEGER NOT NULL  -- may lie ahead: an ending not yet due
);
CREATE INDEX stays_space ON stays (space, from_at);
CREATE INDEX stays_subject ON stays (subject, from_at) WHERE subject IS NOT NULL;

-- When each reader was first heard, by the messages' own time.
CREATE TABLE first_heard (
    device TEXT PRIMARY KEY,
    at     INTEGER NOT NULL
) WITHOUT ROWID;

-- When each reader said that it was silent (0) or showed that it was not (1).
CREATE TABLE reader_life (
    device TEXT NOT NULL,
    at     INTEGER NOT NULL,
    alive  INTEGER NOT NULL,
    PRIMARY KEY (device, at)
) WITHOUT ROWID;

-- What values a sensor sent when.
CREATE INDEX observations_value ON observations (device, at) WHERE what IN ('count', 'occupancy', 'flow');

-- The series: a space's minutes of one day (UTC) as runs (package occupancy).
CREATE TABLE series_days (
    space TEXT NOT NULL,
    day   INTEGER NOT NULL, -- since 1970-01-01
    body  BLOB NOT NULL,
    PRIMARY KEY (space, day)
) WITHOUT ROWID;

-- Minutes [from_minute, to_minute) of a space that must be made again.
CREATE TABLE series_dirty (
    id          INTEGER PRIMARY KEY,
    space       TEXT NOT NULL,
    from_minute INTEGER NOT NULL,
    to_minute   INTEGER NOT NULL
);

-- Hours of the series that an outside database has not been given, or not as
-- they are now; version tells whether they changed while being sent.
CREATE TABLE series_outbox (
    space   TEXT NOT NULL,
    hour    INTEGER NOT NULL, -- since 1970-01-01 00:00 UTC
    version INTEGER NOT NULL,
    PRIMARY KEY (space, hour)
) WITHOUT ROWID;

-- How long readers waited for decisions, by site and minute.
CREATE TABLE decision_times (
    minute  INTEGER NOT NULL,
    site    TEXT NOT NULL,
    count   INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    mean_us INTEGER NOT NULL,
    p50_us  INTEGER NOT NULL,
    p99_us  INTEGER NOT NULL,
    max_us  INTEGER NOT NULL,
    PRIMARY KEY (minute, site)
) WITHOUT ROWID;

-- Stays are made with the visits, of all reads that are still kept.
DELETE FROM cursors WHERE name = 'visits';

-- +goose Down
DROP TABLE decision_times; DROP TABLE series_outbox; DROP TABLE series_dirty; DROP TABLE series_days;
DROP INDEX observations_value; DROP TABLE reader_life; DROP TABLE first_heard; DROP TABLE stays;
