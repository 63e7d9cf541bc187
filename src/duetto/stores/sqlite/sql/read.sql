-- name: last_lsn
SELECT ifnull(max(lsn), 0) AS lsn FROM journal;

-- name: last_rid
SELECT ifnull(max(rid), 0) AS rid FROM run;

-- name: get_meta
SELECT value FROM meta WHERE name = ?;

-- name: run_by_id
SELECT * FROM run WHERE id = ?;

-- name: runs_by_rid
SELECT * FROM run WHERE rid IN carray(?) ORDER BY rid;

-- name: counts
SELECT workflow, status, count(*) AS runs FROM run INDEXED BY run_status GROUP BY workflow, status;

-- name: definition
SELECT data FROM definition WHERE digest = ?;

-- name: journal_of_run
SELECT data FROM journal INDEXED BY journal_run WHERE rid = ? ORDER BY lsn;

-- name: open_rids_by_index
-- Running, and guests: statuses 1 and 0.
SELECT rid FROM run INDEXED BY run_status WHERE status IN (0, 1) ORDER BY rid;

-- name: open_rids_by_table
-- Where the index is damaged.
SELECT rid FROM run NOT INDEXED WHERE status IN (0, 1) ORDER BY rid;

-- name: every_rid_by_index
-- Where the table is damaged.
SELECT rid FROM run INDEXED BY run_status ORDER BY rid DESC;

-- name: every_rid_by_table
SELECT rid FROM run NOT INDEXED ORDER BY rid DESC;

-- name: journal_of_runs
SELECT rid, data FROM journal INDEXED BY journal_run WHERE rid IN carray(?) ORDER BY rid, lsn;

-- name: name_by_rid
SELECT id FROM run NOT INDEXED WHERE rid = ?;

-- name: name_by_index
-- For a run whose row is on a damaged page: the index has its id too.
SELECT id FROM run INDEXED BY run_id WHERE +rid = ? AND id > '';

-- name: heads
SELECT topic, lane, max(seq) AS seq FROM event GROUP BY topic, lane;

-- name: events_of_lane
SELECT data FROM event WHERE topic = ? AND lane = ? AND seq > ? ORDER BY seq LIMIT ?;

-- name: states
SELECT name, data FROM state WHERE name >= ? AND name < ? ORDER BY name LIMIT ?;
