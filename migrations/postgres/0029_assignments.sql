-- Which bot had which subaccount, and when. A row is written once and ended once.
CREATE TABLE assignment (
    id TEXT NOT NULL PRIMARY KEY,
    bot_id TEXT NOT NULL REFERENCES bot (id),
    subaccount_id TEXT NOT NULL REFERENCES subaccount (id),
    from_at BIGINT NOT NULL,
    from_by TEXT NOT NULL,
    -- The request that approved it; none: a test venue, where one press is enough.
    request_id TEXT REFERENCES request (id),
    until_at BIGINT,
    until_by TEXT
);
-- One subaccount serves at most one bot at a time, and a bot has at most one.
CREATE UNIQUE INDEX assignment_one_bot ON assignment (subaccount_id) WHERE until_at IS NULL;
CREATE UNIQUE INDEX assignment_one_subaccount ON assignment (bot_id) WHERE until_at IS NULL;
CREATE INDEX assignment_by_bot ON assignment (bot_id, from_at);
CREATE INDEX assignment_by_subaccount ON assignment (subaccount_id, from_at);
-- Since when the bots of before have theirs is not known: their history begins here.
INSERT INTO assignment (id, bot_id, subaccount_id, from_at, from_by)
SELECT id, id, subaccount_id, CAST(extract(epoch FROM now()) * 1000000 AS BIGINT), 'server' FROM bot WHERE subaccount_id IS NOT NULL AND stage <> 'retired';
