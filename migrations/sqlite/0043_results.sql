-- What a bot showed under each approval, as its reports told it: sums and extremes, to which every server adds.
CREATE TABLE stage_result (
    bot_id TEXT NOT NULL REFERENCES bot (id),
    request_id TEXT NOT NULL,
    reports INTEGER NOT NULL,
    orders INTEGER NOT NULL,
    rejects INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    latency_n INTEGER NOT NULL,
    latency_sum INTEGER NOT NULL,
    latency_most INTEGER NOT NULL,
    slippage_n INTEGER NOT NULL,
    slippage_sum INTEGER NOT NULL,
    slippage_most INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (bot_id, request_id)
) STRICT;
