-- name: closed_rids
-- The statuses of the ends: completed, failed, cancelled.
SELECT rid, tags FROM run INDEXED BY run_status
WHERE status IN (2, 3, 4) AND updated < ? LIMIT ?;

-- name: delete_journal
DELETE FROM journal WHERE rid = ?;

-- name: delete_tag
DELETE FROM run_tag WHERE tag = ? AND rid = ?;

-- name: delete_run
DELETE FROM run WHERE rid = ?;

-- name: delete_fillers
-- Rows of run 0 only keep the lsn growing; the last of them is needed, those before it are not.
DELETE FROM journal WHERE rid = 0 AND lsn < ?;

-- name: old_events
-- The last event of a lane stays: its number is where the lane goes on.
SELECT topic, lane, seq FROM event
WHERE topic = ? AND lane = ? AND seq < ? AND at < ? ORDER BY seq LIMIT ?;

-- name: delete_event
DELETE FROM event WHERE topic = ? AND lane = ? AND seq = ?;
