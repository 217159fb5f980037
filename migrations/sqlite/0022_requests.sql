-- Requests: proposed changes that need approval. A row that has ended never changes again and is never deleted; every revision, vote and
-- remark is kept beside it.
CREATE TABLE request (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    -- What it is about: a bot, or the kind whose policy it is.
    target TEXT NOT NULL,
    team_id TEXT REFERENCES team (id),
    state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'executing', 'executed', 'denied', 'withdrawn', 'expired', 'stale', 'failed', 'superseded')),
    -- Counted up by every change; who writes names the one that was read.
    generation INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    requester TEXT NOT NULL REFERENCES user_account (id),
    beneficiary TEXT REFERENCES user_account (id),
    asked_at INTEGER NOT NULL,
    revised_at INTEGER NOT NULL,
    approved_at INTEGER,
    closed_at INTEGER,
    closed_by TEXT,
    outcome TEXT
) STRICT;
-- One open request for a target; one that has ended never stands in the way.
CREATE UNIQUE INDEX request_one_open ON request (kind, target) WHERE state IN ('pending', 'approved', 'executing');
CREATE INDEX request_open ON request (asked_at) WHERE state IN ('pending', 'approved', 'executing');
CREATE INDEX request_by_target ON request (target, id);
CREATE TRIGGER request_ended_stays BEFORE UPDATE ON request WHEN OLD.state NOT IN ('pending', 'approved', 'executing')
BEGIN SELECT RAISE(ABORT, 'a request that has ended stays as it is'); END;
CREATE TRIGGER request_no_delete BEFORE DELETE ON request BEGIN SELECT RAISE(ABORT, 'requests are kept'); END;
CREATE TABLE request_revision (
    request_id TEXT NOT NULL REFERENCES request (id),
    revision INTEGER NOT NULL,
    -- RFC 8785, and the SHA-256 of it, which is approved.
    content TEXT NOT NULL,
    digest TEXT NOT NULL,
    why TEXT NOT NULL,
    author TEXT NOT NULL REFERENCES user_account (id),
    policy_version INTEGER NOT NULL,
    rule TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (request_id, revision)
) STRICT;
CREATE TABLE request_vote (
    act_id TEXT NOT NULL PRIMARY KEY REFERENCES act (id),
    request_id TEXT NOT NULL REFERENCES request (id),
    revision INTEGER NOT NULL,
    digest TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    -- What they held then, in words.
    roles TEXT NOT NULL,
    alone INTEGER NOT NULL CHECK (alone IN (0, 1)),
    at INTEGER NOT NULL,
    taken_back_at INTEGER
) STRICT;
CREATE UNIQUE INDEX request_vote_once ON request_vote (request_id, revision, user_id) WHERE taken_back_at IS NULL;
CREATE TABLE request_comment (
    id TEXT NOT NULL PRIMARY KEY,
    request_id TEXT NOT NULL REFERENCES request (id),
    by_actor TEXT NOT NULL,
    by_name TEXT NOT NULL,
    text TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX request_comment_by_request ON request_comment (request_id, id);
-- Who must approve what. A kind without a row has the rule that comes with the program.
CREATE TABLE approval_policy (
    version INTEGER NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    rule TEXT NOT NULL,
    request_id TEXT NOT NULL REFERENCES request (id),
    set_at INTEGER NOT NULL
) STRICT;
