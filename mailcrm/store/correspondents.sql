-- last_contacts --
-- Of the conversations that count for a contact, the newest email that it wrote, or that was written to it. Mail that
-- programs send is nobody's, and what its sender may not have written is not believed.
SELECT newest.contact_id, newest.thread_id, newest.received_at, newest.direction
FROM (SELECT COALESCE(c.merged_into_id, c.id) AS contact_id, e.thread_id, e.received_at, e.direction,
             row_number() OVER (PARTITION BY COALESCE(c.merged_into_id, c.id)
                                ORDER BY e.received_at DESC, e.id DESC) AS place
      FROM contact c JOIN link l ON l.contact_id = c.id JOIN email e ON e.thread_id = l.thread_id
      WHERE (c.id IN {each:ids} OR c.merged_into_id IN {each:ids})
        AND NOT e.automatic AND NOT e.from_ambiguous AND (e.direction = 'out' OR e.dmarc <> 'fail')
        AND EXISTS (SELECT 1 FROM participant p
                    LEFT JOIN contact_address exact ON exact.address = p.address
                    LEFT JOIN contact_address untagged ON untagged.address = p.untagged
                    WHERE p.email_id = e.id
                      AND (e.direction = 'in' AND p.role = 'from'
                           OR e.direction = 'out' AND p.role IN ('to', 'cc', 'bcc'))
                      AND COALESCE(exact.contact_id, untagged.contact_id) = COALESCE(c.merged_into_id, c.id))
     ) AS newest
WHERE newest.place = 1

-- bounces --
-- The addresses of contacts of which the newest report says that mail failed, unless they wrote after it. A delay
-- may still end well.
SELECT told.contact_id, told.address, told.thread_id, told.received_at, told.status, told.reason
FROM (SELECT ca.contact_id, ca.position AS place, d.address, e.thread_id, e.received_at, d.action, d.status, d.reason,
             row_number() OVER (PARTITION BY d.address ORDER BY e.received_at DESC, e.id DESC) AS age
      FROM contact_address ca JOIN delivery d ON d.address = ca.address JOIN email e ON e.id = d.email_id
      WHERE ca.contact_id IN {each:ids} AND d.action IN ('failed', 'delivered')) AS told
WHERE told.age = 1 AND told.action = 'failed'
  AND NOT EXISTS (SELECT 1 FROM contact c JOIN link l ON l.contact_id = c.id JOIN email e ON e.thread_id = l.thread_id
                  WHERE (c.id = told.contact_id OR c.merged_into_id = told.contact_id)
                    AND e.from_address = told.address AND e.received_at > told.received_at AND e.direction = 'in'
                    AND NOT e.from_ambiguous AND e.dmarc <> 'fail')
ORDER BY told.contact_id, told.place

-- unknown_correspondents --
-- People outside who wrote to the accounts that the viewer manages, or were written to, and are no contacts.
-- Who sends by programs only is left out, and what lies in junk or trash. Recipients are read of our own emails
-- alone, and tags where an address is left over: on PostgreSQL each row that is read has its policy.
SELECT known.address, known.name, known.emails, known.threads, known.thread_id, known.newest, known.incoming
FROM (SELECT in_thread.address, in_thread.thread_id, in_thread.email_id, in_thread.newest, in_thread.incoming,
             max(in_thread.name) OVER person AS name,
             sum(in_thread.emails) OVER person AS emails,
             count(*) OVER person AS threads,
             max(in_thread.by_people) OVER person AS by_people,
             row_number() OVER (PARTITION BY in_thread.address
                                ORDER BY in_thread.newest DESC, in_thread.thread_id DESC) AS place
      FROM (SELECT mail.address, mail.thread_id, max(mail.name) AS name, count(DISTINCT mail.id) AS emails,
                   max(mail.id) AS email_id, max(mail.received_at) AS newest,
                   max(CASE WHEN mail.direction = 'in' THEN mail.received_at END) AS incoming,
                   max(CASE WHEN mail.automatic THEN 0 ELSE 1 END) AS by_people
            FROM (SELECT e.id, e.thread_id, e.received_at, e.direction, e.automatic,
                         e.from_address AS address, e.from_name AS name
                  FROM email e
                  WHERE e.account_id IN (SELECT c.account_id FROM account_connection c)
                    AND (CAST(:account_id AS BIGINT) IS NULL OR e.account_id = :account_id)
                    AND e.direction = 'in' AND NOT e.gone_from_junk AND NOT e.from_ambiguous
                  UNION ALL
                  SELECT e.id, e.thread_id, e.received_at, e.direction, e.automatic, p.address, p.name
                  FROM email e JOIN participant p ON p.email_id = e.id
                  WHERE e.account_id IN (SELECT c.account_id FROM account_connection c)
                    AND (CAST(:account_id AS BIGINT) IS NULL OR e.account_id = :account_id)
                    AND e.direction = 'out' AND NOT e.gone_from_junk AND p.role IN ('to', 'cc', 'bcc')) AS mail
            WHERE mail.id NOT IN (SELECT pl.email_id FROM placement pl JOIN folder f ON f.id = pl.folder_id
                                  WHERE f.role IN ('junk', 'trash'))
            GROUP BY mail.address, mail.thread_id) AS in_thread
      WHERE in_thread.address <> ''
        AND in_thread.address NOT IN (SELECT ca.address FROM contact_address ca)
        AND in_thread.address NOT IN (SELECT m.address FROM member m)
        AND in_thread.address NOT IN (SELECT a.address FROM account a)
        AND in_thread.address NOT IN (SELECT x.address FROM account_alias x)
      WINDOW person AS (PARTITION BY in_thread.address)) AS known
WHERE known.place = 1 AND known.by_people = 1
  AND NOT EXISTS (SELECT 1 FROM participant p
                  WHERE p.email_id = known.email_id AND p.address = known.address AND p.untagged <> p.address
                    AND (p.untagged IN (SELECT ca.address FROM contact_address ca)
                         OR p.untagged IN (SELECT m.address FROM member m)
                         OR p.untagged IN (SELECT a.address FROM account a)
                         OR p.untagged IN (SELECT x.address FROM account_alias x)))
ORDER BY known.newest DESC, known.address LIMIT :limit

-- unknown_senders --
-- People who wrote in a linked thread of an account that the viewer manages, and are no contacts.
SELECT p.address, max(p.name) AS name
FROM email e JOIN participant p ON p.email_id = e.id
WHERE e.thread_id = :thread_id AND e.direction = 'in' AND p.role = 'from' AND p.address <> ''
  AND NOT e.automatic AND NOT e.from_ambiguous
  AND e.account_id IN (SELECT c.account_id FROM account_connection c)
  AND EXISTS (SELECT 1 FROM link l WHERE l.thread_id = e.thread_id)
  AND NOT EXISTS (SELECT 1 FROM contact_address ca WHERE ca.address IN (p.address, p.untagged))
  AND NOT EXISTS (SELECT 1 FROM member m WHERE m.address IN (p.address, p.untagged))
  AND NOT EXISTS (SELECT 1 FROM account a WHERE a.address IN (p.address, p.untagged))
  AND NOT EXISTS (SELECT 1 FROM account_alias x WHERE x.address IN (p.address, p.untagged))
GROUP BY p.address ORDER BY min(e.received_at), p.address
