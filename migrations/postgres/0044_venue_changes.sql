-- What changed at an exchange, as somebody wrote it down: tests of builds there that were answered for before it are due again.
CREATE TABLE venue_change (
    id TEXT COLLATE "C" PRIMARY KEY,
    venue_id TEXT COLLATE "C" NOT NULL REFERENCES venue (id),
    what TEXT COLLATE "C" NOT NULL,
    noted_by TEXT COLLATE "C" NOT NULL,
    noted_at BIGINT NOT NULL
);
CREATE INDEX venue_change_by_venue ON venue_change (venue_id, noted_at);
