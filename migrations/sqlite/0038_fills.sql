-- What of a bot's orders was carried out, as its agent reports it. The first word about an id stands. Records of trades, kept for seven years.
CREATE TABLE fill (
    bot_id TEXT NOT NULL REFERENCES bot (id),
    -- Within its bot.
    id TEXT NOT NULL,
    -- By the venue, and when the server heard of it first.
    at INTEGER NOT NULL,
    heard_at INTEGER NOT NULL,
    -- The bot's then.
    stage TEXT NOT NULL,
    order_id TEXT,
    client_order_id TEXT,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
    -- Decimal numbers as text, exact.
    quantity TEXT NOT NULL,
    price TEXT NOT NULL,
    fee TEXT,
    fee_currency TEXT,
    -- Null: not known.
    maker INTEGER CHECK (maker IN (0, 1)),
    PRIMARY KEY (bot_id, id)
) STRICT;
CREATE INDEX fill_by_time ON fill (bot_id, at, id);
CREATE INDEX fill_by_age ON fill (heard_at);
