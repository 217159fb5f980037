-- Files that people put down as evidence. What no mark leads to is on its way to one, or was left behind.
CREATE TABLE evidence_file (
    id TEXT NOT NULL PRIMARY KEY,
    bot_id TEXT NOT NULL REFERENCES bot (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('text', 'csv', 'json', 'pdf', 'png', 'jpeg')),
    bytes INTEGER NOT NULL CHECK (bytes > 0),
    -- Of its content, hex.
    sha256 TEXT NOT NULL,
    uploaded_by TEXT NOT NULL REFERENCES user_account (id),
    uploaded_at INTEGER NOT NULL,
    -- The mark that it was put down with, and its place among the files of that; none: not yet.
    mark_id TEXT REFERENCES checklist_mark (id),
    place INTEGER NOT NULL,
    -- It is being removed: nothing leads to it any more, nor will.
    dropped_at INTEGER
) STRICT;
CREATE INDEX evidence_file_by_bot ON evidence_file (bot_id);
CREATE INDEX evidence_file_loose ON evidence_file (uploaded_at) WHERE mark_id IS NULL;

-- Their content in pieces, so that no writing of one takes long.
CREATE TABLE evidence_piece (
    file_id TEXT NOT NULL REFERENCES evidence_file (id),
    n INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (file_id, n)
) STRICT;
