-- The state folders whose servers may renew leases. A copy of the database that is opened beside another folder is not one of them.
CREATE TABLE site (
    id TEXT NOT NULL PRIMARY KEY,
    node TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
-- What a host asked for so that a frozen log, or a copy, may go on, and the links that people sign it by.
CREATE TABLE site_recovery (
    id TEXT NOT NULL PRIMARY KEY,
    why TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    take_over INTEGER NOT NULL CHECK (take_over IN (0, 1)),
    state TEXT NOT NULL CHECK (state IN ('open', 'done', 'replaced')),
    act_id TEXT REFERENCES act (id)
) STRICT;
CREATE TABLE site_recovery_link (
    token_hash TEXT NOT NULL PRIMARY KEY,
    recovery_id TEXT NOT NULL REFERENCES site_recovery (id),
    used_by TEXT REFERENCES user_account (id)
) STRICT;
