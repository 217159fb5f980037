-- Sessions that began before this moment are over, wherever they are remembered; one may be kept, by its name.
ALTER TABLE user_account ADD COLUMN sessions_ended_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE user_account ADD COLUMN sessions_kept TEXT COLLATE "C";
-- A session that was ended stays as a row without content until its time is over, so that nobody writes it back.
ALTER TABLE session ADD COLUMN ended_at BIGINT;
-- Ids that a session had before its present one: they stop bots and do nothing else, until the present one has come back from the browser.
CREATE TABLE session_before (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    handle TEXT COLLATE "C" NOT NULL
);
CREATE INDEX session_before_by_handle ON session_before (handle);
