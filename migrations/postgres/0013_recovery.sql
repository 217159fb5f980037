-- Recovery of an account whose security keys are lost. Rows are kept: who asked, who approved, what came of it.
CREATE TABLE recovery (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    -- None: the server's host.
    asked_by TEXT COLLATE "C" REFERENCES user_account (id),
    why TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('asked', 'approved', 'linked', 'done', 'vetoed', 'withdrawn', 'expired')),
    asked_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- From when a link may be made; none before enough have approved.
    ready_at BIGINT,
    -- Everyone was told that it may.
    told_at BIGINT,
    link_until BIGINT,
    -- The person has set a password with the link, which removed the keys before.
    began_at BIGINT,
    closed_at BIGINT
);
-- One at a time; what is over frees the place.
CREATE UNIQUE INDEX recovery_open ON recovery (user_id) WHERE state IN ('asked', 'approved', 'linked');
CREATE INDEX recovery_by_age ON recovery (asked_at);
CREATE TABLE recovery_approval (
    recovery_id TEXT COLLATE "C" NOT NULL REFERENCES recovery (id),
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    act_id TEXT COLLATE "C" NOT NULL REFERENCES act (id),
    at BIGINT NOT NULL,
    PRIMARY KEY (recovery_id, user_id)
);
-- A link of a recovery is a one-time link like the others.
ALTER TABLE invitation DROP CONSTRAINT invitation_kind_check;
ALTER TABLE invitation ADD CONSTRAINT invitation_kind_check CHECK (kind IN ('setup', 'invite', 'demo', 'recovery'));
-- The relying party that the security keys were made for; none: taken at the next start.
ALTER TABLE installation ADD COLUMN rp_id TEXT COLLATE "C";
-- The relying party of a key that went with it; such a key is removed.
ALTER TABLE credential ADD COLUMN old_rp_id TEXT COLLATE "C";
