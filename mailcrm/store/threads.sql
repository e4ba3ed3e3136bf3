-- create_thread --
-- With the visibility that the account says at this moment.
INSERT INTO main.thread (account_id, subject, visibility, last_received_at, due)
SELECT a.id, CAST(:subject AS TEXT), a.default_visibility, CAST(:last_received_at AS {instant}), TRUE
FROM account a WHERE a.id = :account_id RETURNING id

-- lock_threads --
-- Keeps others from changing these threads until the transaction ends.
SELECT id FROM thread WHERE id IN {each:ids} ORDER BY id {lock}

-- threads_by_reference --
SELECT message_id, thread_id FROM thread_reference
WHERE account_id = :account_id AND message_id IN {each:texts}

-- splits --
SELECT thread_id, other_id FROM thread_split WHERE thread_id IN {each:ids}

-- archived_threads --
SELECT id FROM thread WHERE archived AND id IN {each:ids}

-- unarchive_for --
-- Old mail that a longer history brings is no news.
UPDATE main.thread SET archived = FALSE
WHERE id = :id
  AND NOT EXISTS (SELECT 1 FROM email e
                  WHERE e.thread_id = thread.id AND e.direction = 'in' AND e.received_at >= :received_at)

-- add_thread_reference --
INSERT INTO main.thread_reference (account_id, message_id, thread_id)
VALUES (:account_id, :message_id, :thread_id)
ON CONFLICT (account_id, message_id) DO UPDATE SET thread_id = excluded.thread_id

-- add_name --
INSERT INTO main.thread_reference (account_id, message_id, thread_id)
VALUES (:account_id, :message_id, :thread_id)
ON CONFLICT (account_id, message_id) DO NOTHING

-- refresh_threads --
-- A thread is called after its oldest email and stands where its newest one is. The rule looks at it again.
UPDATE main.thread
SET subject = (SELECT e.subject FROM email e WHERE e.thread_id = thread.id
               ORDER BY e.received_at, e.id LIMIT 1),
    last_received_at = (SELECT max(e.received_at) FROM email e WHERE e.thread_id = thread.id),
    due = TRUE
WHERE id IN {each:ids} AND EXISTS (SELECT 1 FROM email e WHERE e.thread_id = thread.id)

-- merge_emails --
UPDATE main.email SET thread_id = :thread_id WHERE thread_id = :merged_id

-- merge_references --
UPDATE main.thread_reference SET thread_id = :thread_id WHERE thread_id = :merged_id

-- merge_away_automatic_links --
-- What a person linked outranks what the rule did.
DELETE FROM main.link
WHERE thread_id = :thread_id AND origin = 'auto'
  AND EXISTS (SELECT 1 FROM link l
              WHERE l.thread_id = :merged_id AND l.origin <> 'auto'
                AND (l.contact_id = link.contact_id
                     OR (l.contact_id IS NULL AND link.contact_id IS NULL)))

-- merge_links --
UPDATE main.link SET thread_id = :thread_id
WHERE thread_id = :merged_id
  AND NOT EXISTS (
    SELECT 1 FROM link o
    WHERE o.thread_id = :thread_id
      AND (o.contact_id = link.contact_id OR o.deal_id = link.deal_id OR o.lead_id = link.lead_id
           OR (link.origin = 'auto' AND link.contact_id IS NULL AND o.contact_id IS NULL)))

-- merge_refusals --
UPDATE main.link_refusal SET thread_id = :thread_id
WHERE thread_id = :merged_id
  AND NOT EXISTS (SELECT 1 FROM link_refusal o WHERE o.thread_id = :thread_id
                  AND (o.contact_id = link_refusal.contact_id OR o.deal_id = link_refusal.deal_id
                       OR o.lead_id = link_refusal.lead_id))

-- merge_away_refused_links --
-- What a person took away in either goes in both, unless a person made it in the other.
DELETE FROM main.link
WHERE thread_id = :thread_id AND origin = 'auto'
  AND EXISTS (SELECT 1 FROM link_refusal r
              WHERE r.thread_id = :thread_id
                AND (r.contact_id = link.contact_id OR r.deal_id = link.deal_id OR r.lead_id = link.lead_id))

