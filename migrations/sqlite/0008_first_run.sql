-- How fast bots stopped in drills, who has put the first-run list away, and since when an agent has had its token.
-- No reference to the hold: one that was pressed without the database gets its row later.
CREATE TABLE drill (
    bot_id TEXT NOT NULL REFERENCES bot (id),
    hold_id TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    at INTEGER NOT NULL,
    received_ms INTEGER NOT NULL CHECK (received_ms >= 0),
    applied_ms INTEGER NOT NULL CHECK (applied_ms >= received_ms),
    idle_ms INTEGER NOT NULL CHECK (idle_ms >= applied_ms),
    PRIMARY KEY (bot_id, hold_id)
) STRICT;
-- A preference of a person, no act.
CREATE TABLE first_run_away (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES user_account (id),
    at INTEGER NOT NULL
) STRICT;
ALTER TABLE agent ADD COLUMN token_since INTEGER NOT NULL DEFAULT 0;
UPDATE agent SET token_since = enrolled_at;
