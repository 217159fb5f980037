-- Bot against venue: what was read and compared, what differs and was confirmed, and stops that were read back at the venue.
-- What a confirmed difference does to a bot, and what the guard may cancel where the venue tells no entry orders. No row: pause, entries.
CREATE TABLE reconcile_setting (
    bot_id TEXT NOT NULL PRIMARY KEY REFERENCES bot (id),
    level TEXT NOT NULL CHECK (level IN ('off', 'reduce', 'pause')),
    guard_cancels TEXT NOT NULL CHECK (guard_cancels IN ('entries', 'all')),
    set_at INTEGER NOT NULL,
    set_by TEXT NOT NULL
) STRICT;
-- The last comparison of each bot: an observation, overwritten.
CREATE TABLE reconcile_seen (
    bot_id TEXT NOT NULL PRIMARY KEY REFERENCES bot (id),
    at INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('agrees', 'differs', 'unknown')),
    -- What differs, or why nothing is known.
    words TEXT NOT NULL,
    -- The key that read.
    key_id TEXT NOT NULL,
    agreed_at INTEGER,
    -- Since when and how often nothing was learned; null: something was.
    unknown_since INTEGER,
    unknowns INTEGER NOT NULL CHECK (unknowns >= 0)
) STRICT;
-- A difference that two reads in a row confirmed. Blocks the bot's start until somebody closes it. A row is never deleted.
CREATE TABLE reconciliation (
    id TEXT NOT NULL PRIMARY KEY,
    bot_id TEXT NOT NULL REFERENCES bot (id),
    first_seen_at INTEGER NOT NULL,
    confirmed_at INTEGER NOT NULL,
    -- JSON: a list of {subject, venue, agent} in words.
    difference TEXT NOT NULL,
    key_id TEXT NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('off', 'reduce', 'pause')),
    -- The hold that it placed, which may not be recorded yet; null: none.
    hold_id TEXT,
    closed_at INTEGER,
    closed_by TEXT,
    closed_name TEXT,
    closed_why TEXT
) STRICT;
CREATE UNIQUE INDEX reconciliation_one_open ON reconciliation (bot_id) WHERE closed_at IS NULL;
CREATE INDEX reconciliation_of_bot ON reconciliation (bot_id, confirmed_at);
-- A stop that was read back at the venue: with which key, and what rested then. The first reading of an epoch stands.
CREATE TABLE stop_verified (
    bot_id TEXT NOT NULL REFERENCES bot (id),
    epoch INTEGER NOT NULL,
    at INTEGER NOT NULL,
    open_orders INTEGER NOT NULL CHECK (open_orders >= 0),
    key_id TEXT NOT NULL,
    PRIMARY KEY (bot_id, epoch)
) STRICT;
CREATE INDEX stop_verified_by_epoch ON stop_verified (epoch);
