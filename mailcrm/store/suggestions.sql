-- suggestions --
-- The newest of all threads, or those of these; candidates that are closed by now are not offered any more. The
-- items most recently active come first: by their newest mail that the viewer may see, or else by when they were made.
WITH offered AS (
    SELECT s.id, s.thread_id, s.reason, s.made_at, sc.contact_id, COALESCE(sc.deal_id, x.deal_id) AS deal_id,
           CASE WHEN x.deal_id IS NULL THEN sc.lead_id END AS lead_id, COALESCE(c.name, d.title, x.title) AS title,
           COALESCE(d.created_at, x.created_at) AS created_at
    FROM suggestion s
    JOIN suggestion_candidate sc ON sc.suggestion_id = s.id
    LEFT JOIN contact named ON named.id = sc.contact_id
    LEFT JOIN contact c ON c.id = COALESCE(named.merged_into_id, named.id)
    LEFT JOIN lead x ON x.id = sc.lead_id
    LEFT JOIN deal d ON d.id = COALESCE(sc.deal_id, x.deal_id)
    WHERE (s.thread_id IN {each:ids} OR s.id = CAST(:id AS BIGINT)
           OR s.id IN (SELECT newest.id FROM suggestion newest ORDER BY newest.id DESC LIMIT :limit))
      AND (sc.contact_id IS NOT NULL OR d.status = 'open' OR x.status = 'open')),
active AS (
    SELECT l.deal_id, l.lead_id, max(t.last_received_at) AS last_at
    FROM link l JOIN thread t ON t.id = l.thread_id
    WHERE l.deal_id IN (SELECT o.deal_id FROM offered o) OR l.lead_id IN (SELECT o.lead_id FROM offered o)
    GROUP BY l.deal_id, l.lead_id)
SELECT o.id, o.thread_id, o.reason, o.made_at, o.contact_id, o.deal_id, o.lead_id, o.title
FROM offered o
LEFT JOIN active deals ON deals.deal_id = o.deal_id
LEFT JOIN active leads ON leads.lead_id = o.lead_id
ORDER BY o.id DESC, CASE WHEN o.contact_id IS NULL THEN 1 ELSE 0 END,
         COALESCE(deals.last_at, leads.last_at, o.created_at) DESC, o.deal_id DESC, o.lead_id DESC, o.title

-- stored_suggestions --
-- One whose candidates were all deleted is stored still, without any.
SELECT s.id, s.thread_id, s.reason, sc.contact_id, sc.deal_id, sc.lead_id
FROM suggestion s LEFT JOIN suggestion_candidate sc ON sc.suggestion_id = s.id
WHERE s.thread_id IN {each:ids}

-- add_suggestion --
INSERT INTO main.suggestion (thread_id, reason, made_at) VALUES (:thread_id, :reason, :made_at) RETURNING id

-- add_candidate --
INSERT INTO main.suggestion_candidate (suggestion_id, contact_id, deal_id, lead_id)
VALUES (:suggestion_id, :contact_id, :deal_id, :lead_id)

-- remove_suggestions --
DELETE FROM main.suggestion WHERE thread_id IN {each:ids}

-- mark_item_due --
-- The threads about which something is suggested that has to do with an item.
UPDATE main.thread SET due = TRUE
WHERE id IN (
    SELECT s.thread_id FROM suggestion s
    WHERE EXISTS (SELECT 1 FROM suggestion_candidate sc
                  WHERE sc.suggestion_id = s.id
                    AND (sc.deal_id = CAST(:deal_id AS BIGINT) OR sc.lead_id = CAST(:lead_id AS BIGINT)))
       OR EXISTS (SELECT 1 FROM link l
                  WHERE l.thread_id = s.thread_id
                    AND (l.deal_id = CAST(:deal_id AS BIGINT) OR l.lead_id = CAST(:lead_id AS BIGINT))))
