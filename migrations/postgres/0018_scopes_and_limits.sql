-- Where bots trade, so that a venue, a subaccount or a symbol can be held; bots that are stopped together; limits and who set them.
CREATE TABLE venue (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    environment TEXT COLLATE "C" NOT NULL CHECK (environment IN ('test', 'live')),
    created_at BIGINT NOT NULL
);
CREATE TABLE subaccount (
    id TEXT COLLATE "C" PRIMARY KEY,
    venue_id TEXT COLLATE "C" NOT NULL REFERENCES venue (id),
    name TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (venue_id, name)
);
ALTER TABLE bot ADD COLUMN subaccount_id TEXT COLLATE "C" REFERENCES subaccount (id);
ALTER TABLE bot ADD COLUMN limits_at BIGINT NOT NULL DEFAULT 0;
-- One subaccount serves at most one bot at a time.
CREATE UNIQUE INDEX bot_one_per_subaccount ON bot (subaccount_id) WHERE subaccount_id IS NOT NULL AND stage <> 'retired';
-- Two bots of which one is dangerous alone: legs of a hedge, a leader and its follower. Whoever stops one is offered the other.
CREATE TABLE bot_link (
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    other_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    why TEXT COLLATE "C" NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (bot_id, other_id),
    CHECK (bot_id < other_id)
);
-- Every version of a bot's limits. A row is never changed.
CREATE TABLE bot_limits (
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    version BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    limits TEXT COLLATE "C" NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    set_by TEXT COLLATE "C" NOT NULL,
    set_at BIGINT NOT NULL,
    PRIMARY KEY (bot_id, version)
);
ALTER TABLE hold DROP CONSTRAINT hold_scope_kind_check;
ALTER TABLE hold ADD CONSTRAINT hold_scope_kind_check
    CHECK (scope_kind IN ('fleet', 'team', 'venue', 'subaccount', 'strategy', 'bot', 'symbol'));
ALTER TABLE hold ADD COLUMN not_before BIGINT;
ALTER TABLE hold ADD COLUMN press TEXT COLLATE "C";
CREATE INDEX hold_by_press ON hold (press) WHERE press IS NOT NULL;
