-- The state folders whose servers may renew leases. A copy of the database that is opened beside another folder is not one of them.
CREATE TABLE site (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    node TEXT COLLATE "C" NOT NULL,
    recorded_at BIGINT NOT NULL,
    ended_at BIGINT
);
-- What a host asked for so that a frozen log, or a copy, may go on, and the links that people sign it by.
CREATE TABLE site_recovery (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    why TEXT COLLATE "C" NOT NULL,
    asked_by TEXT COLLATE "C" NOT NULL,
    asked_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    take_over BOOLEAN NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'done', 'replaced')),
    act_id TEXT COLLATE "C" REFERENCES act (id)
);
CREATE TABLE site_recovery_link (
    token_hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    recovery_id TEXT COLLATE "C" NOT NULL REFERENCES site_recovery (id),
    used_by TEXT COLLATE "C" REFERENCES user_account (id)
);
