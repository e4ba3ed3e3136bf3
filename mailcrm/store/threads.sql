-- create_thread --
-- With the visibility that the account says at this moment.
INSERT INTO main.thread (account_id, subject, visibility, last_received_at)
SELECT a.id, CAST(:subject AS TEXT), a.default_visibility, CAST(:last_received_at AS {instant})
FROM account a WHERE a.id = :account_id RETURNING id

-- lock_threads --
-- Keeps others from changing these threads until the transaction ends.
SELECT id FROM thread WHERE id IN {each:ids} ORDER BY id {lock}

-- threads_by_reference --
SELECT message_id, thread_id FROM thread_reference
WHERE account_id = :account_id AND message_id IN {each:texts}

-- add_thread_reference --
INSERT INTO main.thread_reference (account_id, message_id, thread_id)
VALUES (:account_id, :message_id, :thread_id)
ON CONFLICT (account_id, message_id) DO UPDATE SET thread_id = excluded.thread_id

-- add_name --
INSERT INTO main.thread_reference (account_id, message_id, thread_id)
VALUES (:account_id, :message_id, :thread_id)
ON CONFLICT (account_id, message_id) DO NOTHING

-- refresh_threads --
-- A thread is called after its oldest email and stands where its newest one is.
UPDATE main.thread
SET subject = (SELECT e.subject FROM email e WHERE e.thread_id = thread.id
               ORDER BY e.received_at, e.id LIMIT 1),
    last_received_at = (SELECT max(e.received_at) FROM email e WHERE e.thread_id = thread.id)
WHERE id IN {each:ids} AND EXISTS (SELECT 1 FROM email e WHERE e.thread_id = thread.id)

-- merge_emails --
UPDATE main.email SET thread_id = :thread_id WHERE thread_id = :merged_id

-- merge_references --
UPDATE main.thread_reference SET thread_id = :thread_id WHERE thread_id = :merged_id

-- merge_links --
INSERT INTO main.link (thread_id, contact_id, deal_id, origin, linked_by, linked_at)
SELECT CAST(:thread_id AS BIGINT), l.contact_id, l.deal_id, l.origin, l.linked_by, l.linked_at
FROM link l
WHERE l.thread_id = :merged_id
  AND NOT EXISTS (
    SELECT 1 FROM link o
    WHERE o.thread_id = :thread_id
      AND (o.contact_id = l.contact_id OR o.deal_id = l.deal_id
           OR (l.deal_id IS NOT NULL AND o.deal_id IS NOT NULL AND l.origin = 'auto')))

-- merge_manual_contacts --
-- What a person linked in either thread stays a person's link.
UPDATE main.link SET origin = 'manual'
WHERE thread_id = :thread_id AND contact_id IN (
    SELECT l.contact_id FROM link l WHERE l.thread_id = :merged_id AND l.origin = 'manual')

-- merge_away_automatic_deals --
-- A link made by a person outranks one made by the rule.
DELETE FROM main.link
WHERE thread_id = :thread_id AND deal_id IS NOT NULL AND origin = 'auto'
  AND EXISTS (SELECT 1 FROM link l
              WHERE l.thread_id = :merged_id AND l.deal_id IS NOT NULL AND l.origin = 'manual')

-- merge_refusals --
INSERT INTO main.link_refusal (thread_id, contact_id, deal_id, refused_by, refused_at)
SELECT CAST(:thread_id AS BIGINT), r.contact_id, r.deal_id, r.refused_by, r.refused_at
FROM link_refusal r
WHERE r.thread_id = :merged_id
  AND NOT EXISTS (SELECT 1 FROM link_refusal o WHERE o.thread_id = :thread_id
                  AND (o.contact_id = r.contact_id OR o.deal_id = r.deal_id))

-- merge_visibility --
-- The stricter of the two: mail that was private stays so.
UPDATE main.thread SET visibility = 'private'
WHERE id = :thread_id AND EXISTS (SELECT 1 FROM thread t WHERE t.id = :merged_id AND t.visibility = 'private')

-- remove_links --
DELETE FROM main.link WHERE thread_id = :thread_id

-- remove_refusals --
DELETE FROM main.link_refusal WHERE thread_id = :thread_id

-- remove_thread --
DELETE FROM main.thread WHERE id = :thread_id

-- thread --
SELECT t.id, t.account_id, a.address AS account, a.team_id, t.subject, t.visibility, t.last_received_at
FROM thread t JOIN account a ON a.id = t.account_id WHERE t.id = :id

-- last_thread --
SELECT t.id FROM thread t JOIN account_connection c ON c.account_id = t.account_id
ORDER BY t.last_received_at DESC, t.id DESC LIMIT 1

-- inbox_page --
SELECT t.id, t.account_id, a.address AS account, a.team_id, t.subject, t.visibility, t.last_received_at
FROM thread t
JOIN account a ON a.id = t.account_id
WHERE t.account_id IN (SELECT c.account_id FROM account_connection c)
  AND (CAST(:account_id AS BIGINT) IS NULL OR t.account_id = :account_id)
  AND (NOT :unlinked OR NOT EXISTS (SELECT 1 FROM link l WHERE l.thread_id = t.id))
  AND (NOT :unread OR EXISTS (
        SELECT 1 FROM email e JOIN placement p ON p.email_id = e.id
        WHERE e.thread_id = t.id AND e.direction = 'in' AND ' ' || p.flags || ' ' NOT LIKE '% \Seen %' ESCAPE '!'))
ORDER BY t.last_received_at DESC, t.id DESC LIMIT :limit

-- thread_email_counts --
SELECT e.thread_id, count(*) AS count FROM email e WHERE e.thread_id IN {each:ids} GROUP BY e.thread_id

-- thread_unread --
SELECT DISTINCT e.thread_id FROM email e JOIN placement p ON p.email_id = e.id
WHERE e.thread_id IN {each:ids} AND e.direction = 'in' AND ' ' || p.flags || ' ' NOT LIKE '% \Seen %' ESCAPE '!'

-- thread_correspondents --
SELECT e.thread_id, p.address, max(p.name) AS name, max(e.received_at) AS newest
FROM email e JOIN participant p ON p.email_id = e.id
WHERE e.thread_id IN {each:ids} AND p.role IN ('from', 'to', 'cc')
  AND NOT EXISTS (SELECT 1 FROM account a WHERE a.id = e.account_id AND a.address = p.address)
  AND NOT EXISTS (SELECT 1 FROM account_alias x WHERE x.account_id = e.account_id AND x.address = p.address)
GROUP BY e.thread_id, p.address ORDER BY max(e.received_at) DESC, p.address

-- set_visibility --
UPDATE main.thread SET visibility = :visibility WHERE id = :id

-- account_manager --
-- One row when this viewer manages the account of a thread.
SELECT c.account_id FROM account_connection c JOIN thread t ON t.account_id = c.account_id WHERE t.id = :id
