-- leads --
SELECT x.id, x.title, x.status, x.owner_id, x.value, x.currency, x.organization_id, o.name AS organization,
       x.created_at, x.closed_at, x.deal_id
FROM lead x LEFT JOIN organization o ON o.id = x.organization_id
WHERE CAST(:status AS TEXT) IS NULL OR x.status = :status ORDER BY x.id DESC LIMIT :limit

-- lead_titles --
SELECT id, title AS name FROM lead ORDER BY id DESC

-- leads_by_id --
SELECT x.id, x.title, x.status, x.owner_id, x.value, x.currency, x.organization_id, o.name AS organization,
       x.created_at, x.closed_at, x.deal_id
FROM lead x LEFT JOIN organization o ON o.id = x.organization_id
WHERE x.id IN {each:ids} ORDER BY x.id DESC

-- lead_contacts --
SELECT lc.lead_id, c.id, c.name FROM lead_contact lc JOIN contact c ON c.id = lc.contact_id
WHERE lc.lead_id IN {each:ids} ORDER BY lc.lead_id, c.name

-- lead_labels --
SELECT ll.lead_id, b.name FROM lead_label ll JOIN label b ON b.id = ll.label_id
WHERE ll.lead_id IN {each:ids} ORDER BY ll.lead_id, b.name

-- create_lead --
INSERT INTO main.lead (title, status, owner_id, value, currency, created_at)
VALUES (:title, 'open', :owner_id, :value, :currency, :at) RETURNING id

-- add_lead_contact --
INSERT INTO main.lead_contact (lead_id, contact_id) VALUES (:lead_id, :contact_id)
ON CONFLICT (lead_id, contact_id) DO NOTHING
