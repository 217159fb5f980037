-- The audit log: an append-only Merkle tree (RFC 6962) with the entries' exact bytes.
CREATE TABLE audit_log (
    log_id BIGINT PRIMARY KEY,
    origin TEXT COLLATE "C" NOT NULL UNIQUE,
    size BIGINT NOT NULL,
    frontier BYTEA NOT NULL,
    last_ts BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'frozen'))
);
CREATE TABLE audit_leaf (
    log_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    leaf_hash BYTEA NOT NULL CHECK (length(leaf_hash) = 32),
    PRIMARY KEY (log_id, seq)
);
-- Every eighth level of the tree, so that a proof reads few rows.
CREATE TABLE audit_node (
    log_id BIGINT NOT NULL,
    level BIGINT NOT NULL CHECK (level >= 1),
    n BIGINT NOT NULL,
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (log_id, level, n)
);
-- The bytes are the truth; the other columns only find them and are re-derived by verification.
CREATE TABLE audit_record (
    log_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    body BYTEA NOT NULL CHECK (length(body) BETWEEN 2 AND 65535),
    ts BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    obj TEXT COLLATE "C",
    PRIMARY KEY (log_id, seq)
);
CREATE INDEX audit_record_by_kind ON audit_record (kind, seq);
CREATE INDEX audit_record_by_actor ON audit_record (actor, seq);
CREATE INDEX audit_record_by_ts ON audit_record (ts, seq);
-- What an entry speaks of ("bot:…", "user:…"), to find the history of a thing. Derived from the bytes.
CREATE TABLE audit_about (
    about TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (about, seq)
);

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;
CREATE TRIGGER audit_leaf_no_update BEFORE UPDATE ON audit_leaf FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_leaf_no_delete BEFORE DELETE ON audit_leaf FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_leaf_no_truncate BEFORE TRUNCATE ON audit_leaf FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_node_no_update BEFORE UPDATE ON audit_node FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_node_no_delete BEFORE DELETE ON audit_node FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_node_no_truncate BEFORE TRUNCATE ON audit_node FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_record_no_update BEFORE UPDATE ON audit_record FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_record_no_delete BEFORE DELETE ON audit_record FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_record_no_truncate BEFORE TRUNCATE ON audit_record FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_log_only_grows BEFORE UPDATE ON audit_log FOR EACH ROW WHEN (NEW.size < OLD.size) EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
