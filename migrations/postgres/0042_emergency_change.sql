-- Emergency changes: another build or configuration than was approved, let in by two people for a while, and what a review of it found.
CREATE TABLE emergency_change (
    id TEXT COLLATE "C" PRIMARY KEY,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    stage TEXT COLLATE "C" NOT NULL CHECK (stage IN ('limited', 'live')),
    -- The approval that it departs from.
    request_id TEXT COLLATE "C" NOT NULL,
    from_build TEXT COLLATE "C" NOT NULL,
    from_config TEXT COLLATE "C" NOT NULL,
    to_build TEXT COLLATE "C" NOT NULL,
    to_config TEXT COLLATE "C" NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    act_id TEXT COLLATE "C" NOT NULL REFERENCES act (id),
    asked_by TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    seconded_by TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    made_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    review_by BIGINT NOT NULL,
    reviewed_at BIGINT,
    reviewed_by TEXT COLLATE "C" REFERENCES user_account (id),
    review_act_id TEXT COLLATE "C" REFERENCES act (id),
    verdict TEXT COLLATE "C" CHECK (verdict IN ('justified', 'not_justified')),
    review_words TEXT COLLATE "C",
    ended_at BIGINT,
    ended_why TEXT COLLATE "C",
    CHECK (asked_by <> seconded_by),
    CHECK (reviewed_by IS NULL OR reviewed_by NOT IN (asked_by, seconded_by)),
    CHECK ((reviewed_at IS NULL) = (reviewed_by IS NULL) AND (reviewed_at IS NULL) = (verdict IS NULL)),
    CHECK ((ended_at IS NULL) = (ended_why IS NULL))
);
CREATE INDEX emergency_change_by_bot ON emergency_change (bot_id, id);
CREATE INDEX emergency_change_by_review ON emergency_change (review_by) WHERE reviewed_at IS NULL;
CREATE INDEX emergency_change_by_end ON emergency_change (until_at) WHERE ended_at IS NULL;
