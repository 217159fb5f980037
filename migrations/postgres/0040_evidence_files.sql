-- Files that people put down as evidence. What no mark leads to is on its way to one, or was left behind.
CREATE TABLE evidence_file (
    id TEXT COLLATE "C" PRIMARY KEY,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    name TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('text', 'csv', 'json', 'pdf', 'png', 'jpeg')),
    bytes BIGINT NOT NULL CHECK (bytes > 0),
    -- Of its content, hex.
    sha256 TEXT COLLATE "C" NOT NULL,
    uploaded_by TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    uploaded_at BIGINT NOT NULL,
    -- The mark that it was put down with, and its place among the files of that; none: not yet.
    mark_id TEXT COLLATE "C" REFERENCES checklist_mark (id),
    place BIGINT NOT NULL,
    -- It is being removed: nothing leads to it any more, nor will.
    dropped_at BIGINT
);
CREATE INDEX evidence_file_by_bot ON evidence_file (bot_id);
CREATE INDEX evidence_file_loose ON evidence_file (uploaded_at) WHERE mark_id IS NULL;

-- Their content in pieces, so that no writing of one takes long.
CREATE TABLE evidence_piece (
    file_id TEXT COLLATE "C" NOT NULL REFERENCES evidence_file (id),
    n BIGINT NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (file_id, n)
);
