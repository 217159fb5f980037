-- Where bots trade, so that a venue, a subaccount or a symbol can be held; bots that are stopped together; limits and who set them.
CREATE TABLE venue (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    environment TEXT NOT NULL CHECK (environment IN ('test', 'live')),
    created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE subaccount (
    id TEXT NOT NULL PRIMARY KEY,
    venue_id TEXT NOT NULL REFERENCES venue (id),
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (venue_id, name)
) STRICT;
ALTER TABLE bot ADD COLUMN subaccount_id TEXT REFERENCES subaccount (id);
ALTER TABLE bot ADD COLUMN limits_at INTEGER NOT NULL DEFAULT 0;
-- One subaccount serves at most one bot at a time.
CREATE UNIQUE INDEX bot_one_per_subaccount ON bot (subaccount_id) WHERE subaccount_id IS NOT NULL AND stage <> 'retired';
-- Two bots of which one is dangerous alone: legs of a hedge, a leader and its follower. Whoever stops one is offered the other.
CREATE TABLE bot_link (
    bot_id TEXT NOT NULL REFERENCES bot (id),
    other_id TEXT NOT NULL REFERENCES bot (id),
    why TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (bot_id, other_id),
    CHECK (bot_id < other_id)
) STRICT;
-- Every version of a bot's limits. A row is never changed.
CREATE TABLE bot_limits (
    bot_id TEXT NOT NULL REFERENCES bot (id),
    version INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    limits TEXT NOT NULL,
    why TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_at INTEGER NOT NULL,
    PRIMARY KEY (bot_id, version)
) STRICT;
-- SQLite cannot change a CHECK: the table is made anew, with everything that was in it.
CREATE TABLE hold_anew (
    id TEXT NOT NULL PRIMARY KEY,
    scope_kind TEXT NOT NULL CHECK (scope_kind IN ('fleet', 'team', 'venue', 'subaccount', 'strategy', 'bot', 'symbol')),
    scope_id TEXT NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('reduce', 'pause', 'kill')),
    why TEXT NOT NULL,
    by_kind TEXT NOT NULL CHECK (by_kind IN ('user', 'device', 'token', 'trigger', 'agent', 'host')),
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
    release_why TEXT,
    not_before INTEGER,
    press TEXT
) STRICT;
INSERT INTO hold_anew SELECT hold.*, NULL, NULL FROM hold;
CREATE TABLE hold_bot_anew (
    hold_id TEXT NOT NULL REFERENCES hold_anew (id),
    bot_id TEXT NOT NULL REFERENCES bot (id),
    PRIMARY KEY (hold_id, bot_id)
) STRICT;
INSERT INTO hold_bot_anew SELECT * FROM hold_bot;
DROP TABLE hold_bot;
DROP TABLE hold;
ALTER TABLE hold_anew RENAME TO hold;
ALTER TABLE hold_bot_anew RENAME TO hold_bot;
CREATE INDEX hold_by_epoch ON hold (epoch);
CREATE INDEX hold_by_release ON hold (released_epoch);
CREATE INDEX hold_by_scope ON hold (scope_kind, scope_id);
CREATE UNIQUE INDEX hold_one_press ON hold (by_kind, by_id, idempotency_key);
CREATE INDEX hold_by_origin ON hold (origin);
CREATE INDEX hold_by_press ON hold (press) WHERE press IS NOT NULL;
