-- A token of a pipeline files a build for going live, and nothing else.
-- SQLite cannot change a CHECK: the table is made anew, with everything that was in it.
CREATE TABLE token_anew (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    scope TEXT NOT NULL CHECK (scope IN ('stop-only', 'read', 'operate', 'build')),
    team_id TEXT,
    made_by TEXT NOT NULL REFERENCES user_account (id),
    made_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    last_used_at INTEGER,
    last_used_from TEXT,
    warned_at INTEGER
) STRICT;
INSERT INTO token_anew (id, name, token_hash, scope, team_id, made_by, made_at, expires_at, revoked_at, last_used_at, last_used_from, warned_at)
SELECT id, name, token_hash, scope, team_id, made_by, made_at, expires_at, revoked_at, last_used_at, last_used_from, warned_at FROM api_token;
DROP TABLE api_token;
ALTER TABLE token_anew RENAME TO api_token;
