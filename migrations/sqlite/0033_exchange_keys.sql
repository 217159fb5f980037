-- Exchange keys. A key is what was approved for one bot and one purpose; its versions are the secrets that were handed in for it. No secret is here
-- in the clear: a bot's is sealed to its agent, and those of the server lie encrypted in a table of their own.
CREATE TABLE exchange_key (
    id TEXT NOT NULL PRIMARY KEY,
    bot_id TEXT NOT NULL REFERENCES bot (id),
    subaccount_id TEXT NOT NULL REFERENCES subaccount (id),
    purpose TEXT NOT NULL,
    -- What it is to be, as JSON: the newest that was approved.
    sheet TEXT NOT NULL,
    rotate_days INTEGER NOT NULL,
    -- What happens to the bot when the key is found to be another than approved.
    on_drift TEXT NOT NULL,
    request_id TEXT NOT NULL REFERENCES request (id),
    requester TEXT NOT NULL REFERENCES user_account (id),
    approved_at INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    -- When it or a version of it was changed last, by the counter of keys.
    changed INTEGER NOT NULL,
    compromised_at INTEGER,
    compromised_by TEXT,
    -- When everything that follows of that was done.
    settled_at INTEGER,
    settled_by TEXT,
    settled_why TEXT,
    ended_at INTEGER,
    ended_by TEXT,
    ended_why TEXT
) STRICT;
CREATE INDEX exchange_key_by_change ON exchange_key (changed);
-- One bot has one key for a purpose.
CREATE UNIQUE INDEX exchange_key_open ON exchange_key (bot_id, purpose) WHERE ended_at IS NULL;
CREATE TABLE key_version (
    key_id TEXT NOT NULL REFERENCES exchange_key (id),
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    generation INTEGER NOT NULL,
    -- SHA-256 of the venue's name for the key. One serves one bot and one purpose, for ever.
    fingerprint TEXT NOT NULL UNIQUE,
    -- What the venue was called when it was sealed: it is bound to that.
    venue TEXT NOT NULL,
    -- Whom it is sealed to, and what was sealed; none: the server holds it.
    agent_id TEXT REFERENCES agent (id),
    sealed TEXT,
    installed_at INTEGER NOT NULL,
    installed_by TEXT NOT NULL,
    -- When somebody asked for it to be measured again, until it was.
    asked_at INTEGER,
    -- When its deletion at the venue was signed, until something came of it.
    delete_at INTEGER,
    measured_at INTEGER,
    measured_by TEXT,
    verdict TEXT,
    -- What was found, as JSON: facts and differences.
    evidence TEXT,
    attested_at INTEGER,
    attested_by TEXT,
    delivered_at INTEGER,
    active_at INTEGER,
    draining_at INTEGER,
    revoked_at INTEGER,
    gone_at INTEGER,
    gone_by TEXT,
    PRIMARY KEY (key_id, version)
) STRICT;
-- What happened to a key, in order; a row is never changed.
CREATE TABLE key_event (
    key_id TEXT NOT NULL REFERENCES exchange_key (id),
    n INTEGER NOT NULL,
    version INTEGER,
    at INTEGER NOT NULL,
    what TEXT NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (key_id, n)
) STRICT;
CREATE TRIGGER key_event_stays BEFORE UPDATE ON key_event BEGIN SELECT RAISE(ABORT, 'the history of a key is kept as it is'); END;
CREATE TRIGGER key_event_no_delete BEFORE DELETE ON key_event BEGIN SELECT RAISE(ABORT, 'the history of a key is kept'); END;
-- Goes up with every change of a key: whoever has read up to one number reads what came after it, and no more.
CREATE TABLE key_counter (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO key_counter (one, version) VALUES (1, 0);
