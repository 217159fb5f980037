-- What somebody must look at. At most one open row for a kind and subject: a repeat counts and never doubles. Opening and counting are
-- observations; taking and closing by people are acts with entries. `hold_id` names a hold that may not be recorded yet.
CREATE TABLE alert (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('critical', 'warning')),
    subject TEXT NOT NULL,
    bot_id TEXT REFERENCES bot (id),
    hold_id TEXT,
    words TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    repeats INTEGER NOT NULL CHECK (repeats >= 0),
    taken_at INTEGER,
    taken_kind TEXT,
    taken_id TEXT,
    taken_name TEXT,
    closed_at INTEGER,
    -- Without a closer: the server closed it, since its cause is gone.
    closed_kind TEXT,
    closed_id TEXT,
    closed_name TEXT,
    closed_why TEXT,
    -- When people were told of it; null: not yet.
    told_at INTEGER,
    -- How the alert command stands: `off` when there was none.
    command TEXT NOT NULL CHECK (command IN ('off', 'due', 'running', 'done', 'failed')),
    command_at INTEGER,
    command_said TEXT
) STRICT;
CREATE UNIQUE INDEX alert_one_open ON alert (kind, subject) WHERE closed_at IS NULL;
CREATE INDEX alert_closed ON alert (closed_at, id);
CREATE INDEX alert_of_bot ON alert (bot_id, opened_at);
CREATE INDEX alert_command ON alert (opened_at) WHERE command IN ('due', 'running');
CREATE INDEX alert_command_failed ON alert (command_at) WHERE command = 'failed';
-- What was known of each covered bot at a press, frozen. One row per bot, then one for the whole with its digest.
CREATE TABLE evidence_bot (
    hold_id TEXT NOT NULL,
    bot_id TEXT NOT NULL REFERENCES bot (id),
    -- RFC 8785 JSON, and its SHA-256 in hex.
    text TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (hold_id, bot_id)
) STRICT;
CREATE TABLE evidence (
    hold_id TEXT NOT NULL PRIMARY KEY,
    taken_at INTEGER NOT NULL,
    -- Not taken at the press but afterwards, from what the database had.
    late INTEGER NOT NULL CHECK (late IN (0, 1)),
    bots INTEGER NOT NULL,
    sha256 TEXT NOT NULL
) STRICT;
-- Drills: real pauses of chosen bots, beside one that must not stop.
CREATE TABLE drill_run (
    id TEXT NOT NULL PRIMARY KEY,
    by_kind TEXT NOT NULL,
    by_id TEXT NOT NULL,
    by_name TEXT NOT NULL,
    control_bot TEXT NOT NULL REFERENCES bot (id),
    began_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    ended_at INTEGER,
    passed INTEGER CHECK (passed IN (0, 1)),
    -- A sentence per line; empty: nothing was wrong.
    reasons TEXT NOT NULL,
    -- When the control bot was heard going on after every other had stopped.
    control_at INTEGER,
    expires_at INTEGER
) STRICT;
CREATE INDEX drill_run_open ON drill_run (began_at) WHERE ended_at IS NULL;
CREATE TABLE drill_bot (
    run_id TEXT NOT NULL REFERENCES drill_run (id),
    bot_id TEXT NOT NULL REFERENCES bot (id),
    hold_id TEXT NOT NULL,
    received_ms INTEGER,
    applied_ms INTEGER,
    idle_ms INTEGER,
    PRIMARY KEY (run_id, bot_id)
) STRICT;
CREATE INDEX drill_bot_of ON drill_bot (bot_id);
