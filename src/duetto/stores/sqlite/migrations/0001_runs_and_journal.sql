-- The first layout: append by rowid, secondary indexes off the hot path.

-- name: meta
-- What the file knows of itself: its id, the instant it was made, the next rid after a purge.
CREATE TABLE meta(name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

-- name: run
-- One row a run, written at its start and at its end. Each half has a checksum of its own, so
-- that the end need not read what the start wrote.
CREATE TABLE run(
  rid INTEGER PRIMARY KEY,           -- dense and local: newest first needs no index
  id TEXT NOT NULL,
  workflow TEXT NOT NULL,
  digest TEXT NOT NULL,
  home TEXT NOT NULL,
  status INT NOT NULL,
  created INT NOT NULL,
  updated INT NOT NULL,
  identity BLOB NOT NULL,
  input BLOB NOT NULL,
  result BLOB NOT NULL,
  tags TEXT,                         -- a JSON array; NULL for none
  start_seal INT NOT NULL,
  end_seal INT NOT NULL
) STRICT;

-- name: run_id
-- Started twice is found here. Ids in the order of time are appended, random ones cost double.
CREATE UNIQUE INDEX run_id ON run(id);

-- name: run_status
-- Serves recovery (open runs), retention (closed before), counts and lists, all without the table.
CREATE INDEX run_status ON run(status, updated, workflow);

-- name: run_tag
-- Written only for runs that have tags.
CREATE TABLE run_tag(tag TEXT NOT NULL, rid INT NOT NULL, PRIMARY KEY(tag, rid)) STRICT, WITHOUT ROWID;

-- name: journal
-- One row a transition; SQLite gives the lsn, which grows by one as no purge deletes the last row.
CREATE TABLE journal(lsn INTEGER PRIMARY KEY, rid INT NOT NULL, data BLOB NOT NULL) STRICT;

-- name: journal_run
-- The records of one run.
CREATE INDEX journal_run ON journal(rid);

-- name: definition
-- Workflows as they were when their runs started; sealed.
CREATE TABLE definition(digest TEXT PRIMARY KEY, name TEXT NOT NULL, data BLOB NOT NULL) STRICT;
