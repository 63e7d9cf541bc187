-- Messages between participants. One row a name: what is sent again while it is under way is the
-- same row. `sender` is the connection that is told once the receiver has committed (`done`).
-- `due` is when it may be handed over, `since` when that was set, both in ms since the epoch.
-- name: message
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    recipient TEXT NOT NULL,
    name TEXT NOT NULL,
    sender TEXT NOT NULL,
    at INTEGER NOT NULL,
    due INTEGER NOT NULL DEFAULT 0,
    since INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    data BLOB NOT NULL
) STRICT;

-- name: message_name
CREATE UNIQUE INDEX message_name ON message (recipient, name);

-- name: message_waiting
CREATE INDEX message_waiting ON message (recipient, id) WHERE done = 0;

-- name: message_done
CREATE INDEX message_done ON message (sender) WHERE done = 1;

-- Who hears for a participant: the connection that came last.
-- name: subscription
CREATE TABLE subscription (
    participant TEXT PRIMARY KEY,
    holder TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Numbers of topics, records and groups are never used again, so that nobody acknowledges what
-- came after a topic was created anew.
-- name: topic
CREATE TABLE topic (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    records INTEGER NOT NULL DEFAULT 0
) STRICT;

-- name: record
CREATE TABLE record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic INTEGER NOT NULL,
    at INTEGER NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    headers BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- name: record_topic
CREATE INDEX record_topic ON record (topic, id, key);

-- name: record_name
CREATE UNIQUE INDEX record_name ON record (topic, name) WHERE name <> '';

-- A group, and the last record that it has looked at: what came before is settled or pending.
-- name: consumer_group
CREATE TABLE consumer_group (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic INTEGER NOT NULL,
    name TEXT NOT NULL,
    position INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, name)
) STRICT;

-- What a group has looked at and not acknowledged.
-- name: pending
CREATE TABLE pending (
    grp INTEGER NOT NULL,
    record INTEGER NOT NULL,
    key TEXT NOT NULL,
    due INTEGER NOT NULL DEFAULT 0,
    since INTEGER NOT NULL DEFAULT 0,
    count INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (grp, record)
) STRICT, WITHOUT ROWID;

-- name: pending_key
CREATE INDEX pending_key ON pending (grp, key, record) WHERE key <> '';
