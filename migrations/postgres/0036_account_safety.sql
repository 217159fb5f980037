-- How each main account at a venue is kept safe, as somebody looked it up there: what no key can read. One row an account, the newest review.
CREATE TABLE account_safety (
    account_id TEXT COLLATE "C" PRIMARY KEY REFERENCES account (id),
    sheet TEXT COLLATE "C" NOT NULL,
    reviewed_at BIGINT NOT NULL,
    reviewed_by TEXT COLLATE "C" NOT NULL REFERENCES user_account (id)
);
