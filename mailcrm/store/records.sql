-- linked_threads --
SELECT count(DISTINCT l.thread_id) AS count FROM link l
WHERE l.contact_id IN (SELECT c.id FROM contact c WHERE CAST(:contact_id AS BIGINT) IN (c.id, c.merged_into_id))
   OR l.deal_id = CAST(:deal_id AS BIGINT)
   OR l.lead_id = CAST(:lead_id AS BIGINT)
