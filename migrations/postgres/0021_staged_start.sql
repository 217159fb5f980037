-- A start in waves: one signed act, a canary first, then a tenth, then the rest. The signed bytes are the act's; this is how far it has come.
CREATE TABLE staged_start (
    act_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES act (id),
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('running', 'done', 'ended')),
    -- How many waves were started: whoever starts the next one counts it up from here, once.
    started BIGINT NOT NULL,
    waves BIGINT NOT NULL,
    settle_ms BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    -- Since when every bot that was started has been as it should be.
    settled_since BIGINT,
    ended_at BIGINT,
    ended_by TEXT COLLATE "C",
    why TEXT COLLATE "C"
);
CREATE INDEX staged_start_by_state ON staged_start (state);
CREATE TABLE staged_bot (
    act_id TEXT COLLATE "C" NOT NULL REFERENCES staged_start (act_id),
    -- Its place in the signed tree, and in which wave it is, from 0.
    leaf BIGINT NOT NULL,
    wave BIGINT NOT NULL,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    epoch BIGINT,
    started_at BIGINT,
    PRIMARY KEY (act_id, leaf)
);
