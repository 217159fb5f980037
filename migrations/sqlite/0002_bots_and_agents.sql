-- Bots, what stopped and started them, and the agents beside them.
CREATE TABLE bot (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    team_id TEXT NOT NULL REFERENCES team (id),
    strategy TEXT NOT NULL,
    owner_id TEXT NOT NULL REFERENCES user_account (id),
    stage TEXT NOT NULL CHECK (stage IN ('draft', 'sandbox', 'limited', 'live', 'retired')),
    exits TEXT NOT NULL CHECK (exits IN ('managed', 'none')),
    check_in_ms INTEGER NOT NULL CHECK (check_in_ms > 0),
    stale_after_ms INTEGER NOT NULL CHECK (stale_after_ms > 0),
    lapse_after_ms INTEGER NOT NULL CHECK (lapse_after_ms >= stale_after_ms),
    apply_within_ms INTEGER NOT NULL CHECK (apply_within_ms > 0),
    limits_version INTEGER NOT NULL,
    limits TEXT NOT NULL,
    limits_waiting INTEGER NOT NULL CHECK (limits_waiting IN (0, 1)),
    start_epoch INTEGER NOT NULL,
    stop_epoch INTEGER,
    stop_kind TEXT,
    stop_why TEXT,
    stop_at INTEGER,
    fact_epoch INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX bot_by_fact ON bot (fact_epoch);
-- Stops that are no holds: latched, so what stopped a bot never un-stops it by going away.
CREATE TABLE bot_stop (
    id TEXT NOT NULL PRIMARY KEY,
    bot_id TEXT NOT NULL REFERENCES bot (id),
    epoch INTEGER NOT NULL,
    kind TEXT NOT NULL,
    why TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX bot_stop_by_bot ON bot_stop (bot_id, epoch);
CREATE TABLE bot_start (
    bot_id TEXT NOT NULL REFERENCES bot (id),
    epoch INTEGER NOT NULL,
    act_id TEXT NOT NULL,
    leaf_index INTEGER NOT NULL,
    leaf TEXT NOT NULL,
    proof TEXT NOT NULL,
    at INTEGER NOT NULL,
    applied_at INTEGER,
    PRIMARY KEY (bot_id, epoch)
) STRICT;
CREATE TABLE agent (
    id TEXT NOT NULL PRIMARY KEY,
    bot_id TEXT NOT NULL REFERENCES bot (id),
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    platform TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    recipient TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'confirmed', 'revoked', 'replaced')),
    enrolled_at INTEGER NOT NULL,
    confirmed_by TEXT,
    ended_at INTEGER
) STRICT;
-- A bot has one agent at a time.
CREATE UNIQUE INDEX agent_one_per_bot ON agent (bot_id) WHERE state IN ('pending', 'confirmed');
CREATE TABLE enrolment_code (
    code_hash TEXT NOT NULL PRIMARY KEY,
    bot_id TEXT NOT NULL REFERENCES bot (id),
    made_by TEXT NOT NULL REFERENCES user_account (id),
    made_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    agent_id TEXT
) STRICT;
-- Boots are rows: which one is newest must survive a restart.
CREATE TABLE agent_boot (
    agent_id TEXT NOT NULL REFERENCES agent (id),
    n INTEGER NOT NULL,
    boot TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (agent_id, n)
) STRICT;
CREATE UNIQUE INDEX agent_boot_once ON agent_boot (agent_id, boot);
-- The last thing an agent said. An observation, not an act.
CREATE TABLE agent_seen (
    agent_id TEXT NOT NULL PRIMARY KEY REFERENCES agent (id),
    bot_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    channel TEXT NOT NULL,
    boot TEXT,
    epoch INTEGER,
    state TEXT,
    limits_version INTEGER,
    start_after INTEGER,
    build TEXT,
    config TEXT,
    report TEXT,
    report_at INTEGER
) STRICT;
-- How far an agent has come with a directive. An observation.
CREATE TABLE ack (
    bot_id TEXT NOT NULL REFERENCES bot (id),
    epoch INTEGER NOT NULL,
    step TEXT NOT NULL CHECK (step IN ('received', 'applied', 'idle')),
    at INTEGER NOT NULL,
    state TEXT,
    entry_orders INTEGER,
    open_orders INTEGER,
    PRIMARY KEY (bot_id, epoch, step)
) STRICT;
CREATE TABLE bot_event (
    id TEXT NOT NULL PRIMARY KEY,
    bot_id TEXT NOT NULL REFERENCES bot (id),
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX bot_event_by_bot ON bot_event (bot_id, at);
