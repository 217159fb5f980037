-- Who was told that a bot went up, and when they read it: traders, risk and compliance (RTS 6 article 11(2)). Notices go after some time, this stays.
CREATE TABLE change_reader (
    request_id TEXT NOT NULL REFERENCES request (id),
    user_id TEXT NOT NULL REFERENCES user_account (id),
    told_at INTEGER NOT NULL,
    read_at INTEGER,
    PRIMARY KEY (request_id, user_id)
) STRICT;
CREATE INDEX change_reader_unread ON change_reader (told_at) WHERE read_at IS NULL;
