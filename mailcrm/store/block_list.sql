-- block_rules --
SELECT r.id, r.pattern, r.mode, a.address AS account, m.address AS added_by, r.added_at
FROM block_rule r
LEFT JOIN account a ON a.id = r.account_id
JOIN member m ON m.id = r.added_by
ORDER BY a.address IS NOT NULL, a.address, r.pattern

-- block_rules_for --
-- Those of the store last, so that they win over equal ones of the account.
SELECT id, pattern, mode FROM block_rule
WHERE account_id IS NULL OR account_id = :account_id
ORDER BY account_id IS NULL, id

-- add_block_rule --
INSERT INTO main.block_rule (account_id, pattern, mode, added_by, added_at)
VALUES (:account_id, :pattern, :mode, :added_by, :added_at) RETURNING id

-- remove_block_rule --
DELETE FROM main.block_rule WHERE id = :id

-- forget_screened --
DELETE FROM main.screened
WHERE (folder_id, uidvalidity, uid) IN (SELECT s.folder_id, s.uidvalidity, s.uid FROM screened s
                                        WHERE s.block_rule_id = :id)

-- unscreen --
-- The bounds lead through the index, also where nobody has counted yet how many rows there are.
DELETE FROM main.screened
WHERE folder_id = :folder_id AND uidvalidity = :uidvalidity AND uid BETWEEN :low AND :high
  AND uid IN {each:uids}

-- screen_out --
INSERT INTO main.screened (folder_id, uidvalidity, uid, block_rule_id, rules)
WITH chosen (uid) AS {each:uids}
SELECT CAST(:folder_id AS BIGINT), CAST(:uidvalidity AS BIGINT), c.uid, r.id, CAST(:rules AS INTEGER)
FROM chosen c CROSS JOIN block_rule r WHERE r.id IN {each:rule_ids}

-- screened_by_rule --
SELECT block_rule_id AS id, count(*) AS count FROM screened GROUP BY block_rule_id

-- screened_count --
SELECT count(*) AS count FROM (
    SELECT 1 AS place FROM screened s JOIN folder f ON f.id = s.folder_id
    WHERE f.account_id = :account_id AND f.selected AND s.uidvalidity = f.uidvalidity
    GROUP BY s.folder_id, s.uid HAVING count(*) = max(s.rules)) AS whole

-- email_ids --
SELECT id FROM email WHERE account_id = :account_id ORDER BY id

-- addresses_of_emails --
SELECT DISTINCT email_id, address FROM participant WHERE email_id IN {each:ids}

-- threads_of_emails --
SELECT thread_id, gone_at FROM email WHERE id IN {each:ids}

-- places_of_emails --
SELECT folder_id, uidvalidity, uid, email_id FROM placement WHERE email_id IN {each:ids}

-- remove_emails --
DELETE FROM main.email WHERE id IN {each:ids}

-- threads_with_emails --
SELECT DISTINCT thread_id FROM email WHERE thread_id IN {each:ids}

-- remove_threads --
DELETE FROM main.thread WHERE id IN {each:ids}
