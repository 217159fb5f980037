-- A start in waves: one signed act, a canary first, then a tenth, then the rest. The signed bytes are the act's; this is how far it has come.
CREATE TABLE staged_start (
    act_id TEXT NOT NULL PRIMARY KEY REFERENCES act (id),
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'ended')),
    -- How many waves were started: whoever starts the next one counts it up from here, once.
    started INTEGER NOT NULL,
    waves INTEGER NOT NULL,
    settle_ms INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    -- Since when every bot that was started has been as it should be.
    settled_since INTEGER,
    ended_at INTEGER,
    ended_by TEXT,
    why TEXT
) STRICT;
CREATE INDEX staged_start_by_state ON staged_start (state);
CREATE TABLE staged_bot (
    act_id TEXT NOT NULL REFERENCES staged_start (act_id),
    -- Its place in the signed tree, and in which wave it is, from 0.
    leaf INTEGER NOT NULL,
    wave INTEGER NOT NULL,
    bot_id TEXT NOT NULL REFERENCES bot (id),
    epoch INTEGER,
    started_at INTEGER,
    PRIMARY KEY (act_id, leaf)
) STRICT;
