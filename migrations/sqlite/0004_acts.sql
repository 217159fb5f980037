-- Acts that wait for, or have, the signatures of security keys.
CREATE TABLE act (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    detail TEXT NOT NULL,
    made_by TEXT NOT NULL REFERENCES user_account (id),
    made_at INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    signers_needed INTEGER NOT NULL CHECK (signers_needed IN (1, 2)),
    state TEXT NOT NULL CHECK (state IN ('open', 'done', 'withdrawn', 'refused')),
    closed_at INTEGER,
    outcome TEXT
) STRICT;
CREATE INDEX act_by_state ON act (state, made_at);
CREATE TABLE act_signature (
    act_id TEXT NOT NULL REFERENCES act (id),
    n INTEGER NOT NULL,
    user_id TEXT NOT NULL REFERENCES user_account (id),
    credential_id TEXT NOT NULL,
    authenticator_data BLOB NOT NULL,
    client_data BLOB NOT NULL,
    signature BLOB NOT NULL,
    at INTEGER NOT NULL,
    alone INTEGER NOT NULL CHECK (alone IN (0, 1)),
    PRIMARY KEY (act_id, n)
) STRICT;
