-- links --
-- A link to a contact that was merged is one to the contact it became part of, one to a lead that was
-- converted is one to its deal.
SELECT DISTINCT l.thread_id, COALESCE(c.merged_into_id, c.id) AS contact_id, COALESCE(l.deal_id, x.deal_id) AS deal_id,
       CASE WHEN x.deal_id IS NULL THEN l.lead_id END AS lead_id,
       COALESCE(into_contact.name, c.name, into_deal.title, d.title, x.title) AS title, l.origin, l.linked_at
FROM link l
LEFT JOIN contact c ON c.id = l.contact_id
LEFT JOIN contact into_contact ON into_contact.id = c.merged_into_id
LEFT JOIN deal d ON d.id = l.deal_id
LEFT JOIN lead x ON x.id = l.lead_id
LEFT JOIN deal into_deal ON into_deal.id = x.deal_id
WHERE l.thread_id IN {each:ids} ORDER BY l.thread_id, l.linked_at, title

-- add_automatic_link --
-- A person may have made the same link in the meantime.
INSERT INTO main.link (thread_id, contact_id, deal_id, lead_id, origin, linked_by, linked_at)
VALUES (:thread_id, :contact_id, :deal_id, :lead_id, 'auto', :linked_by, :linked_at)
ON CONFLICT DO NOTHING

-- add_link --
INSERT INTO main.link (thread_id, contact_id, deal_id, lead_id, origin, linked_by, linked_at)
VALUES (:thread_id, :contact_id, :deal_id, :lead_id, :origin, :linked_by, :linked_at)

-- remove_item_links --
-- A thread has one item: a person's choice takes the place of the one before.
DELETE FROM main.link WHERE thread_id = :thread_id AND (deal_id IS NOT NULL OR lead_id IS NOT NULL)

-- remove_link --
-- Also one to what has become part of it.
DELETE FROM main.link
WHERE thread_id = :thread_id
  AND (contact_id IN (SELECT c.id FROM contact c WHERE CAST(:contact_id AS BIGINT) IN (c.id, c.merged_into_id))
       OR deal_id = CAST(:deal_id AS BIGINT)
       OR lead_id IN (SELECT x.id FROM lead x
                      WHERE x.id = CAST(:lead_id AS BIGINT) OR x.deal_id = CAST(:deal_id AS BIGINT)))

-- add_refusal --
INSERT INTO main.link_refusal (thread_id, contact_id, deal_id, lead_id, refused_by, refused_at)
VALUES (:thread_id, :contact_id, :deal_id, :lead_id, :refused_by, :refused_at)
ON CONFLICT DO NOTHING

-- refuse_links --
-- By the numbers that they have: a lead that became a deal is a lead again when the deal is deleted.
INSERT INTO main.link_refusal (thread_id, contact_id, deal_id, lead_id, refused_by, refused_at)
SELECT l.thread_id, l.contact_id, l.deal_id, l.lead_id, CAST(:refused_by AS BIGINT), CAST(:refused_at AS {instant})
FROM link l
WHERE l.thread_id = :thread_id
  AND (l.contact_id IN (SELECT c.id FROM contact c WHERE CAST(:contact_id AS BIGINT) IN (c.id, c.merged_into_id))
       OR l.deal_id = CAST(:deal_id AS BIGINT)
       OR l.lead_id IN (SELECT x.id FROM lead x
                        WHERE x.id = CAST(:lead_id AS BIGINT) OR x.deal_id = CAST(:deal_id AS BIGINT)))
ON CONFLICT DO NOTHING

-- remove_refusal --
-- Also one of what has become part of it.
DELETE FROM main.link_refusal
WHERE thread_id = :thread_id
  AND (contact_id IN (SELECT c.id FROM contact c WHERE CAST(:contact_id AS BIGINT) IN (c.id, c.merged_into_id))
       OR deal_id = CAST(:deal_id AS BIGINT)
       OR lead_id IN (SELECT x.id FROM lead x
                      WHERE x.id = CAST(:lead_id AS BIGINT) OR x.deal_id = CAST(:deal_id AS BIGINT)))

-- refusals --
SELECT r.thread_id, COALESCE(c.merged_into_id, c.id) AS contact_id, COALESCE(r.deal_id, x.deal_id) AS deal_id,
       CASE WHEN x.deal_id IS NULL THEN r.lead_id END AS lead_id
FROM link_refusal r LEFT JOIN contact c ON c.id = r.contact_id LEFT JOIN lead x ON x.id = r.lead_id
WHERE r.thread_id IN {each:ids}

-- usual_authserv --
-- Who says on top of the emails of an account's newest threads whether they are authentic, and on how many.
SELECT e.authserv_id, count(*) AS count
FROM email e
WHERE e.thread_id IN (SELECT t.id FROM thread t WHERE t.account_id = :account_id
                      ORDER BY t.last_received_at DESC, t.id DESC LIMIT :limit)
  AND e.direction = 'in' AND e.dmarc <> ''
GROUP BY e.authserv_id ORDER BY count(*) DESC, e.authserv_id LIMIT 1

-- thread_contacts --
-- The contacts named in each thread, by exact address or else without the tag, and whether an email that can be
-- trusted and a person's own email (not a bounce, an auto-reply or a mailing) names them. Mail that lies in
-- junk or trash only and our own addresses count for nothing.
SELECT e.thread_id,
       COALESCE(exact.contact_id, untagged.contact_id) AS contact_id,
       max(CASE WHEN e.from_ambiguous OR (e.dmarc = 'fail' AND e.authserv_id = :authserv_id) THEN 0
                WHEN e.automatic THEN 1 ELSE 2 END) AS trust,
       max(CASE WHEN e.dmarc = 'fail' AND e.authserv_id = :authserv_id THEN 1 ELSE 0 END) AS failed
