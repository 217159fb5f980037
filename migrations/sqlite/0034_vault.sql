-- Exchange keys that the server holds itself, sealed. Without the master key, which lies nowhere here, none of it opens.
CREATE TABLE key_secret (
    key_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    sealed BLOB NOT NULL,
    -- The master key that wrapped its data key.
    master TEXT NOT NULL,
    sealed_at INTEGER NOT NULL,
    PRIMARY KEY (key_id, version)
) STRICT;
CREATE INDEX key_secret_by_master ON key_secret (master);
-- Master keys by their names, each with a value that only it opens. One is current: it seals. One that it replaces goes on until nothing is
-- sealed under it.
CREATE TABLE master_key (
    id TEXT NOT NULL PRIMARY KEY,
    check_value BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    is_current INTEGER NOT NULL CHECK (is_current IN (0, 1)),
    retired_at INTEGER,
    -- Counts on with each sealing, so that a change of the master key and a sealing under the old one wait for each other.
    seals INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX master_key_current ON master_key (is_current) WHERE is_current = 1;
