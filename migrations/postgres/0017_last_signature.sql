-- What a key signed last, base64url: the same answer come twice is told from a copy of the key by it. NULL: it has signed nothing since this was kept.
ALTER TABLE credential ADD COLUMN last_signature text;
