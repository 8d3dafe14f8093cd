-- +goose Up
-- Where events are sent, and the events with what became of them.
CREATE TABLE webhooks (
    id           TEXT PRIMARY KEY,
    queue        TEXT NOT NULL, -- names its events; a webhook that is made again has another one
    told         INTEGER NOT NULL, -- grows whenever what was told must be looked up again
    url          TEXT NOT NULL,
    topics       TEXT NOT NULL, -- as JSON
    sites        TEXT NOT NULL, -- as JSON; []: all
    off          INTEGER NOT NULL,
    nonce        BLOB NOT NULL, -- the secret is derived from it, with a key
    former       BLOB,
    former_until INTEGER
);

CREATE TABLE webhook_deliveries (
    seq      INTEGER PRIMARY KEY,
    id       BLOB NOT NULL,
    queue    TEXT NOT NULL,
    type     TEXT NOT NULL,
    topic    TEXT NOT NULL,
    site     TEXT NOT NULL,
    about    TEXT NOT NULL,
    at       INTEGER NOT NULL, -- when it was queued
    body     TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_at  INTEGER NOT NULL,
    done_at  INTEGER,
    outcome  TEXT NOT NULL,
    status   INTEGER NOT NULL,
    fault    TEXT NOT NULL
);
CREATE INDEX webhook_deliveries_queue ON webhook_deliveries (queue, seq);
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (queue, seq) WHERE done_at IS NULL;
CREATE INDEX webhook_deliveries_about ON webhook_deliveries (queue, about, seq) WHERE about <> '';
CREATE INDEX webhook_deliveries_done ON webhook_deliveries (done_at) WHERE done_at IS NOT NULL;

-- +goose Down
DROP TABLE webhook_deliveries;
DROP TABLE webhooks;
