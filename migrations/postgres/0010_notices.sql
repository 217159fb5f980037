-- What people are told: one row per person, written in the transaction of what it tells of. `once` keeps a repeat from telling twice.
-- Never holds a secret or a one-time link.
CREATE TABLE notice (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    once TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    title TEXT COLLATE "C" NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    link TEXT COLLATE "C",
    made_at BIGINT NOT NULL,
    read_at BIGINT,
    UNIQUE (user_id, once)
);
CREATE INDEX notice_by_user ON notice (user_id, id);
CREATE INDEX notice_by_age ON notice (made_at);
CREATE INDEX notice_unread ON notice (user_id) WHERE read_at IS NULL;
-- What goes out of a notice beside the page. The address is the one of its making: a later change sends nothing elsewhere.
CREATE TABLE delivery (
    notice_id TEXT COLLATE "C" NOT NULL REFERENCES notice (id),
    channel TEXT COLLATE "C" NOT NULL CHECK (channel IN ('mail')),
    address TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'delivered', 'given_up')),
    attempts BIGINT NOT NULL CHECK (attempts >= 0),
    made_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    last_error TEXT COLLATE "C",
    delivered_at BIGINT,
    PRIMARY KEY (notice_id, channel, address)
);
CREATE INDEX delivery_due ON delivery (next_at) WHERE state = 'waiting';
CREATE INDEX delivery_given_up ON delivery (made_at) WHERE state = 'given_up';
-- Where a person's mail goes. A table of its own: nothing but notices reads it, and the log holds a commitment to it only.
CREATE TABLE mail_address (
    user_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES user_account (id),
    address TEXT COLLATE "C" NOT NULL,
    set_at BIGINT NOT NULL
);
