-- Acts that wait for, or have, the signatures of security keys.
CREATE TABLE act (
    id TEXT COLLATE "C" PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    body BYTEA NOT NULL,
    digest TEXT COLLATE "C" NOT NULL UNIQUE,
    detail TEXT COLLATE "C" NOT NULL,
    made_by TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    made_at BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    signers_needed BIGINT NOT NULL CHECK (signers_needed IN (1, 2)),
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'done', 'withdrawn', 'refused')),
    closed_at BIGINT,
    outcome TEXT COLLATE "C"
);
CREATE INDEX act_by_state ON act (state, made_at);
CREATE TABLE act_signature (
    act_id TEXT COLLATE "C" NOT NULL REFERENCES act (id),
    n BIGINT NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    credential_id TEXT COLLATE "C" NOT NULL,
    authenticator_data BYTEA NOT NULL,
    client_data BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    at BIGINT NOT NULL,
    alone BOOLEAN NOT NULL,
    PRIMARY KEY (act_id, n)
);
