-- +goose Up
-- A person's hours of a month, made of their visits: what a month's hours and
-- statements are summed from. A row whose marked is not made is made again
-- when it is next asked for. month counts from the year 0: year * 12 + month - 1.
CREATE TABLE hours (
    month  INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    member TEXT NOT NULL,
    marked INTEGER NOT NULL,             -- how often what it is made of has changed
    made   INTEGER NOT NULL DEFAULT 0,   -- marked, as it was made
    basis  INTEGER NOT NULL DEFAULT 0,   -- of the catalogue it was made with
    open   INTEGER NOT NULL DEFAULT 0,   -- the first day of a visit still going on: not in body; 0: none
    due    INTEGER,                      -- when that visit ends, unless a read says more
    body   BLOB NOT NULL DEFAULT x'',
    PRIMARY KEY (month, tenant, member)
) WITHOUT ROWID;
CREATE INDEX hours_member ON hours (member);
CREATE INDEX hours_marked ON hours (month) WHERE marked <> made;
CREATE INDEX hours_due ON hours (due) WHERE due IS NOT NULL;

-- A day more on each side holds the month of any time zone.
INSERT OR IGNORE INTO hours (month, tenant, member, marked)
    SELECT DISTINCT strftime('%Y', from_at / 1000 + d.s, 'unixepoch') * 12 + strftime('%m', from_at / 1000 + d.s, 'unixepoch') - 1, tenant, member, 1
    FROM visits, (SELECT -86400 AS s UNION ALL SELECT 0 UNION ALL SELECT 2 * 86400) d WHERE member IS NOT NULL
    UNION
    SELECT DISTINCT strftime('%Y', c.from_at / 1000 + d.s, 'unixepoch') * 12 + strftime('%m', c.from_at / 1000 + d.s, 'unixepoch') - 1, v.tenant, v.member, 1
    FROM corrections c JOIN visits v ON v.id = c.visit, (SELECT -86400 AS s UNION ALL SELECT 0 UNION ALL SELECT 2 * 86400) d WHERE v.member IS NOT NULL;

-- +goose Down
DROP TABLE hours;
