-- What changed at an exchange, as somebody wrote it down: tests of builds there that were answered for before it are due again.
CREATE TABLE venue_change (
    id TEXT PRIMARY KEY,
    venue_id TEXT NOT NULL REFERENCES venue (id),
    what TEXT NOT NULL,
    noted_by TEXT NOT NULL,
    noted_at INTEGER NOT NULL
) STRICT;
CREATE INDEX venue_change_by_venue ON venue_change (venue_id, noted_at);
