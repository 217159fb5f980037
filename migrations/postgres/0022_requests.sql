-- Requests: proposed changes that need approval. A row that has ended never changes again and is never deleted; every revision, vote and
-- remark is kept beside it.
CREATE TABLE request (
    id TEXT COLLATE "C" PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    -- What it is about: a bot, or the kind whose policy it is.
    target TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C" REFERENCES team (id),
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('pending', 'approved', 'executing', 'executed', 'denied', 'withdrawn', 'expired', 'stale', 'failed', 'superseded')),
    -- Counted up by every change; who writes names the one that was read.
    generation BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    requester TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    beneficiary TEXT COLLATE "C" REFERENCES user_account (id),
    asked_at BIGINT NOT NULL,
    revised_at BIGINT NOT NULL,
    approved_at BIGINT,
    closed_at BIGINT,
    closed_by TEXT COLLATE "C",
    outcome TEXT COLLATE "C"
);
-- One open request for a target; one that has ended never stands in the way.
CREATE UNIQUE INDEX request_one_open ON request (kind, target) WHERE state IN ('pending', 'approved', 'executing');
CREATE INDEX request_open ON request (asked_at) WHERE state IN ('pending', 'approved', 'executing');
CREATE INDEX request_by_target ON request (target, id);
CREATE FUNCTION request_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN RAISE EXCEPTION 'requests are kept'; END IF;
    RAISE EXCEPTION 'a request that has ended stays as it is';
END $$;
CREATE TRIGGER request_ended_stays BEFORE UPDATE ON request FOR EACH ROW WHEN (OLD.state NOT IN ('pending', 'approved', 'executing')) EXECUTE FUNCTION request_is_kept();
CREATE TRIGGER request_no_delete BEFORE DELETE ON request FOR EACH ROW EXECUTE FUNCTION request_is_kept();
CREATE TABLE request_revision (
    request_id TEXT COLLATE "C" NOT NULL REFERENCES request (id),
    revision BIGINT NOT NULL,
    -- RFC 8785, and the SHA-256 of it, which is approved.
    content TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    author TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    policy_version BIGINT NOT NULL,
    rule TEXT COLLATE "C" NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (request_id, revision)
);
CREATE TABLE request_vote (
    act_id TEXT COLLATE "C" PRIMARY KEY REFERENCES act (id),
    request_id TEXT COLLATE "C" NOT NULL REFERENCES request (id),
    revision BIGINT NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    -- What they held then, in words.
    roles TEXT COLLATE "C" NOT NULL,
    alone BOOLEAN NOT NULL,
    at BIGINT NOT NULL,
    taken_back_at BIGINT
);
CREATE UNIQUE INDEX request_vote_once ON request_vote (request_id, revision, user_id) WHERE taken_back_at IS NULL;
CREATE TABLE request_comment (
    id TEXT COLLATE "C" PRIMARY KEY,
    request_id TEXT COLLATE "C" NOT NULL REFERENCES request (id),
    by_actor TEXT COLLATE "C" NOT NULL,
    by_name TEXT COLLATE "C" NOT NULL,
    text TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX request_comment_by_request ON request_comment (request_id, id);
-- Who must approve what. A kind without a row has the rule that comes with the program.
CREATE TABLE approval_policy (
    version BIGINT NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    rule TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL REFERENCES request (id),
    set_at BIGINT NOT NULL
);
