-- Answers to programs that may ask twice: written in the transaction of what was done, so that the same key never does it again.
CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    -- SHA-256 of method, path and body.
    digest TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- None until the answer was given; a server that ended in between never gives it.
    status INTEGER,
    location TEXT,
    body TEXT,
    PRIMARY KEY (actor, idempotency_key)
) STRICT;
CREATE INDEX idempotency_by_time ON idempotency (at);