FROM email e
JOIN participant p ON p.email_id = e.id
LEFT JOIN contact_address exact ON exact.address = p.address
LEFT JOIN contact_address untagged ON untagged.address = p.untagged
WHERE e.thread_id IN {each:ids}
  AND COALESCE(exact.contact_id, untagged.contact_id) IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM member m WHERE m.address IN (p.address, p.untagged))
  AND NOT EXISTS (SELECT 1 FROM account a WHERE a.address IN (p.address, p.untagged))
  AND NOT EXISTS (SELECT 1 FROM account_alias x WHERE x.address IN (p.address, p.untagged))
  AND NOT e.gone_from_junk
  AND (NOT EXISTS (SELECT 1 FROM placement pl WHERE pl.email_id = e.id)
       OR EXISTS (SELECT 1 FROM placement pl JOIN folder f ON f.id = pl.folder_id
                  WHERE pl.email_id = e.id AND (f.role IS NULL OR f.role NOT IN ('junk', 'trash'))))
GROUP BY e.thread_id, COALESCE(exact.contact_id, untagged.contact_id)

-- unknown_people --
-- Whom the account wrote to, and with `writers` who wrote to it as well, and who is no contact yet.
SELECT p.untagged AS address, max(p.name) AS name
FROM email e
JOIN participant p ON p.email_id = e.id
WHERE e.thread_id IN {each:ids}
  AND ((e.direction = 'out' AND p.role IN ('to', 'cc', 'bcc'))
       OR (:writers AND e.direction = 'in' AND p.role = 'from'))
  AND NOT e.automatic AND NOT e.from_ambiguous
  AND NOT (e.dmarc = 'fail' AND e.authserv_id = :authserv_id)
  AND p.address <> ''
  AND NOT EXISTS (SELECT 1 FROM contact_address ca WHERE ca.address IN (p.address, p.untagged))
  AND NOT EXISTS (SELECT 1 FROM member m WHERE m.address IN (p.address, p.untagged))
  AND NOT EXISTS (SELECT 1 FROM account a WHERE a.address IN (p.address, p.untagged))
  AND NOT EXISTS (SELECT 1 FROM account_alias x WHERE x.address IN (p.address, p.untagged))
  AND (SELECT count(*) FROM participant q WHERE q.email_id = e.id) <= :most
  AND NOT e.gone_from_junk
  AND (NOT EXISTS (SELECT 1 FROM placement pl WHERE pl.email_id = e.id)
       OR EXISTS (SELECT 1 FROM placement pl JOIN folder f ON f.id = pl.folder_id
                  WHERE pl.email_id = e.id AND (f.role IS NULL OR f.role NOT IN ('junk', 'trash'))))
GROUP BY p.untagged ORDER BY min(e.id), p.untagged

-- linked_items --
-- COALESCE keeps SQLite from beginning with all leads that have no deal.
SELECT l.thread_id, 'deal' AS kind, d.id, d.status = 'open' AS open,
       COALESCE(t.last_received_at > d.closed_at, FALSE) AS overtaken
FROM link l JOIN thread t ON t.id = l.thread_id JOIN deal d ON d.id = l.deal_id
WHERE l.thread_id IN {each:ids}
UNION
SELECT l.thread_id, 'deal' AS kind, d.id, d.status = 'open' AS open,
       COALESCE(t.last_received_at > d.closed_at, FALSE) AS overtaken
FROM link l JOIN thread t ON t.id = l.thread_id JOIN lead x ON x.id = l.lead_id JOIN deal d ON d.id = x.deal_id
WHERE l.thread_id IN {each:ids}
UNION
SELECT l.thread_id, 'lead' AS kind, x.id, x.status = 'open' AS open,
       COALESCE(t.last_received_at > x.closed_at, FALSE) AS overtaken
FROM link l JOIN thread t ON t.id = l.thread_id JOIN lead x ON x.id = l.lead_id
WHERE COALESCE(x.deal_id, 0) = 0 AND l.thread_id IN {each:ids}

-- open_items_of_contacts --
SELECT dc.contact_id, 'deal' AS kind, d.id
FROM deal d JOIN deal_contact dc ON dc.deal_id = d.id
WHERE d.status = 'open' AND dc.contact_id IN {each:ids}
UNION ALL
SELECT lc.contact_id, 'lead' AS kind, x.id
FROM lead x JOIN lead_contact lc ON lc.lead_id = x.id
WHERE x.status = 'open' AND lc.contact_id IN {each:ids}

-- due_threads --
SELECT id FROM thread WHERE account_id = :account_id AND due ORDER BY id

-- mark_due --
UPDATE main.thread SET due = TRUE WHERE id IN {each:ids}

-- mark_decided --
UPDATE main.thread SET due = FALSE WHERE due AND id IN {each:ids}

-- threads_of_account --
SELECT id FROM thread
WHERE account_id = :account_id
  AND (CAST(:since AS {instant}) IS NULL OR last_received_at >= CAST(:since AS {instant}))
ORDER BY id

-- threads_of_contacts --
-- The threads of an account that name one of these contacts, or are linked to one.
SELECT e.thread_id AS id
FROM participant p JOIN email e ON e.id = p.email_id
WHERE e.account_id = :account_id
  AND (p.address IN (SELECT ca.address FROM contact_address ca WHERE ca.contact_id IN {each:ids})
       OR p.untagged IN (SELECT ca.address FROM contact_address ca WHERE ca.contact_id IN {each:ids}))
UNION
SELECT t.id
FROM link l JOIN contact c ON c.id = l.contact_id JOIN thread t ON t.id = l.thread_id
WHERE t.account_id = :account_id AND COALESCE(c.merged_into_id, c.id) IN {each:ids}
