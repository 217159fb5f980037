-- The audit log: an append-only Merkle tree (RFC 6962) with the entries' exact bytes.
CREATE TABLE audit_log (
    log_id INTEGER NOT NULL PRIMARY KEY,
    origin TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    frontier BLOB NOT NULL,
    last_ts INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'frozen'))
) STRICT;
CREATE TABLE audit_leaf (
    log_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL CHECK (length(leaf_hash) = 32),
    PRIMARY KEY (log_id, seq)
) STRICT, WITHOUT ROWID;
-- Every eighth level of the tree, so that a proof reads few rows.
CREATE TABLE audit_node (
    log_id INTEGER NOT NULL,
    level INTEGER NOT NULL CHECK (level >= 1),
    n INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (log_id, level, n)
) STRICT, WITHOUT ROWID;
-- The bytes are the truth; the other columns only find them and are re-derived by verification.
CREATE TABLE audit_record (
    log_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    body BLOB NOT NULL CHECK (length(body) BETWEEN 2 AND 65535),
    ts INTEGER NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    obj TEXT,
    PRIMARY KEY (log_id, seq)
) STRICT;
CREATE INDEX audit_record_by_kind ON audit_record (kind, seq);
CREATE INDEX audit_record_by_actor ON audit_record (actor, seq);
CREATE INDEX audit_record_by_ts ON audit_record (ts, seq);
-- What an entry speaks of ("bot:…", "user:…"), to find the history of a thing. Derived from the bytes.
CREATE TABLE audit_about (
    about TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (about, seq)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER audit_leaf_no_update BEFORE UPDATE ON audit_leaf BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_leaf_no_delete BEFORE DELETE ON audit_leaf BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- INSERT OR REPLACE fires neither of the above.
CREATE TRIGGER audit_leaf_no_replace BEFORE INSERT ON audit_leaf WHEN EXISTS (SELECT 1 FROM audit_leaf WHERE log_id = NEW.log_id AND seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_node_no_update BEFORE UPDATE ON audit_node BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_node_no_delete BEFORE DELETE ON audit_node BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- INSERT OR REPLACE fires neither of the above.
CREATE TRIGGER audit_node_no_replace BEFORE INSERT ON audit_node WHEN EXISTS (SELECT 1 FROM audit_node WHERE log_id = NEW.log_id AND level = NEW.level AND n = NEW.n)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_record_no_update BEFORE UPDATE ON audit_record BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_record_no_delete BEFORE DELETE ON audit_record BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- INSERT OR REPLACE fires neither of the above.
CREATE TRIGGER audit_record_no_replace BEFORE INSERT ON audit_record WHEN EXISTS (SELECT 1 FROM audit_record WHERE log_id = NEW.log_id AND seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_log_only_grows BEFORE UPDATE ON audit_log WHEN NEW.size < OLD.size BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
