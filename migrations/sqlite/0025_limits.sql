-- Limits stand on levels, installation, team, bot and symbol. What holds for a bot (`bot.limits`, `bot_limits`) follows of them.
CREATE TABLE limit_node (
    kind TEXT NOT NULL CHECK (kind IN ('installation', 'team', 'bot', 'symbol')),
    -- The team or the bot; empty for the installation.
    target TEXT NOT NULL,
    symbol TEXT NOT NULL,
    version INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    limits TEXT NOT NULL,
    why TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_at INTEGER NOT NULL,
    review_by INTEGER,
    request_id TEXT REFERENCES request (id),
    PRIMARY KEY (kind, target, symbol)
) STRICT;
CREATE INDEX limit_node_by_epoch ON limit_node (epoch);
CREATE INDEX limit_node_by_target ON limit_node (target);
-- Every version of every level. A row is never changed.
CREATE TABLE limit_version (
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    symbol TEXT NOT NULL,
    version INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    limits TEXT NOT NULL,
    why TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_at INTEGER NOT NULL,
    review_by INTEGER,
    request_id TEXT REFERENCES request (id),
    PRIMARY KEY (kind, target, symbol, version)
) STRICT;
CREATE INDEX limit_version_by_time ON limit_version (set_at);
CREATE TRIGGER limit_version_stays BEFORE UPDATE ON limit_version BEGIN SELECT RAISE(ABORT, 'versions of limits are kept as they are'); END;
CREATE TRIGGER limit_version_no_delete BEFORE DELETE ON limit_version BEGIN SELECT RAISE(ABORT, 'versions of limits are kept'); END;
INSERT INTO limit_version (kind, target, symbol, version, epoch, limits, why, set_by, set_at)
    SELECT 'bot', bot_id, '', version, epoch, limits, why, set_by, set_at FROM bot_limits;
INSERT INTO limit_node (kind, target, symbol, version, epoch, limits, why, set_by, set_at)
    SELECT 'bot', bot.id, '', bot.limits_version, bot.fact_epoch, bot.limits, COALESCE(bot_limits.why, ''), COALESCE(bot_limits.set_by, 'server:'), bot.limits_at
    FROM bot LEFT JOIN bot_limits ON bot_limits.bot_id = bot.id AND bot_limits.version = bot.limits_version WHERE bot.limits_version > 0;
-- What is counted of a bot across restarts of agents, bots and servers: one row per bot, written over.
CREATE TABLE bot_gauge (
    bot_id TEXT NOT NULL PRIMARY KEY REFERENCES bot (id),
    at INTEGER NOT NULL,
    counted TEXT NOT NULL
) STRICT;
CREATE INDEX bot_gauge_by_time ON bot_gauge (at);
