-- Going live: what was approved of each bot that trades live, and what people answered for on checklists.
-- An ApprovedRun as JSON; gone with every change of stage.
ALTER TABLE bot ADD COLUMN approved_run TEXT;

-- What each process of a bot that is several runs, as JSON; none: it is one, or has not said.
ALTER TABLE agent_seen ADD COLUMN instances TEXT;

-- Who sent a test alert: it proves something only once somebody else has taken it.
ALTER TABLE alert ADD COLUMN sent_by TEXT;

-- One row for each time that somebody answered for an item, or put down evidence for it. The newest counts.
CREATE TABLE checklist_mark (
    id TEXT NOT NULL PRIMARY KEY,
    bot_id TEXT NOT NULL REFERENCES bot (id),
    stage TEXT NOT NULL CHECK (stage IN ('limited', 'live')),
    item TEXT NOT NULL,
    said TEXT NOT NULL,
    link TEXT,
    files TEXT NOT NULL,
    build TEXT,
    config TEXT,
    marked_by TEXT NOT NULL REFERENCES user_account (id),
    act_id TEXT REFERENCES act (id),
    marked_at INTEGER NOT NULL,
    until_at INTEGER NOT NULL
) STRICT;
CREATE INDEX checklist_mark_by_bot ON checklist_mark (bot_id, stage, marked_at);

-- Every version of every checklist that was approved; what came with the program is version 0 and stands in no row.
CREATE TABLE checklist (
    stage TEXT NOT NULL CHECK (stage IN ('limited', 'live')),
    version INTEGER NOT NULL CHECK (version > 0),
    content TEXT NOT NULL,
    request_id TEXT NOT NULL REFERENCES request (id),
    set_at INTEGER NOT NULL,
    PRIMARY KEY (stage, version)
) STRICT;
