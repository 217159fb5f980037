-- Holds: latched stops. A row is never deleted; its release is written into it once.
CREATE TABLE hold (
    id TEXT NOT NULL PRIMARY KEY,
    scope_kind TEXT NOT NULL CHECK (scope_kind IN ('fleet', 'team', 'bot')),
    scope_id TEXT NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('reduce', 'pause', 'kill')),
    why TEXT NOT NULL,
    by_kind TEXT NOT NULL CHECK (by_kind IN ('user', 'token', 'trigger', 'agent', 'host')),
    by_id TEXT NOT NULL,
    by_name TEXT NOT NULL,
    by_risk INTEGER NOT NULL CHECK (by_risk IN (0, 1)),
    at INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    late INTEGER NOT NULL CHECK (late IN (0, 1)),
    idempotency_key TEXT NOT NULL,
    origin TEXT,
    entry INTEGER,
    released_epoch INTEGER,
    released_at INTEGER,
    released_by TEXT,
    release_why TEXT
) STRICT;
CREATE INDEX hold_by_epoch ON hold (epoch);
CREATE INDEX hold_by_release ON hold (released_epoch);
CREATE INDEX hold_by_scope ON hold (scope_kind, scope_id);
CREATE UNIQUE INDEX hold_one_press ON hold (by_kind, by_id, idempotency_key);
CREATE INDEX hold_by_origin ON hold (origin);
-- A bot that left a scope under an unreleased hold stays covered (its latch too).
CREATE TABLE hold_bot (
    hold_id TEXT NOT NULL REFERENCES hold (id),
    bot_id TEXT NOT NULL REFERENCES bot (id),
    PRIMARY KEY (hold_id, bot_id)
) STRICT;
