-- name: create
INSERT INTO topic (name) VALUES (:name) ON CONFLICT (name) DO NOTHING;

-- name: topic
SELECT id, records FROM topic WHERE name = :name;

-- name: names
SELECT name FROM topic ORDER BY name LIMIT 1000;

-- name: topics
SELECT id FROM topic;

-- name: publish
INSERT INTO record (topic, at, key, name, headers, body)
VALUES (:topic, :now, :key, :name, :headers, :body)
ON CONFLICT (topic, name) WHERE name <> '' DO NOTHING RETURNING id;

-- name: grow
UPDATE topic SET records = records + :by WHERE id = :topic;

-- name: delete_pending
DELETE FROM pending WHERE grp IN (SELECT id FROM consumer_group WHERE topic = :topic);

-- name: delete_groups
DELETE FROM consumer_group WHERE topic = :topic;

-- name: delete_records
DELETE FROM record WHERE topic = :topic;

-- name: delete_topic
DELETE FROM topic WHERE id = :topic;

-- name: join
INSERT INTO consumer_group (topic, name) VALUES (:topic, :name) ON CONFLICT DO NOTHING;

-- name: group
SELECT g.id, g.position, t.id FROM topic AS t
LEFT JOIN consumer_group AS g ON g.topic = t.id AND g.name = :group
WHERE t.name = :topic;

-- name: pending
SELECT count(*) FROM pending WHERE grp = :grp;

-- name: following
SELECT id, key FROM record WHERE topic = :topic AND id > :position ORDER BY id LIMIT :limit;

-- name: look_at
INSERT INTO pending (grp, record, key) VALUES (:grp, :record, :key);

-- name: advance
UPDATE consumer_group SET position = :position WHERE id = :grp;

-- A record waits for all earlier ones of its key. One whose time was set in the future was set
-- before the clock was put back.
-- name: eligible
SELECT record, count FROM pending AS p
WHERE grp = :grp AND (due <= :now OR since > :now) AND NOT EXISTS (
    SELECT 1 FROM pending AS q
    WHERE q.grp = p.grp AND q.key = p.key AND q.key <> '' AND q.record < p.record
)
ORDER BY record LIMIT :limit;

-- name: hand_out
UPDATE pending SET due = :due, since = :now, count = count + 1
WHERE grp = :grp AND record = :record;

-- name: record
SELECT body, key, headers, name FROM record WHERE id = :record;

-- name: ack
DELETE FROM pending WHERE grp = :grp AND record = :record;

-- name: retry
UPDATE pending SET due = :due, since = :now
WHERE grp = :grp AND record = :record AND count = :count;

-- Only the first of the topic are looked at: those behind them are not older.
-- name: old
SELECT id FROM (SELECT id, at FROM record WHERE topic = :topic ORDER BY id LIMIT :limit)
WHERE at < :before;

-- What every group has settled, where there is a group.
-- name: settled
SELECT r.id FROM record AS r
WHERE r.topic = :topic AND r.id <= (SELECT min(position) FROM consumer_group WHERE topic = :topic)
AND NOT EXISTS (
    SELECT 1 FROM consumer_group AS g JOIN pending AS p ON p.grp = g.id AND p.record = r.id
    WHERE g.topic = :topic
)
ORDER BY r.id LIMIT :limit;

-- name: forget
DELETE FROM record WHERE id = :record;

-- name: forget_pending
DELETE FROM pending
WHERE grp IN (SELECT id FROM consumer_group WHERE topic = :topic) AND record = :record;
