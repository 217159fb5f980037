-- API tokens say when and from where they were used; their scopes get the model's words. A phone may be a stop device.
ALTER TABLE api_token DROP CONSTRAINT api_token_scope_check;
UPDATE api_token SET scope = CASE scope WHEN 'stop' THEN 'stop-only' WHEN 'manage' THEN 'operate' ELSE scope END;
ALTER TABLE api_token ADD CONSTRAINT api_token_scope_check CHECK (scope IN ('stop-only', 'read', 'operate'));
ALTER TABLE api_token ADD COLUMN last_used_at BIGINT;
ALTER TABLE api_token ADD COLUMN last_used_from TEXT COLLATE "C";
ALTER TABLE api_token ADD COLUMN warned_at BIGINT;
ALTER TABLE hold DROP CONSTRAINT hold_by_kind_check;
ALTER TABLE hold ADD CONSTRAINT hold_by_kind_check CHECK (by_kind IN ('user', 'device', 'token', 'trigger', 'agent', 'host'));
-- What is set for the installation as a whole, by a signed act. What has no row is off.
CREATE TABLE setting (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL,
    set_at BIGINT NOT NULL
);
-- The one-time link that makes a phone a stop device. Only the digest is kept.
CREATE TABLE stop_device_link (
    token_hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    name TEXT COLLATE "C" NOT NULL,
    made_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
-- A phone that may stop and nothing else. A row is never deleted. `public_key` belongs to a private key that never leaves the phone's browser.
CREATE TABLE stop_device (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    name TEXT COLLATE "C" NOT NULL,
    token_hash TEXT COLLATE "C" NOT NULL UNIQUE,
    public_key TEXT COLLATE "C",
    enrolled_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_why TEXT COLLATE "C",
    last_used_at BIGINT,
    last_used_from TEXT COLLATE "C",
    warned_at BIGINT
);
CREATE INDEX stop_device_by_user ON stop_device (user_id);
