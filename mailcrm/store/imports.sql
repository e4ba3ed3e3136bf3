-- import_contacts --
SELECT id, name, owner_id, organization_id, title, notes FROM contact WHERE merged_into_id IS NULL ORDER BY id

-- import_addresses --
SELECT contact_id, address FROM contact_address ORDER BY contact_id, position

-- import_phones --
SELECT contact_id, phone FROM contact_phone ORDER BY contact_id, position

-- import_organizations --
SELECT id, name FROM organization ORDER BY id

-- import_domains --
SELECT organization_id, domain FROM organization_domain

-- import_deals --
SELECT id, title, organization_id FROM deal ORDER BY id

-- import_deal_contacts --
SELECT deal_id AS item_id, contact_id FROM deal_contact

-- import_leads --
SELECT id, title, organization_id FROM lead ORDER BY id

-- import_lead_contacts --
SELECT lead_id AS item_id, contact_id FROM lead_contact

-- import_owners --
SELECT id, name, address FROM member WHERE active

-- import_stage --
INSERT INTO main.stage (pipeline_id, name, position)
SELECT p.id, CAST(:name AS TEXT), (SELECT COALESCE(max(s.position), 0) + 1 FROM stage s WHERE s.pipeline_id = p.id)
FROM pipeline p WHERE p.id = :pipeline_id RETURNING id

-- import_deal --
INSERT INTO main.deal (title, status, owner_id, organization_id, stage_id, value, currency, expected_close,
                       created_at, closed_at)
VALUES (:title, :status, :owner_id, :organization_id, :stage_id, :value, :currency, :expected_close, :at, :closed_at)
RETURNING id

-- import_lead --
INSERT INTO main.lead (title, status, owner_id, organization_id, value, currency, created_at, closed_at)
VALUES (:title, :status, :owner_id, :organization_id, :value, :currency, :at, :closed_at) RETURNING id
