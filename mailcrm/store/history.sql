-- add_thread_event --
INSERT INTO main.thread_event (thread_id, done_by, done_at, action, detail)
VALUES (:thread_id, :done_by, :done_at, :action, :detail)

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
