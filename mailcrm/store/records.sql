-- linked_threads --
SELECT count(*) AS count
FROM (SELECT l.thread_id FROM contact c JOIN link l ON l.contact_id = c.id
      WHERE c.id = CAST(:contact_id AS BIGINT) OR c.merged_into_id = CAST(:contact_id AS BIGINT)
      UNION
      SELECT l.thread_id FROM link l WHERE l.deal_id = CAST(:deal_id AS BIGINT)
      UNION
      SELECT l.thread_id FROM link l WHERE l.lead_id = CAST(:lead_id AS BIGINT)) AS linked
