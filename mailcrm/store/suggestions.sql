-- suggestions --
-- Of all threads or of these; candidates that are closed by now are not offered any more. The items most
-- recently active come first: by their newest mail that the viewer may see, or else by when they were made.
SELECT s.id, s.thread_id, s.reason, s.made_at, sc.contact_id, COALESCE(sc.deal_id, x.deal_id) AS deal_id,
       CASE WHEN x.deal_id IS NULL THEN sc.lead_id END AS lead_id,
       COALESCE(c.name, d.title, x.title) AS title
FROM suggestion s
JOIN suggestion_candidate sc ON sc.suggestion_id = s.id
LEFT JOIN contact c ON c.id = sc.contact_id
LEFT JOIN lead x ON x.id = sc.lead_id
LEFT JOIN deal d ON d.id = COALESCE(sc.deal_id, x.deal_id)
WHERE (CAST(:all AS BIGINT) = 1 OR s.thread_id IN {each:ids})
  AND (CAST(:id AS BIGINT) IS NULL OR s.id = CAST(:id AS BIGINT))
  AND (sc.contact_id IS NOT NULL OR d.status = 'open' OR x.status = 'open')
ORDER BY s.id, CASE WHEN sc.contact_id IS NULL THEN 1 ELSE 0 END,
  COALESCE((SELECT max(t.last_received_at) FROM link l JOIN thread t ON t.id = l.thread_id
            WHERE l.deal_id = d.id OR l.lead_id = x.id), d.created_at, x.created_at) DESC,
  d.id DESC, x.id DESC, title

-- stored_suggestions --
SELECT s.id, s.thread_id, s.reason, sc.contact_id, sc.deal_id, sc.lead_id
FROM suggestion s JOIN suggestion_candidate sc ON sc.suggestion_id = s.id
WHERE s.thread_id IN {each:ids}

-- add_suggestion --
INSERT INTO main.suggestion (thread_id, reason, made_at) VALUES (:thread_id, :reason, :made_at) RETURNING id

-- add_candidate --
INSERT INTO main.suggestion_candidate (suggestion_id, contact_id, deal_id, lead_id)
VALUES (:suggestion_id, :contact_id, :deal_id, :lead_id)

-- remove_suggestions --
DELETE FROM main.suggestion WHERE thread_id IN {each:ids}
