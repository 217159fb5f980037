-- Limits stand on levels, installation, team, bot and symbol. What holds for a bot (`bot.limits`, `bot_limits`) follows of them.
CREATE TABLE limit_node (
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('installation', 'team', 'bot', 'symbol')),
    -- The team or the bot; empty for the installation.
    target TEXT COLLATE "C" NOT NULL,
    symbol TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    limits TEXT COLLATE "C" NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    set_by TEXT COLLATE "C" NOT NULL,
    set_at BIGINT NOT NULL,
    review_by BIGINT,
    request_id TEXT COLLATE "C" REFERENCES request (id),
    PRIMARY KEY (kind, target, symbol)
);
CREATE INDEX limit_node_by_epoch ON limit_node (epoch);
CREATE INDEX limit_node_by_target ON limit_node (target);
-- Every version of every level. A row is never changed.
CREATE TABLE limit_version (
    kind TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    symbol TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    limits TEXT COLLATE "C" NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    set_by TEXT COLLATE "C" NOT NULL,
    set_at BIGINT NOT NULL,
    review_by BIGINT,
    request_id TEXT COLLATE "C" REFERENCES request (id),
    PRIMARY KEY (kind, target, symbol, version)
);
CREATE INDEX limit_version_by_time ON limit_version (set_at);
CREATE FUNCTION limit_version_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'versions of limits are kept as they are';
END $$;
CREATE TRIGGER limit_version_stays BEFORE UPDATE OR DELETE ON limit_version FOR EACH ROW EXECUTE FUNCTION limit_version_is_kept();
INSERT INTO limit_version (kind, target, symbol, version, epoch, limits, why, set_by, set_at)
    SELECT 'bot', bot_id, '', version, epoch, limits, why, set_by, set_at FROM bot_limits;
INSERT INTO limit_node (kind, target, symbol, version, epoch, limits, why, set_by, set_at)
    SELECT 'bot', bot.id, '', bot.limits_version, bot.fact_epoch, bot.limits, COALESCE(bot_limits.why, ''), COALESCE(bot_limits.set_by, 'server:'), bot.limits_at
    FROM bot LEFT JOIN bot_limits ON bot_limits.bot_id = bot.id AND bot_limits.version = bot.limits_version WHERE bot.limits_version > 0;
-- What is counted of a bot across restarts of agents, bots and servers: one row per bot, written over.
CREATE TABLE bot_gauge (
    bot_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES bot (id),
    at BIGINT NOT NULL,
    counted TEXT COLLATE "C" NOT NULL
);
CREATE INDEX bot_gauge_by_time ON bot_gauge (at);
