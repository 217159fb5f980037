-- How each main account at a venue is kept safe, as somebody looked it up there: what no key can read. One row an account, the newest review.
CREATE TABLE account_safety (
    account_id TEXT NOT NULL PRIMARY KEY REFERENCES account (id),
    sheet TEXT NOT NULL,
    reviewed_at INTEGER NOT NULL,
    reviewed_by TEXT NOT NULL REFERENCES user_account (id)
) STRICT;
