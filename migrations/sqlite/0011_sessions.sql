-- How a session is named outside of its cookie; it keeps this name when its id changes, so that an end finds it.
ALTER TABLE session ADD COLUMN handle TEXT;
UPDATE session SET handle = lower(hex(randomblob(16)));
CREATE UNIQUE INDEX session_by_handle ON session (handle);
-- From which browsers a person has signed in: the digest of a cookie that opens nothing. From another one they are told.
CREATE TABLE known_browser (
    user_id TEXT NOT NULL REFERENCES user_account (id),
    token_hash TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, token_hash)
) STRICT;
CREATE INDEX known_browser_by_age ON known_browser (last_at);
-- Goes up whenever people, their rights, sessions, teams, agents or tokens change: what other replicas remember of them is then read again.
CREATE TABLE book (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO book (one, version) VALUES (1, 0);
