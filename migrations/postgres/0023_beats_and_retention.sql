-- Each site's servers count on while they run: a site that counts is alive, a copy of the database has none that does.
ALTER TABLE site ADD COLUMN beats BIGINT NOT NULL DEFAULT 0;
-- What stops are proved by is read by epoch, and old observations are found by their time.
CREATE INDEX ack_by_epoch ON ack (epoch);
CREATE INDEX ack_by_time ON ack (at);
CREATE INDEX evidence_by_time ON evidence (taken_at);
CREATE INDEX evidence_bot_by_bot ON evidence_bot (bot_id, hold_id);
