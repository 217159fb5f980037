-- The installation, its one counter, and the people in it.
CREATE TABLE installation (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('live', 'demo')),
    created_at BIGINT NOT NULL
);
-- Every fact that changes what a bot may do takes the next number. Locked first, read after.
CREATE TABLE epoch (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    value BIGINT NOT NULL
);
CREATE TABLE team (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);
-- A person. Never deleted: history stays readable.
CREATE TABLE user_account (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    display_name TEXT COLLATE "C" NOT NULL,
    password_hash TEXT COLLATE "C",
    enabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE TABLE user_grant (
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    role TEXT COLLATE "C" NOT NULL CHECK (role IN ('operator', 'lead', 'risk', 'admin', 'auditor')),
    team_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (user_id, role, team_id)
);
-- One-time links: the first set-up, an invitation, a demo's sign-in. Only the digest is kept.
CREATE TABLE invitation (
    token_hash TEXT COLLATE "C" PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('setup', 'invite', 'demo')),
    made_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
-- A security key. The passkey column holds what the WebAuthn library needs to verify: a public key, no secret.
CREATE TABLE credential (
    id TEXT COLLATE "C" PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    nickname TEXT COLLATE "C" NOT NULL,
    passkey TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    removed_at BIGINT
);
CREATE INDEX credential_by_user ON credential (user_id);
-- A browser session; its id is stored as a digest only.
CREATE TABLE session (
    id TEXT COLLATE "C" PRIMARY KEY,
    user_id TEXT COLLATE "C",
    data BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX session_by_user ON session (user_id);
CREATE INDEX session_by_expiry ON session (expires_at);
CREATE TABLE api_token (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    token_hash TEXT COLLATE "C" NOT NULL UNIQUE,
    scope TEXT COLLATE "C" NOT NULL CHECK (scope IN ('stop', 'read', 'manage')),
    team_id TEXT COLLATE "C",
    made_by TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    made_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
-- Which replica does a piece of background work, and until when.
CREATE TABLE worker_lease (
    name TEXT COLLATE "C" PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL,
    held_until BIGINT NOT NULL
);
