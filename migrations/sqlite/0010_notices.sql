-- What people are told: one row per person, written in the transaction of what it tells of. `once` keeps a repeat from telling twice.
-- Never holds a secret or a one-time link.
CREATE TABLE notice (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    once TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    link TEXT,
    made_at INTEGER NOT NULL,
    read_at INTEGER,
    UNIQUE (user_id, once)
) STRICT;
CREATE INDEX notice_by_user ON notice (user_id, id);
CREATE INDEX notice_by_age ON notice (made_at);
CREATE INDEX notice_unread ON notice (user_id) WHERE read_at IS NULL;
-- What goes out of a notice beside the page. The address is the one of its making: a later change sends nothing elsewhere.
CREATE TABLE delivery (
    notice_id TEXT NOT NULL REFERENCES notice (id),
    channel TEXT NOT NULL CHECK (channel IN ('mail')),
    address TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'given_up')),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    made_at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    last_error TEXT,
    delivered_at INTEGER,
    PRIMARY KEY (notice_id, channel, address)
) STRICT;
CREATE INDEX delivery_due ON delivery (next_at) WHERE state = 'waiting';
CREATE INDEX delivery_given_up ON delivery (made_at) WHERE state = 'given_up';
-- Where a person's mail goes. A table of its own: nothing but notices reads it, and the log holds a commitment to it only.
CREATE TABLE mail_address (
    user_id TEXT NOT NULL PRIMARY KEY REFERENCES user_account (id),
    address TEXT NOT NULL,
    set_at INTEGER NOT NULL
) STRICT;
