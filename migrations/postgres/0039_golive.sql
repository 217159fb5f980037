-- Going live: what was approved of each bot that trades live, and what people answered for on checklists.
-- An ApprovedRun as JSON; gone with every change of stage.
ALTER TABLE bot ADD COLUMN approved_run TEXT COLLATE "C";

-- What each process of a bot that is several runs, as JSON; none: it is one, or has not said.
ALTER TABLE agent_seen ADD COLUMN instances TEXT COLLATE "C";

-- Who sent a test alert: it proves something only once somebody else has taken it.
ALTER TABLE alert ADD COLUMN sent_by TEXT COLLATE "C";

-- One row for each time that somebody answered for an item, or put down evidence for it. The newest counts.
CREATE TABLE checklist_mark (
    id TEXT COLLATE "C" PRIMARY KEY,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    stage TEXT COLLATE "C" NOT NULL CHECK (stage IN ('limited', 'live')),
    item TEXT COLLATE "C" NOT NULL,
    said TEXT COLLATE "C" NOT NULL,
    link TEXT COLLATE "C",
    files TEXT COLLATE "C" NOT NULL,
    build TEXT COLLATE "C",
    config TEXT COLLATE "C",
    marked_by TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    act_id TEXT COLLATE "C" REFERENCES act (id),
    marked_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL
);
CREATE INDEX checklist_mark_by_bot ON checklist_mark (bot_id, stage, marked_at);

-- Every version of every checklist that was approved; what came with the program is version 0 and stands in no row.
CREATE TABLE checklist (
    stage TEXT COLLATE "C" NOT NULL CHECK (stage IN ('limited', 'live')),
    version BIGINT NOT NULL CHECK (version > 0),
    content TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL REFERENCES request (id),
    set_at BIGINT NOT NULL,
    PRIMARY KEY (stage, version)
);
