-- Events and what their consumers know.

-- name: event
-- The log of published events. One tree: each lane is appended to at its own end.
CREATE TABLE event(
  topic TEXT NOT NULL,
  lane INT NOT NULL,
  seq INT NOT NULL,                  -- dense in its lane
  at INT NOT NULL,
  data BLOB NOT NULL,                -- sealed
  PRIMARY KEY(topic, lane, seq)
) STRICT, WITHOUT ROWID;

-- name: state
-- Small rows by name: watermarks, held events, mailboxes, windows. What a row says is sealed.
CREATE TABLE state(name TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT, WITHOUT ROWID;
