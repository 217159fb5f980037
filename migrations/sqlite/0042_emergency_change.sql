-- Emergency changes: another build or configuration than was approved, let in by two people for a while, and what a review of it found.
CREATE TABLE emergency_change (
    id TEXT NOT NULL PRIMARY KEY,
    bot_id TEXT NOT NULL REFERENCES bot (id),
    stage TEXT NOT NULL CHECK (stage IN ('limited', 'live')),
    -- The approval that it departs from.
    request_id TEXT NOT NULL,
    from_build TEXT NOT NULL,
    from_config TEXT NOT NULL,
    to_build TEXT NOT NULL,
    to_config TEXT NOT NULL,
    why TEXT NOT NULL,
    act_id TEXT NOT NULL REFERENCES act (id),
    asked_by TEXT NOT NULL REFERENCES user_account (id),
    seconded_by TEXT NOT NULL REFERENCES user_account (id),
    made_at INTEGER NOT NULL,
    until_at INTEGER NOT NULL,
    review_by INTEGER NOT NULL,
    reviewed_at INTEGER,
    reviewed_by TEXT REFERENCES user_account (id),
    review_act_id TEXT REFERENCES act (id),
    verdict TEXT CHECK (verdict IN ('justified', 'not_justified')),
    review_words TEXT,
    ended_at INTEGER,
    ended_why TEXT,
    CHECK (asked_by <> seconded_by),
    CHECK (reviewed_by IS NULL OR reviewed_by NOT IN (asked_by, seconded_by)),
    CHECK ((reviewed_at IS NULL) = (reviewed_by IS NULL) AND (reviewed_at IS NULL) = (verdict IS NULL)),
    CHECK ((ended_at IS NULL) = (ended_why IS NULL))
) STRICT;
CREATE INDEX emergency_change_by_bot ON emergency_change (bot_id, id);
CREATE INDEX emergency_change_by_review ON emergency_change (review_by) WHERE reviewed_at IS NULL;
CREATE INDEX emergency_change_by_end ON emergency_change (until_at) WHERE ended_at IS NULL;
