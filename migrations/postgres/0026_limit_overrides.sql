-- Exceptions: a larger position of one bot in one symbol for a while, by a request. A row that has ended stays.
CREATE TABLE limit_override (
    request_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES request (id),
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    symbol TEXT COLLATE "C" NOT NULL,
    most TEXT COLLATE "C" NOT NULL,
    until_at BIGINT NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    set_at BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    ended_at BIGINT,
    ended_by TEXT COLLATE "C"
);
-- One in force for a bot and a symbol.
CREATE UNIQUE INDEX limit_override_open ON limit_override (bot_id, symbol) WHERE ended_at IS NULL;
CREATE INDEX limit_override_by_bot ON limit_override (bot_id, set_at);
