-- What somebody must look at. At most one open row for a kind and subject: a repeat counts and never doubles. Opening and counting are
-- observations; taking and closing by people are acts with entries. `hold_id` names a hold that may not be recorded yet.
CREATE TABLE alert (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    severity TEXT COLLATE "C" NOT NULL CHECK (severity IN ('critical', 'warning')),
    subject TEXT COLLATE "C" NOT NULL,
    bot_id TEXT COLLATE "C" REFERENCES bot (id),
    hold_id TEXT COLLATE "C",
    words TEXT COLLATE "C" NOT NULL,
    opened_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    repeats BIGINT NOT NULL CHECK (repeats >= 0),
    taken_at BIGINT,
    taken_kind TEXT COLLATE "C",
    taken_id TEXT COLLATE "C",
    taken_name TEXT COLLATE "C",
    closed_at BIGINT,
    -- Without a closer: the server closed it, since its cause is gone.
    closed_kind TEXT COLLATE "C",
    closed_id TEXT COLLATE "C",
    closed_name TEXT COLLATE "C",
    closed_why TEXT COLLATE "C",
    -- When people were told of it; null: not yet.
    told_at BIGINT,
    -- How the alert command stands: `off` when there was none.
    command TEXT COLLATE "C" NOT NULL CHECK (command IN ('off', 'due', 'running', 'done', 'failed')),
    command_at BIGINT,
    command_said TEXT COLLATE "C"
);
CREATE UNIQUE INDEX alert_one_open ON alert (kind, subject) WHERE closed_at IS NULL;
CREATE INDEX alert_closed ON alert (closed_at, id);
CREATE INDEX alert_of_bot ON alert (bot_id, opened_at);
CREATE INDEX alert_command ON alert (opened_at) WHERE command IN ('due', 'running');
CREATE INDEX alert_command_failed ON alert (command_at) WHERE command = 'failed';
-- What was known of each covered bot at a press, frozen. One row per bot, then one for the whole with its digest.
CREATE TABLE evidence_bot (
    hold_id TEXT COLLATE "C" NOT NULL,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    -- RFC 8785 JSON, and its SHA-256 in hex.
    text TEXT COLLATE "C" NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (hold_id, bot_id)
);
CREATE TABLE evidence (
    hold_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    taken_at BIGINT NOT NULL,
    -- Not taken at the press but afterwards, from what the database had.
    late BOOLEAN NOT NULL,
    bots BIGINT NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL
);
-- Drills: real pauses of chosen bots, beside one that must not stop.
CREATE TABLE drill_run (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    by_kind TEXT COLLATE "C" NOT NULL,
    by_id TEXT COLLATE "C" NOT NULL,
    by_name TEXT COLLATE "C" NOT NULL,
    control_bot TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    began_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    ended_at BIGINT,
    passed BOOLEAN,
    -- A sentence per line; empty: nothing was wrong.
    reasons TEXT COLLATE "C" NOT NULL,
    -- When the control bot was heard going on after every other had stopped.
    control_at BIGINT,
    expires_at BIGINT
);
CREATE INDEX drill_run_open ON drill_run (began_at) WHERE ended_at IS NULL;
CREATE TABLE drill_bot (
    run_id TEXT COLLATE "C" NOT NULL REFERENCES drill_run (id),
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    hold_id TEXT COLLATE "C" NOT NULL,
    received_ms BIGINT,
    applied_ms BIGINT,
    idle_ms BIGINT,
    PRIMARY KEY (run_id, bot_id)
);
CREATE INDEX drill_bot_of ON drill_bot (bot_id);
