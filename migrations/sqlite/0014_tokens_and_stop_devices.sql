-- API tokens say when and from where they were used; their scopes get the model's words. A phone may be a stop device.
-- SQLite cannot change a CHECK: the tables are made anew, with everything that was in them.
CREATE TABLE token_anew (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    scope TEXT NOT NULL CHECK (scope IN ('stop-only', 'read', 'operate')),
    team_id TEXT,
    made_by TEXT NOT NULL REFERENCES user_account (id),
    made_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    last_used_at INTEGER,
    last_used_from TEXT,
    warned_at INTEGER
) STRICT;
INSERT INTO token_anew (id, name, token_hash, scope, team_id, made_by, made_at, expires_at, revoked_at)
SELECT id, name, token_hash, CASE scope WHEN 'stop' THEN 'stop-only' WHEN 'manage' THEN 'operate' ELSE scope END, team_id, made_by, made_at,
    expires_at, revoked_at FROM api_token;
DROP TABLE api_token;
ALTER TABLE token_anew RENAME TO api_token;
CREATE TABLE hold_anew (
    id TEXT NOT NULL PRIMARY KEY,
    scope_kind TEXT NOT NULL CHECK (scope_kind IN ('fleet', 'team', 'bot')),
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
    release_why TEXT
) STRICT;
INSERT INTO hold_anew SELECT * FROM hold;
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
-- What is set for the installation as a whole, by a signed act. What has no row is off.
CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    set_at INTEGER NOT NULL
) STRICT;
-- The one-time link that makes a phone a stop device. Only the digest is kept.
CREATE TABLE stop_device_link (
    token_hash TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    name TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
-- A phone that may stop and nothing else. A row is never deleted. `public_key` belongs to a private key that never leaves the phone's browser.
CREATE TABLE stop_device (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    name TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    public_key TEXT,
    enrolled_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    ended_why TEXT,
    last_used_at INTEGER,
    last_used_from TEXT,
    warned_at INTEGER
) STRICT;
CREATE INDEX stop_device_by_user ON stop_device (user_id);
