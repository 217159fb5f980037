-- A person who is alone signs twice. That ends for good with the second person who has two keys, and is remembered from then on.
INSERT INTO setting (name, value, set_at)
SELECT 'second_person', 'on', MAX(two.made_at)
FROM (SELECT user_id, MAX(created_at) AS made_at FROM credential GROUP BY user_id HAVING COUNT(*) >= 2) AS two
HAVING COUNT(*) >= 2;
