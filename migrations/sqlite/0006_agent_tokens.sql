-- A token that an agent has asked for and not used yet. Its first use ends the one before.
ALTER TABLE agent ADD COLUMN next_token_hash TEXT;
CREATE UNIQUE INDEX agent_by_next_token ON agent (next_token_hash);
