-- Runs that are due are found without looking at those that wait; runs are counted when they change, not when asked.
ALTER TABLE runs ADD COLUMN children_paused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN replays TEXT;

-- Before, an unfinished run without a time to wake was looked at when a process started.
UPDATE runs SET wake_at=0 WHERE wake_at IS NULL AND status NOT IN ('succeeded', 'failed', 'cancelled');
CREATE INDEX runs_due ON runs (wake_at, status) WHERE wake_at IS NOT NULL;
CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_by_parent ON runs (parent) WHERE parent IS NOT NULL;
CREATE INDEX runs_by_replayed ON runs (replays) WHERE replays IS NOT NULL;
CREATE INDEX runs_by_definition ON runs (definition);

CREATE TABLE counters (
  status TEXT NOT NULL,
  child INTEGER NOT NULL,
  runs INTEGER NOT NULL,
  PRIMARY KEY (status, child)
) WITHOUT ROWID;
INSERT INTO counters SELECT status, parent IS NOT NULL, count(*) FROM runs GROUP BY 1, 2;

CREATE TRIGGER counted_when_created AFTER INSERT ON runs BEGIN
  INSERT INTO counters VALUES (new.status, new.parent IS NOT NULL, 1)
    ON CONFLICT (status, child) DO UPDATE SET runs=runs+1;
END;

CREATE TRIGGER counted_when_changed AFTER UPDATE OF status ON runs WHEN old.status<>new.status BEGIN
  UPDATE counters SET runs=runs-1 WHERE status=old.status AND child=(new.parent IS NOT NULL);
  INSERT INTO counters VALUES (new.status, new.parent IS NOT NULL, 1)
    ON CONFLICT (status, child) DO UPDATE SET runs=runs+1;
END;

CREATE TRIGGER counted_when_forgotten AFTER DELETE ON runs BEGIN
  UPDATE counters SET runs=runs-1 WHERE status=old.status AND child=(old.parent IS NOT NULL);
END;

-- Each row of each run that has the child counts it.
CREATE TRIGGER child_changed AFTER UPDATE OF status ON runs
WHEN old.status<>new.status AND EXISTS (SELECT 1 FROM rows WHERE child=new.id)
BEGIN
  UPDATE runs SET
    children_succeeded=children_succeeded
      +((new.status='succeeded')-(old.status='succeeded'))
      *(SELECT count(*) FROM rows WHERE run_id=runs.id AND child=new.id),
    children_failed=children_failed
      +((new.status IN ('failed', 'cancelled'))-(old.status IN ('failed', 'cancelled')))
      *(SELECT count(*) FROM rows WHERE run_id=runs.id AND child=new.id),
    children_paused=children_paused
      +((new.status='paused')-(old.status='paused'))
      *(SELECT count(*) FROM rows WHERE run_id=runs.id AND child=new.id),
    children_own_over=children_own_over
      +(id IS new.parent)
      *((new.status IN ('succeeded', 'failed', 'cancelled'))-(old.status IN ('succeeded', 'failed', 'cancelled')))
  WHERE id IN (SELECT run_id FROM rows WHERE child=new.id);
END;

-- A row that gets a run which has got somewhere already counts it from then on, and no more the one that it had.
CREATE TRIGGER child_joined AFTER UPDATE OF child ON rows
WHEN (SELECT status FROM runs WHERE id=new.child) IN ('succeeded', 'failed', 'cancelled', 'paused')
BEGIN
  UPDATE runs SET
    children_succeeded=children_succeeded+(SELECT status='succeeded' FROM runs WHERE id=new.child),
    children_failed=children_failed+(SELECT status IN ('failed', 'cancelled') FROM runs WHERE id=new.child),
    children_paused=children_paused+(SELECT status='paused' FROM runs WHERE id=new.child)
  WHERE id=new.run_id;
END;

CREATE TRIGGER child_replaced AFTER UPDATE OF child ON rows
WHEN old.child<>new.child
BEGIN
  UPDATE runs SET
    children_succeeded=children_succeeded-(SELECT status='succeeded' FROM runs WHERE id=old.child),
    children_failed=children_failed-(SELECT status IN ('failed', 'cancelled') FROM runs WHERE id=old.child),
    children_paused=children_paused-(SELECT status='paused' FROM runs WHERE id=old.child),
    children_own_over=children_own_over
      -(SELECT parent IS new.run_id AND status IN ('succeeded', 'failed', 'cancelled') FROM runs WHERE id=old.child)
  WHERE id=new.run_id;
END;

CREATE TRIGGER child_joined_at_once AFTER INSERT ON rows
WHEN new.child IS NOT NULL
  AND (SELECT status FROM runs WHERE id=new.child) IN ('succeeded', 'failed', 'cancelled', 'paused')
BEGIN
  UPDATE runs SET
    children_succeeded=children_succeeded+(SELECT status='succeeded' FROM runs WHERE id=new.child),
    children_failed=children_failed+(SELECT status IN ('failed', 'cancelled') FROM runs WHERE id=new.child),
    children_paused=children_paused+(SELECT status='paused' FROM runs WHERE id=new.child)
  WHERE id=new.run_id;
END;
