-- What a security key is: its model, what it said of itself when it was made, and whether it may be copied to other devices.
ALTER TABLE credential ADD COLUMN aaguid TEXT;
ALTER TABLE credential ADD COLUMN attestation TEXT;
-- The public key as COSE, base64url: what software of somebody else verifies signatures with.
ALTER TABLE credential ADD COLUMN cose TEXT;
ALTER TABLE credential ADD COLUMN backup_eligible BOOLEAN NOT NULL DEFAULT FALSE;
-- A key of which there may be a copy signs nothing any more; its person removes it.
ALTER TABLE credential ADD COLUMN suspended_at BIGINT;
ALTER TABLE credential ADD COLUMN suspended_why TEXT;
UPDATE credential SET backup_eligible = TRUE WHERE passkey LIKE '%"backup_eligible":true%';
