-- How fast bots stopped in drills, who has put the first-run list away, and since when an agent has had its token.
-- No reference to the hold: one that was pressed without the database gets its row later.
CREATE TABLE drill (
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    hold_id TEXT COLLATE "C" NOT NULL,
    epoch BIGINT NOT NULL,
    at BIGINT NOT NULL,
    received_ms BIGINT NOT NULL CHECK (received_ms >= 0),
    applied_ms BIGINT NOT NULL CHECK (applied_ms >= received_ms),
    idle_ms BIGINT NOT NULL CHECK (idle_ms >= applied_ms),
    PRIMARY KEY (bot_id, hold_id)
);
-- A preference of a person, no act.
CREATE TABLE first_run_away (
    user_id TEXT COLLATE "C" PRIMARY KEY REFERENCES user_account (id),
    at BIGINT NOT NULL
);
ALTER TABLE agent ADD COLUMN token_since BIGINT NOT NULL DEFAULT 0;
UPDATE agent SET token_since = enrolled_at;
