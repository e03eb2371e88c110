-- Runs of a concurrency group: who stands in line, and who has a place. Runs without a group cost neither index anything.
ALTER TABLE runs ADD COLUMN concurrency_group TEXT;
ALTER TABLE runs ADD COLUMN group_limit INTEGER NOT NULL DEFAULT 1;
ALTER TABLE runs ADD COLUMN queued_at REAL;
ALTER TABLE runs ADD COLUMN has_place INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_in_line ON runs (concurrency_group, queued_at, id, group_limit) WHERE queued_at IS NOT NULL;
CREATE INDEX runs_with_place ON runs (concurrency_group) WHERE has_place=1;
