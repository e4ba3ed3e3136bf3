-- add_thread_event --
INSERT INTO main.thread_event (thread_id, done_by, done_at, action, detail)
VALUES (:thread_id, :done_by, :done_at, :action, :detail)

-- thread_events --
SELECT h.done_at, m.name AS done_by, h.action, h.detail
FROM thread_event h JOIN member m ON m.id = h.done_by
WHERE h.thread_id = :thread_id ORDER BY h.id

-- automatic_links --
-- What the rule linked, for those who manage the account: nobody else reads what was done to a thread.
SELECT l.linked_at,
       CASE WHEN l.contact_id IS NOT NULL THEN 'contact ' || CAST(l.contact_id AS TEXT) || ' ' || c.name
            WHEN l.deal_id IS NOT NULL THEN 'deal ' || CAST(l.deal_id AS TEXT) || ' ' || d.title
            ELSE 'lead ' || CAST(l.lead_id AS TEXT) || ' ' || x.title END AS detail
FROM link l
JOIN thread t ON t.id = l.thread_id
JOIN account_connection m ON m.account_id = t.account_id
LEFT JOIN contact c ON c.id = l.contact_id
LEFT JOIN deal d ON d.id = l.deal_id
LEFT JOIN lead x ON x.id = l.lead_id
WHERE l.thread_id = :thread_id AND l.origin = 'auto' ORDER BY l.linked_at, detail

-- add_member_event --
INSERT INTO main.member_event (member_id, done_by, done_at, action)
VALUES (:member_id, :done_by, :done_at, :action)

-- member_events --
SELECT h.done_at, m.name AS done_by, h.action
FROM member_event h JOIN member m ON m.id = h.done_by
WHERE h.member_id = :member_id ORDER BY h.id
