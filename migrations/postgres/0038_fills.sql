-- What of a bot's orders was carried out, as its agent reports it. The first word about an id stands. Records of trades, kept for seven years.
CREATE TABLE fill (
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    -- Within its bot.
    id TEXT COLLATE "C" NOT NULL,
    -- By the venue, and when the server heard of it first.
    at BIGINT NOT NULL,
    heard_at BIGINT NOT NULL,
    -- The bot's then.
    stage TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C",
    client_order_id TEXT COLLATE "C",
    symbol TEXT COLLATE "C" NOT NULL,
    side TEXT COLLATE "C" NOT NULL CHECK (side IN ('buy', 'sell')),
    -- Decimal numbers as text, exact.
    quantity TEXT COLLATE "C" NOT NULL,
    price TEXT COLLATE "C" NOT NULL,
    fee TEXT COLLATE "C",
    fee_currency TEXT COLLATE "C",
    -- Null: not known.
    maker BOOLEAN,
    PRIMARY KEY (bot_id, id)
);
CREATE INDEX fill_by_time ON fill (bot_id, at, id);
CREATE INDEX fill_by_age ON fill (heard_at);
