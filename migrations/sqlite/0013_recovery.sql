-- Recovery of an account whose security keys are lost. Rows are kept: who asked, who approved, what came of it.
CREATE TABLE recovery (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    -- None: the server's host.
    asked_by TEXT REFERENCES user_account (id),
    why TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('asked', 'approved', 'linked', 'done', 'vetoed', 'withdrawn', 'expired')),
    asked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- From when a link may be made; none before enough have approved.
    ready_at INTEGER,
    -- Everyone was told that it may.
    told_at INTEGER,
    link_until INTEGER,
    -- The person has set a password with the link, which removed the keys before.
    began_at INTEGER,
    closed_at INTEGER
) STRICT;
-- One at a time; what is over frees the place.
CREATE UNIQUE INDEX recovery_open ON recovery (user_id) WHERE state IN ('asked', 'approved', 'linked');
CREATE INDEX recovery_by_age ON recovery (asked_at);
CREATE TABLE recovery_approval (
    recovery_id TEXT NOT NULL REFERENCES recovery (id),
    user_id TEXT NOT NULL REFERENCES user_account (id),
    act_id TEXT NOT NULL REFERENCES act (id),
    at INTEGER NOT NULL,
    PRIMARY KEY (recovery_id, user_id)
) STRICT;
-- A link of a recovery is a one-time link like the others.
CREATE TABLE invitation_new (
    token_hash TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    kind TEXT NOT NULL CHECK (kind IN ('setup', 'invite', 'demo', 'recovery')),
    made_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
INSERT INTO invitation_new SELECT token_hash, user_id, kind, made_at, expires_at, used_at FROM invitation;
DROP TABLE invitation;
ALTER TABLE invitation_new RENAME TO invitation;
-- The relying party that the security keys were made for; none: taken at the next start.
ALTER TABLE installation ADD COLUMN rp_id TEXT;
-- The relying party of a key that went with it; such a key is removed.
ALTER TABLE credential ADD COLUMN old_rp_id TEXT;
