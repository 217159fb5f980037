-- Files that somebody wants to take in, and what came of them. A draft is looked at, then taken in whole or not at all.
CREATE TABLE register_import (
    id TEXT NOT NULL PRIMARY KEY,
    made_by TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    format TEXT NOT NULL CHECK (format IN ('csv', 'toml')),
    sha256 TEXT NOT NULL,
    -- The file while it is a draft; empty afterwards.
    body TEXT NOT NULL,
    -- The difference that was made, as JSON; none: it is a draft.
    difference TEXT,
    done_at INTEGER
) STRICT;
CREATE INDEX register_import_by_time ON register_import (made_at);
