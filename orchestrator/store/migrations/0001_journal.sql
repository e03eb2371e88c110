-- The journal and what is derived from it. Times are seconds since 1970 UTC.
-- Whose runs these are: the provider's project, set once.
CREATE TABLE owner (
  name TEXT NOT NULL
);

CREATE TABLE definitions (
  hash TEXT PRIMARY KEY,
  body TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  key TEXT NOT NULL,
  name TEXT NOT NULL,
  pipeline TEXT NOT NULL,
  definition TEXT NOT NULL,
  status TEXT NOT NULL,
  created_at REAL NOT NULL,
  ended_at REAL,
  seq INTEGER NOT NULL,
  steps_total INTEGER NOT NULL,
  steps_done INTEGER NOT NULL,
  error TEXT NOT NULL,
  hint TEXT NOT NULL,
  rows_total INTEGER,
  children_succeeded INTEGER NOT NULL DEFAULT 0,
  children_failed INTEGER NOT NULL DEFAULT 0,
  children_own_over INTEGER NOT NULL DEFAULT 0,
  wake_at REAL,
  parent TEXT
) WITHOUT ROWID;
CREATE INDEX runs_by_key ON runs (key, id);
CREATE INDEX runs_by_status ON runs (status, id);
CREATE INDEX runs_top_level ON runs (id) WHERE parent IS NULL;

CREATE TABLE events (
  run_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  type TEXT NOT NULL,
  step TEXT,
  attempt INTEGER,
  payload TEXT NOT NULL,
  at REAL NOT NULL,
  PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;

CREATE TABLE rows (
  run_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  key TEXT NOT NULL,
  inputs TEXT NOT NULL,
  row TEXT NOT NULL,
  child TEXT,
  PRIMARY KEY (run_id, number)
) WITHOUT ROWID;
CREATE INDEX rows_by_child ON rows (child) WHERE child IS NOT NULL;

CREATE TABLE waits (
  run_id TEXT NOT NULL,
  step TEXT NOT NULL,
  kind TEXT NOT NULL,
  correlation TEXT NOT NULL,
  since_at REAL NOT NULL,
  poll_at REAL NOT NULL,
  polls INTEGER NOT NULL,
  PRIMARY KEY (run_id, step)
) WITHOUT ROWID;
CREATE INDEX waits_due ON waits (poll_at);
