-- What exists and who is accountable: accounts between a venue and its subaccounts, what a bot is for, who stands in for its owner and who may
-- start it. Nothing is ever deleted: what is retired refuses new use and keeps its history.
ALTER TABLE venue ADD COLUMN exchange TEXT NOT NULL DEFAULT '';
ALTER TABLE venue ADD COLUMN retired_at BIGINT;
ALTER TABLE subaccount ADD COLUMN retired_at BIGINT;
UPDATE venue SET exchange = name;
CREATE TABLE account (
    id TEXT NOT NULL PRIMARY KEY,
    venue_id TEXT NOT NULL REFERENCES venue (id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT,
    UNIQUE (venue_id, name)
);
-- Every venue of before gets its main account, under the venue's own id.
INSERT INTO account (id, venue_id, name, created_at) SELECT id, id, 'main', created_at FROM venue;
ALTER TABLE subaccount ADD COLUMN account_id TEXT REFERENCES account (id);
UPDATE subaccount SET account_id = venue_id;
-- What a bot's directive does not depend on.
CREATE TABLE bot_sheet (
    bot_id TEXT NOT NULL PRIMARY KEY REFERENCES bot (id),
    objective TEXT NOT NULL,
    deputy_id TEXT REFERENCES user_account (id)
);
-- Once a bot has one of these, nobody else starts it.
CREATE TABLE bot_operator (
    bot_id TEXT NOT NULL REFERENCES bot (id),
    user_id TEXT NOT NULL REFERENCES user_account (id),
    listed_at BIGINT NOT NULL,
    PRIMARY KEY (bot_id, user_id)
);
