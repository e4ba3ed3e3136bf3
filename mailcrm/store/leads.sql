-- leads --
SELECT x.id, x.title, x.status, x.owner_id, x.value, x.currency, x.organization_id, o.name AS organization,
       x.created_at, x.closed_at, x.deal_id
FROM lead x LEFT JOIN organization o ON o.id = x.organization_id
WHERE (CAST(:status AS TEXT) IS NULL OR x.status = :status)
  AND (CAST(:organization_id AS BIGINT) IS NULL OR x.organization_id = CAST(:organization_id AS BIGINT))
  AND (CAST(:owner_id AS BIGINT) IS NULL OR x.owner_id = CAST(:owner_id AS BIGINT))
  AND (CAST(:contact_id AS BIGINT) IS NULL
       OR x.id IN (SELECT lc.lead_id FROM lead_contact lc WHERE lc.contact_id = CAST(:contact_id AS BIGINT)))
  AND (CAST(:label_id AS BIGINT) IS NULL
       OR x.id IN (SELECT ll.lead_id FROM lead_label ll WHERE ll.label_id = CAST(:label_id AS BIGINT)))
ORDER BY x.id DESC LIMIT :limit

-- lead_titles --
SELECT id, title AS name FROM lead ORDER BY id DESC

-- leads_by_id --
SELECT x.id, x.title, x.status, x.owner_id, x.value, x.currency, x.organization_id, o.name AS organization,
       x.created_at, x.closed_at, x.deal_id
FROM lead x LEFT JOIN organization o ON o.id = x.organization_id
WHERE x.id IN {each:ids} ORDER BY x.id DESC

-- lead_contacts --
SELECT lc.lead_id, c.id, c.name FROM lead_contact lc JOIN contact c ON c.id = lc.contact_id
WHERE lc.lead_id IN {each:ids} ORDER BY lc.lead_id, c.name, c.id

-- lead_labels --
SELECT ll.lead_id, b.name FROM lead_label ll JOIN label b ON b.id = ll.label_id
WHERE ll.lead_id IN {each:ids} ORDER BY ll.lead_id, b.name

-- create_lead --
INSERT INTO main.lead (title, status, owner_id, organization_id, value, currency, created_at)
VALUES (:title, 'open', :owner_id, :organization_id, :value, :currency, :at) RETURNING id

-- add_lead_contact --
INSERT INTO main.lead_contact (lead_id, contact_id) VALUES (:lead_id, :contact_id)
ON CONFLICT (lead_id, contact_id) DO NOTHING

-- remove_lead_contact --
DELETE FROM main.lead_contact WHERE lead_id = :lead_id AND contact_id = :contact_id

-- add_lead_label --
INSERT INTO main.lead_label (lead_id, label_id) VALUES (:lead_id, :label_id) ON CONFLICT DO NOTHING

-- remove_lead_labels --
DELETE FROM main.lead_label WHERE lead_id = :lead_id

-- edit_lead --
UPDATE main.lead
SET title = :title, owner_id = :owner_id, organization_id = :organization_id, value = :value, currency = :currency
WHERE id = :id

-- archive_lead --
UPDATE main.lead SET status = 'archived', closed_at = :closed_at WHERE id = :id AND status = 'open'

-- reopen_lead --
UPDATE main.lead SET status = 'open', closed_at = NULL
WHERE id = :id AND (status = 'archived' OR (status = 'converted' AND deal_id IS NULL))

-- convert_lead --
UPDATE main.lead SET status = 'converted', closed_at = :closed_at WHERE id = :id AND status = 'open'

-- set_lead_deal --
UPDATE main.lead SET deal_id = :deal_id WHERE id = :id

-- delete_lead --
DELETE FROM main.lead WHERE id = :id

-- leads_of_deal --
SELECT id FROM lead WHERE deal_id = :deal_id
