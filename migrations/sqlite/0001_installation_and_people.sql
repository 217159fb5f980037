-- The installation, its one counter, and the people in it.
CREATE TABLE installation (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('live', 'demo')),
    created_at INTEGER NOT NULL
) STRICT;
-- Every fact that changes what a bot may do takes the next number. Locked first, read after.
CREATE TABLE epoch (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    value INTEGER NOT NULL
) STRICT;
CREATE TABLE team (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;
-- A person. Never deleted: history stays readable.
CREATE TABLE user_account (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    password_hash TEXT,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    generation INTEGER NOT NULL
) STRICT;
CREATE TABLE user_grant (
    user_id TEXT NOT NULL REFERENCES user_account (id),
    role TEXT NOT NULL CHECK (role IN ('operator', 'lead', 'risk', 'admin', 'auditor')),
    team_id TEXT NOT NULL,
    PRIMARY KEY (user_id, role, team_id)
) STRICT;
-- One-time links: the first set-up, an invitation, a demo's sign-in. Only the digest is kept.
CREATE TABLE invitation (
    token_hash TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    kind TEXT NOT NULL CHECK (kind IN ('setup', 'invite', 'demo')),
    made_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
-- A security key. The passkey column holds what the WebAuthn library needs to verify: a public key, no secret.
CREATE TABLE credential (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    nickname TEXT NOT NULL,
    passkey TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    removed_at INTEGER
) STRICT;
CREATE INDEX credential_by_user ON credential (user_id);
-- A browser session; its id is stored as a digest only.
CREATE TABLE session (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT,
    data BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX session_by_user ON session (user_id);
CREATE INDEX session_by_expiry ON session (expires_at);
CREATE TABLE api_token (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    scope TEXT NOT NULL CHECK (scope IN ('stop', 'read', 'manage')),
    team_id TEXT,
    made_by TEXT NOT NULL REFERENCES user_account (id),
    made_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
-- Which replica does a piece of background work, and until when.
CREATE TABLE worker_lease (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    held_until INTEGER NOT NULL
) STRICT;
