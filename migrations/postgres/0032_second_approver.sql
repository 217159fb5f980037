-- While nobody else could approve it, one admin gives any role. That ends for good with the second person who could, and is remembered from then on.
INSERT INTO setting (name, value, set_at)
SELECT 'second_approver', 'on', MAX(two.made_at)
FROM (SELECT user_id, MAX(created_at) AS made_at FROM credential GROUP BY user_id HAVING COUNT(*) >= 2) AS two
WHERE two.user_id IN (SELECT user_id FROM user_grant WHERE role IN ('lead', 'risk', 'admin'))
HAVING COUNT(*) >= 2;
