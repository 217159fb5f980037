-- What a bot showed under each approval, as its reports told it: sums and extremes, to which every server adds.
CREATE TABLE stage_result (
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    request_id TEXT COLLATE "C" NOT NULL,
    reports BIGINT NOT NULL,
    orders BIGINT NOT NULL,
    rejects BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    latency_n BIGINT NOT NULL,
    latency_sum BIGINT NOT NULL,
    latency_most BIGINT NOT NULL,
    slippage_n BIGINT NOT NULL,
    slippage_sum BIGINT NOT NULL,
    slippage_most BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (bot_id, request_id)
);
