-- The poller asks for each kind of wait by itself: what is due of it, what began when, who waits for what has ended.
DROP INDEX waits_due;
CREATE INDEX waits_due ON waits (kind, poll_at, since_at);
CREATE INDEX waits_by_start ON waits (kind, since_at);
CREATE INDEX waits_by_correlation ON waits (kind, correlation);
