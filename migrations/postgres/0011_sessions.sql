-- How a session is named outside of its cookie; it keeps this name when its id changes, so that an end finds it.
ALTER TABLE session ADD COLUMN handle TEXT COLLATE "C";
UPDATE session SET handle = replace(gen_random_uuid()::text, '-', '');
CREATE UNIQUE INDEX session_by_handle ON session (handle);
-- From which browsers a person has signed in: the digest of a cookie that opens nothing. From another one they are told.
CREATE TABLE known_browser (
    user_id TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    token_hash TEXT COLLATE "C" NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, token_hash)
);
CREATE INDEX known_browser_by_age ON known_browser (last_at);
-- Goes up whenever people, their rights, sessions, teams, agents or tokens change: what other replicas remember of them is then read again.
CREATE TABLE book (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL
);
INSERT INTO book (one, version) VALUES (1, 0);
