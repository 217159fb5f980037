-- Bots, what stopped and started them, and the agents beside them.
CREATE TABLE bot (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    team_id TEXT COLLATE "C" NOT NULL REFERENCES team (id),
    strategy TEXT COLLATE "C" NOT NULL,
    owner_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    stage TEXT COLLATE "C" NOT NULL CHECK (stage IN ('draft', 'sandbox', 'limited', 'live', 'retired')),
    exits TEXT COLLATE "C" NOT NULL CHECK (exits IN ('managed', 'none')),
    check_in_ms BIGINT NOT NULL CHECK (check_in_ms > 0),
    stale_after_ms BIGINT NOT NULL CHECK (stale_after_ms > 0),
    lapse_after_ms BIGINT NOT NULL CHECK (lapse_after_ms >= stale_after_ms),
    apply_within_ms BIGINT NOT NULL CHECK (apply_within_ms > 0),
    limits_version BIGINT NOT NULL,
    limits TEXT COLLATE "C" NOT NULL,
    limits_waiting BOOLEAN NOT NULL,
    start_epoch BIGINT NOT NULL,
    stop_epoch BIGINT,
    stop_kind TEXT COLLATE "C",
    stop_why TEXT COLLATE "C",
    stop_at BIGINT,
    fact_epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX bot_by_fact ON bot (fact_epoch);
-- Stops that are no holds: latched, so what stopped a bot never un-stops it by going away.
CREATE TABLE bot_stop (
    id TEXT COLLATE "C" PRIMARY KEY,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    epoch BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX bot_stop_by_bot ON bot_stop (bot_id, epoch);
CREATE TABLE bot_start (
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    epoch BIGINT NOT NULL,
    act_id TEXT COLLATE "C" NOT NULL,
    leaf_index BIGINT NOT NULL,
    leaf TEXT COLLATE "C" NOT NULL,
    proof TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    applied_at BIGINT,
    PRIMARY KEY (bot_id, epoch)
);
CREATE TABLE agent (
    id TEXT COLLATE "C" PRIMARY KEY,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    name TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    platform TEXT COLLATE "C" NOT NULL,
    token_hash TEXT COLLATE "C" NOT NULL UNIQUE,
    recipient TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('pending', 'confirmed', 'revoked', 'replaced')),
    enrolled_at BIGINT NOT NULL,
    confirmed_by TEXT COLLATE "C",
    ended_at BIGINT
);
-- A bot has one agent at a time.
CREATE UNIQUE INDEX agent_one_per_bot ON agent (bot_id) WHERE state IN ('pending', 'confirmed');
CREATE TABLE enrolment_code (
    code_hash TEXT COLLATE "C" PRIMARY KEY,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    made_by TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    made_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    agent_id TEXT COLLATE "C"
);
-- Boots are rows: which one is newest must survive a restart.
CREATE TABLE agent_boot (
    agent_id TEXT COLLATE "C" NOT NULL REFERENCES agent (id),
    n BIGINT NOT NULL,
    boot TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (agent_id, n)
);
CREATE UNIQUE INDEX agent_boot_once ON agent_boot (agent_id, boot);
-- The last thing an agent said. An observation, not an act.
CREATE TABLE agent_seen (
    agent_id TEXT COLLATE "C" PRIMARY KEY REFERENCES agent (id),
    bot_id TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    channel TEXT COLLATE "C" NOT NULL,
    boot TEXT COLLATE "C",
    epoch BIGINT,
    state TEXT COLLATE "C",
    limits_version BIGINT,
    start_after BIGINT,
    build TEXT COLLATE "C",
    config TEXT COLLATE "C",
    report TEXT COLLATE "C",
    report_at BIGINT
);
-- How far an agent has come with a directive. An observation.
CREATE TABLE ack (
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    epoch BIGINT NOT NULL,
    step TEXT COLLATE "C" NOT NULL CHECK (step IN ('received', 'applied', 'idle')),
    at BIGINT NOT NULL,
    state TEXT COLLATE "C",
    entry_orders BIGINT,
    open_orders BIGINT,
    PRIMARY KEY (bot_id, epoch, step)
);
CREATE TABLE bot_event (
    id TEXT COLLATE "C" PRIMARY KEY,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    at BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    severity TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL
);
CREATE INDEX bot_event_by_bot ON bot_event (bot_id, at);