-- merge_away_answered_refusals --
DELETE FROM main.link_refusal
WHERE thread_id = :thread_id
  AND EXISTS (SELECT 1 FROM link l
              WHERE l.thread_id = :thread_id AND l.origin <> 'auto'
                AND (l.contact_id = link_refusal.contact_id OR l.deal_id = link_refusal.deal_id
                     OR l.lead_id = link_refusal.lead_id))

-- merge_labels --
INSERT INTO main.thread_label (thread_id, label_id)
SELECT CAST(:thread_id AS BIGINT), tl.label_id FROM thread_label tl
WHERE tl.thread_id = :merged_id
  AND tl.label_id NOT IN (SELECT o.label_id FROM thread_label o WHERE o.thread_id = :thread_id)

-- merge_events --
UPDATE main.thread_event SET thread_id = :thread_id WHERE thread_id = :merged_id

-- merge_splits --
-- What was split from either stays split from both.
INSERT INTO main.thread_split (thread_id, other_id)
SELECT CAST(:thread_id AS BIGINT), s.other_id FROM thread_split s
WHERE s.thread_id = :merged_id AND s.other_id <> :thread_id
  AND s.other_id NOT IN (SELECT o.other_id FROM thread_split o WHERE o.thread_id = :thread_id)
UNION ALL
SELECT s.thread_id, CAST(:thread_id AS BIGINT) FROM thread_split s
WHERE s.other_id = :merged_id AND s.thread_id <> :thread_id
  AND s.thread_id NOT IN (SELECT o.thread_id FROM thread_split o WHERE o.other_id = :thread_id)

-- merge_visibility --
-- The stricter of the two: mail that was private stays so.
UPDATE main.thread SET visibility = 'private'
WHERE id = :thread_id AND EXISTS (SELECT 1 FROM thread t WHERE t.id = :merged_id AND t.visibility = 'private')

-- move_away --
-- A thread that leaves another one is seen by the same people, and comes with none of its links.
INSERT INTO main.thread (account_id, subject, visibility, last_received_at, archived, due)
SELECT t.account_id, t.subject, t.visibility, t.last_received_at, t.archived, TRUE
FROM thread t WHERE t.id = :thread_id RETURNING id

-- move_emails --
UPDATE main.email SET thread_id = :new_id, by_subject = FALSE WHERE id IN {each:ids}

-- move_references --
UPDATE main.thread_reference SET thread_id = :new_id WHERE thread_id = :thread_id AND message_id IN {each:texts}

-- copy_refusals --
INSERT INTO main.link_refusal (thread_id, contact_id, deal_id, lead_id, refused_by, refused_at)
SELECT CAST(:new_id AS BIGINT), r.contact_id, r.deal_id, r.lead_id, CAST(:refused_by AS BIGINT), r.refused_at
FROM link_refusal r WHERE r.thread_id = :thread_id

-- copy_splits --
INSERT INTO main.thread_split (thread_id, other_id)
SELECT CAST(:new_id AS BIGINT), s.other_id FROM thread_split s WHERE s.thread_id = :thread_id
UNION ALL
SELECT s.thread_id, CAST(:new_id AS BIGINT) FROM thread_split s WHERE s.other_id = :thread_id

-- add_split --
INSERT INTO main.thread_split (thread_id, other_id) VALUES (:thread_id, :other_id)

-- settle_emails --
-- A person has said where they belong.
UPDATE main.email SET lone_reply = FALSE WHERE thread_id IN {each:ids} AND lone_reply

-- merge_archived --
-- What is archived stays away only when all of it is.
UPDATE main.thread SET archived = FALSE
WHERE id = :thread_id AND EXISTS (SELECT 1 FROM thread t WHERE t.id = :merged_id AND NOT t.archived)

-- remove_thread --
DELETE FROM main.thread WHERE id = :thread_id

-- thread --
SELECT t.id, t.account_id, a.address AS account, a.team_id, t.subject, t.visibility, t.last_received_at, t.archived
FROM thread t JOIN account a ON a.id = t.account_id WHERE t.id = :id

-- threads_by_id --
SELECT t.id, t.account_id, a.address AS account, a.team_id, t.subject, t.visibility, t.last_received_at, t.archived
FROM thread t JOIN account a ON a.id = t.account_id WHERE t.id IN {each:ids}
ORDER BY t.last_received_at DESC, t.id DESC

