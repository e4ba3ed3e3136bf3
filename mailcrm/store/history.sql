-- add_thread_event --
INSERT INTO main.thread_event (thread_id, done_by, done_at, action, detail)
VALUES (:thread_id, :done_by, :done_at, :action, :detail)

-- add_deletion_events --
-- For the threads of those who delete; what others' threads were linked to is theirs to tell.
INSERT INTO main.thread_event (thread_id, done_by, done_at, action, detail)
SELECT DISTINCT l.thread_id, CAST(:done_by AS BIGINT), CAST(:done_at AS {instant}), 'unlinked', CAST(:detail AS TEXT)
FROM link l
JOIN thread t ON t.id = l.thread_id
JOIN account_connection m ON m.account_id = t.account_id
LEFT JOIN contact c ON c.id = l.contact_id
WHERE CAST(:contact_id AS BIGINT) IN (c.id, c.merged_into_id)
   OR l.deal_id = CAST(:deal_id AS BIGINT) OR l.lead_id = CAST(:lead_id AS BIGINT)

-- thread_events --
SELECT h.done_at, m.name AS done_by, h.action, h.detail
FROM thread_event h JOIN member m ON m.id = h.done_by
WHERE h.thread_id = :thread_id ORDER BY h.id

-- add_member_event --
INSERT INTO main.member_event (member_id, done_by, done_at, action)
VALUES (:member_id, :done_by, :done_at, :action)

-- member_events --
SELECT h.done_at, m.name AS done_by, h.action
FROM member_event h JOIN member m ON m.id = h.done_by
WHERE h.member_id = :member_id ORDER BY h.id
