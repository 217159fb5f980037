-- Exchange keys. A key is what was approved for one bot and one purpose; its versions are the secrets that were handed in for it. No secret is here
-- in the clear: a bot's is sealed to its agent, and those of the server lie encrypted in a table of their own.
CREATE TABLE exchange_key (
    id TEXT COLLATE "C" PRIMARY KEY,
    bot_id TEXT COLLATE "C" NOT NULL REFERENCES bot (id),
    subaccount_id TEXT COLLATE "C" NOT NULL REFERENCES subaccount (id),
    purpose TEXT COLLATE "C" NOT NULL,
    -- What it is to be, as JSON: the newest that was approved.
    sheet TEXT COLLATE "C" NOT NULL,
    rotate_days BIGINT NOT NULL,
    -- What happens to the bot when the key is found to be another than approved.
    on_drift TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL REFERENCES request (id),
    requester TEXT COLLATE "C" NOT NULL REFERENCES user_account (id),
    approved_at BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    -- When it or a version of it was changed last, by the counter of keys.
    changed BIGINT NOT NULL,
    compromised_at BIGINT,
    compromised_by TEXT COLLATE "C",
    -- When everything that follows of that was done.
    settled_at BIGINT,
    settled_by TEXT COLLATE "C",
    settled_why TEXT COLLATE "C",
    ended_at BIGINT,
    ended_by TEXT COLLATE "C",
    ended_why TEXT COLLATE "C"
);
CREATE INDEX exchange_key_by_change ON exchange_key (changed);
-- One bot has one key for a purpose.
CREATE UNIQUE INDEX exchange_key_open ON exchange_key (bot_id, purpose) WHERE ended_at IS NULL;
CREATE TABLE key_version (
    key_id TEXT COLLATE "C" NOT NULL REFERENCES exchange_key (id),
    version BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL,
    -- SHA-256 of the venue's name for the key. One serves one bot and one purpose, for ever.
    fingerprint TEXT COLLATE "C" NOT NULL UNIQUE,
    -- What the venue was called when it was sealed: it is bound to that.
    venue TEXT COLLATE "C" NOT NULL,
    -- Whom it is sealed to, and what was sealed; none: the server holds it.
    agent_id TEXT COLLATE "C" REFERENCES agent (id),
    sealed TEXT COLLATE "C",
    installed_at BIGINT NOT NULL,
    installed_by TEXT COLLATE "C" NOT NULL,
    -- When somebody asked for it to be measured again, until it was.
    asked_at BIGINT,
    -- When its deletion at the venue was signed, until something came of it.
    delete_at BIGINT,
    measured_at BIGINT,
    measured_by TEXT COLLATE "C",
    verdict TEXT COLLATE "C",
    -- What was found, as JSON: facts and differences.
    evidence TEXT COLLATE "C",
    attested_at BIGINT,
    attested_by TEXT COLLATE "C",
    delivered_at BIGINT,
    active_at BIGINT,
    draining_at BIGINT,
    revoked_at BIGINT,
    gone_at BIGINT,
    gone_by TEXT COLLATE "C",
    PRIMARY KEY (key_id, version)
);
-- What happened to a key, in order; a row is never changed.
CREATE TABLE key_event (
    key_id TEXT COLLATE "C" NOT NULL REFERENCES exchange_key (id),
    n BIGINT NOT NULL,
    version BIGINT,
    at BIGINT NOT NULL,
    what TEXT COLLATE "C" NOT NULL,
    who TEXT COLLATE "C" NOT NULL,
    why TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (key_id, n)
);
CREATE FUNCTION key_event_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history of a key is kept as it is';
END $$;
CREATE TRIGGER key_event_stays BEFORE UPDATE OR DELETE ON key_event FOR EACH ROW EXECUTE FUNCTION key_event_is_kept();
-- Goes up with every change of a key: whoever has read up to one number reads what came after it, and no more.
CREATE TABLE key_counter (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL
);
INSERT INTO key_counter (one, version) VALUES (1, 0);
