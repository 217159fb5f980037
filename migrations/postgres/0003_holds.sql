-- Holds: latched stops. A row is never deleted; its release is written into it once.
CREATE TABLE hold (
    id TEXT COLLATE "C" PRIMARY KEY,
    scope_kind TEXT COLLATE "C" NOT NULL CHECK (scope_kind IN ('fleet', 'team', 'bot')),
    scope_id TEXT COLLATE "C" NOT NULL,
    level TEXT COLLATE "C" NOT NULL CHECK (level IN ('reduce', 'pause', 'kill')),
    why TEXT COLLATE "C" NOT NULL,
    by_kind TEXT COLLATE "C" NOT NULL CHECK (by_kind IN ('user', 'token', 'trigger', 'agent', 'host')),
    by_id TEXT COLLATE "C" NOT NULL,
    by_name TEXT COLLATE "C" NOT NULL,
    by_risk BOOLEAN NOT NULL,
    at BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    late BOOLEAN NOT NULL,
    idempotency_key TEXT COLLATE "C" NOT NULL,
    origin TEXT COLLATE "C",
    entry BIGINT,
    released_epoch BIGINT,
    released_at BIGINT,
    released_by TEXT COLLATE "C",
    release_why TEXT COLLATE "C"
);
CREATE INDEX hold_by_epoch ON hold (epoch);
CREATE INDEX hold_by_release ON hold (released_epoch);
CREATE INDEX hold_by_scope ON hold (scope_kind, scope_id);
CREATE UNIQUE INDEX hold_one_press ON hold (by_kind, by_id, idempotency_key);
CREATE INDEX hold_by_origin ON hold (origin);
-- A bot that left a scope under an unreleased hold stays covered (its latch too).
CREATE TABLE hold_bot (
    hold_id TEXT COLLATE "C" NOT NULL REFERENCES hold (id),
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    PRIMARY KEY (hold_id, bot_id)
);
