-- Exceptions: a larger position of one bot in one symbol for a while, by a request. A row that has ended stays.
CREATE TABLE limit_override (
    request_id TEXT NOT NULL PRIMARY KEY REFERENCES request (id),
    bot_id TEXT NOT NULL REFERENCES bot (id),
    symbol TEXT NOT NULL,
    most TEXT NOT NULL,
    until_at INTEGER NOT NULL,
    why TEXT NOT NULL,
    set_at INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    ended_at INTEGER,
    ended_by TEXT
) STRICT;
-- One in force for a bot and a symbol.
CREATE UNIQUE INDEX limit_override_open ON limit_override (bot_id, symbol) WHERE ended_at IS NULL;
CREATE INDEX limit_override_by_bot ON limit_override (bot_id, set_at);
