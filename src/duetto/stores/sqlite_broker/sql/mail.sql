-- name: post
INSERT INTO message (recipient, name, sender, at, data) VALUES (:to, :name, :sender, :now, :data)
ON CONFLICT (recipient, name) DO UPDATE SET sender = excluded.sender
WHERE sender <> excluded.sender;

-- name: hear
INSERT INTO subscription (participant, holder) VALUES (:participant, :holder)
ON CONFLICT (participant) DO UPDATE SET holder = excluded.holder;

-- What its former receiver had in hand died with it.
-- name: hand_back
UPDATE message SET due = 0 WHERE recipient = :participant AND done = 0 AND due <> 0;

-- name: stop_hearing
DELETE FROM subscription WHERE participant = :participant AND holder = :holder;

-- Set in the future, it was set before the clock was put back.
-- name: waiting
SELECT id FROM message
WHERE recipient = :participant AND done = 0 AND (due <= :now OR since > :now)
AND EXISTS (SELECT 1 FROM subscription WHERE participant = :participant AND holder = :holder)
ORDER BY id LIMIT :limit;

-- name: hand_over
UPDATE message SET due = :due, since = :now WHERE id = :id RETURNING data;

-- name: settle
UPDATE message SET done = 1, data = x'' WHERE id = :id;

-- name: is_settled
SELECT 1 FROM message WHERE sender = :sender AND done = 1 LIMIT 1;

-- name: collect
DELETE FROM message WHERE sender = :sender AND done = 1 RETURNING recipient, name;

-- Only the first are looked at: those behind them are not older.
-- name: purge_old
DELETE FROM message WHERE id IN (SELECT id FROM message ORDER BY id LIMIT :limit)
AND at < :before;

-- name: purge_unasked
DELETE FROM message WHERE id IN (
    SELECT id FROM message WHERE done = 1 AND at < :before LIMIT :limit
);