-- last_thread --
SELECT t.id FROM thread t JOIN account_connection c ON c.account_id = t.account_id
ORDER BY t.last_received_at DESC, t.id DESC LIMIT 1

-- inbox_page --
SELECT t.id, t.account_id, a.address AS account, a.team_id, t.subject, t.visibility, t.last_received_at, t.archived
FROM thread t
JOIN account a ON a.id = t.account_id
WHERE t.account_id IN (SELECT c.account_id FROM account_connection c)
  AND (CAST(:account_id AS BIGINT) IS NULL OR t.account_id = :account_id)
  AND t.archived = :archived
  AND (CAST(:label_id AS BIGINT) IS NULL
       OR EXISTS (SELECT 1 FROM thread_label tl
                  WHERE tl.thread_id = t.id AND tl.label_id = CAST(:label_id AS BIGINT)))
  AND (NOT :suggested OR EXISTS (SELECT 1 FROM suggestion s WHERE s.thread_id = t.id))
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

-- thread_labels --
SELECT tl.thread_id, b.name FROM thread_label tl JOIN label b ON b.id = tl.label_id
WHERE tl.thread_id IN {each:ids} ORDER BY tl.thread_id, b.name

-- thread_correspondents --
SELECT e.thread_id, p.address, max(p.name) AS name, max(e.received_at) AS newest
FROM email e JOIN participant p ON p.email_id = e.id
WHERE e.thread_id IN {each:ids} AND p.role IN ('from', 'to', 'cc')
  AND NOT EXISTS (SELECT 1 FROM account a WHERE a.id = e.account_id AND a.address = p.address)
  AND NOT EXISTS (SELECT 1 FROM account_alias x WHERE x.account_id = e.account_id AND x.address = p.address)
GROUP BY e.thread_id, p.address ORDER BY max(e.received_at) DESC, p.address

-- subjects_to_look_at --
-- The base subjects of the emails in these threads for which some reply looks for its thread.
SELECT DISTINCT e.base_subject FROM email e
WHERE e.thread_id IN {each:ids} AND e.base_subject <> ''
  AND EXISTS (SELECT 1 FROM email r
              WHERE r.lone_reply AND r.account_id = :account_id AND r.base_subject = e.base_subject)

-- emails_by_subject --
SELECT id, thread_id, base_subject, received_at, digest, lone_reply, by_subject FROM email
WHERE account_id = :account_id AND base_subject IN {each:texts} AND base_subject <> ''

-- counterparts --
-- Who wrote an email, or to whom we did; those who use the store are in all of them.
SELECT e.id, p.untagged AS address FROM email e JOIN participant p ON p.email_id = e.id
WHERE e.id IN {each:ids}
  AND (e.direction = 'in' AND p.role = 'from' OR e.direction = 'out' AND p.role IN ('to', 'cc', 'bcc'))
  AND NOT EXISTS (SELECT 1 FROM member m WHERE m.address IN (p.address, p.untagged))
  AND NOT EXISTS (SELECT 1 FROM account a WHERE a.address IN (p.address, p.untagged))
  AND NOT EXISTS (SELECT 1 FROM account_alias x
                  WHERE x.account_id = e.account_id AND x.address IN (p.address, p.untagged))

-- mark_by_subject --
UPDATE main.email SET by_subject = :by_subject WHERE id IN {each:ids} AND by_subject <> :by_subject

-- set_visibility --
UPDATE main.thread SET visibility = :visibility WHERE id = :id

-- set_archived --
UPDATE main.thread SET archived = :archived WHERE id IN {each:ids}

-- add_thread_label --
INSERT INTO main.thread_label (thread_id, label_id)
VALUES (:thread_id, :label_id) ON CONFLICT DO NOTHING

-- remove_thread_label --
DELETE FROM main.thread_label WHERE thread_id = :thread_id AND label_id = :label_id

-- set_visibilities --
UPDATE main.thread SET visibility = :visibility WHERE id IN {each:ids}

-- threads_of_other_visibility --
SELECT id FROM thread WHERE id IN {each:ids} AND visibility <> :visibility ORDER BY id

-- account_manager --
-- One row when this viewer manages the account of a thread.
SELECT c.account_id FROM account_connection c JOIN thread t ON t.account_id = c.account_id WHERE t.id = :id
