-- Signed checkpoints of the log, the keys that sign them, why the log was frozen, and entries that wait for it to open.
CREATE TABLE audit_checkpoint (
    log_id INTEGER NOT NULL,
    size INTEGER NOT NULL,
    note TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (log_id, size)
) STRICT;
-- Verifier keys of this installation's replicas; each has its entry in the log, which verification reads instead.
CREATE TABLE audit_key (
    vkey TEXT NOT NULL PRIMARY KEY,
    log_id INTEGER NOT NULL,
    node TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE TABLE audit_freeze (
    n INTEGER NOT NULL PRIMARY KEY,
    log_id INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('rollback', 'mismatch')),
    why TEXT NOT NULL,
    node TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
-- Entries of stops that happened while the log took none: appended, in this order, when it is open.
CREATE TABLE audit_late (
    id TEXT NOT NULL PRIMARY KEY,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    happened_at INTEGER NOT NULL,
    node TEXT NOT NULL,
    event TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_checkpoint_no_update BEFORE UPDATE ON audit_checkpoint BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_checkpoint_no_delete BEFORE DELETE ON audit_checkpoint BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- INSERT OR REPLACE fires neither of the above.
CREATE TRIGGER audit_checkpoint_no_replace BEFORE INSERT ON audit_checkpoint WHEN EXISTS (SELECT 1 FROM audit_checkpoint WHERE log_id = NEW.log_id AND size = NEW.size)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_freeze_no_update BEFORE UPDATE ON audit_freeze BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_freeze_no_delete BEFORE DELETE ON audit_freeze BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
