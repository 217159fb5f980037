-- Approvals that whoever asked wants beside those of the policy: a JSON array of whose. They can be added, and never taken away.
ALTER TABLE request ADD COLUMN raised TEXT COLLATE "C" NOT NULL DEFAULT '[]';
