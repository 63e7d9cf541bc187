-- name: insert_run
INSERT INTO run(rid, id, workflow, digest, home, status, created, updated, identity, input, result,
                tags, start_seal, end_seal)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_tag
INSERT OR IGNORE INTO run_tag(tag, rid) VALUES (?, ?);

-- name: end_run
UPDATE run SET status = ?, updated = ?, result = ?, end_seal = ? WHERE rid = ?;

-- name: insert_journal
-- The lsn is left to SQLite, so that the batch's own list is bound as it is.
INSERT INTO journal(rid, data) VALUES (?, ?);

-- name: insert_definition
INSERT OR IGNORE INTO definition(digest, name, data) VALUES (?, ?, ?);

-- name: put_meta
INSERT INTO meta(name, value) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value;

-- name: insert_event
INSERT INTO event(topic, lane, seq, at, data) VALUES (?, ?, ?, ?, ?);

-- name: put_state
INSERT INTO state(name, data) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET data = excluded.data;

-- name: delete_state
DELETE FROM state WHERE name = ?;
