-- Signed checkpoints of the log, the keys that sign them, why the log was frozen, and entries that wait for it to open.
CREATE TABLE audit_checkpoint (
    log_id BIGINT NOT NULL,
    size BIGINT NOT NULL,
    note TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (log_id, size)
);
-- Verifier keys of this installation's replicas; each has its entry in the log, which verification reads instead.
CREATE TABLE audit_key (
    vkey TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    log_id BIGINT NOT NULL,
    node TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL
);
CREATE TABLE audit_freeze (
    n BIGINT NOT NULL PRIMARY KEY,
    log_id BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('rollback', 'mismatch')),
    why TEXT COLLATE "C" NOT NULL,
    node TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL
);
-- Entries of stops that happened while the log took none: appended, in this order, when it is open.
CREATE TABLE audit_late (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    actor_kind TEXT COLLATE "C" NOT NULL,
    actor_id TEXT COLLATE "C" NOT NULL,
    happened_at BIGINT NOT NULL,
    node TEXT COLLATE "C" NOT NULL,
    event TEXT COLLATE "C" NOT NULL
);
CREATE TRIGGER audit_checkpoint_no_update BEFORE UPDATE ON audit_checkpoint FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_checkpoint_no_delete BEFORE DELETE ON audit_checkpoint FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_checkpoint_no_truncate BEFORE TRUNCATE ON audit_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_freeze_no_update BEFORE UPDATE ON audit_freeze FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_freeze_no_delete BEFORE DELETE ON audit_freeze FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
