-- +goose Up
-- Rents per m² that were set without the catalogue's file, as they were
-- recorded. A space is named as it was at first: renaming it changes nothing here.
CREATE TABLE rents (
    n      INTEGER PRIMARY KEY,
    space  TEXT NOT NULL,
    day    INTEGER NOT NULL,
    cents  INTEGER NOT NULL,
    reason TEXT NOT NULL,
    actor  TEXT NOT NULL,
    at     INTEGER NOT NULL,
    entry  INTEGER NOT NULL -- of the audit chain
);

-- +goose Down
DROP TABLE rents;
