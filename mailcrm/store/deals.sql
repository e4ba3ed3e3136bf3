-- deals --
SELECT d.id, d.title, d.status, d.owner_id, d.value, d.currency, p.name AS pipeline, s.name AS stage,
       d.organization_id, o.name AS organization, d.expected_close, d.created_at, d.closed_at
FROM deal d
JOIN stage s ON s.id = d.stage_id
JOIN pipeline p ON p.id = s.pipeline_id
LEFT JOIN organization o ON o.id = d.organization_id
WHERE (CAST(:status AS TEXT) IS NULL OR d.status = :status)
  AND (CAST(:organization_id AS BIGINT) IS NULL OR d.organization_id = CAST(:organization_id AS BIGINT))
  AND (CAST(:owner_id AS BIGINT) IS NULL OR d.owner_id = CAST(:owner_id AS BIGINT))
  AND (CAST(:contact_id AS BIGINT) IS NULL
       OR d.id IN (SELECT dc.deal_id FROM deal_contact dc WHERE dc.contact_id = CAST(:contact_id AS BIGINT)))
  AND (CAST(:anywhere AS BOOLEAN) OR d.stage_id IN {each:ids})
ORDER BY d.id DESC LIMIT :limit

-- deal_titles --
SELECT id, title AS name FROM deal ORDER BY id DESC

-- deals_by_id --
SELECT d.id, d.title, d.status, d.owner_id, d.value, d.currency, p.name AS pipeline, s.name AS stage,
       d.organization_id, o.name AS organization, d.expected_close, d.created_at, d.closed_at
FROM deal d
JOIN stage s ON s.id = d.stage_id
JOIN pipeline p ON p.id = s.pipeline_id
LEFT JOIN organization o ON o.id = d.organization_id
WHERE d.id IN {each:ids} ORDER BY d.id DESC

-- deal_contacts --
SELECT dc.deal_id, c.id, c.name FROM deal_contact dc JOIN contact c ON c.id = dc.contact_id
WHERE dc.deal_id IN {each:ids} ORDER BY dc.deal_id, c.name, c.id

-- create_deal --
-- Without a stage in the first one of the first pipeline.
INSERT INTO main.deal (title, status, owner_id, organization_id, stage_id, value, currency, expected_close, created_at)
SELECT CAST(:title AS TEXT), 'open', CAST(:owner_id AS BIGINT), CAST(:organization_id AS BIGINT), s.id,
       CAST(:value AS TEXT), CAST(:currency AS TEXT), CAST(:expected_close AS TEXT), CAST(:at AS {instant})
FROM stage s WHERE CAST(:stage_id AS BIGINT) IS NULL OR s.id = CAST(:stage_id AS BIGINT)
ORDER BY s.pipeline_id, s.position LIMIT 1 RETURNING id

-- add_deal_contact --
INSERT INTO main.deal_contact (deal_id, contact_id) VALUES (:deal_id, :contact_id)
ON CONFLICT (deal_id, contact_id) DO NOTHING

-- remove_deal_contact --
DELETE FROM main.deal_contact WHERE deal_id = :deal_id AND contact_id = :contact_id

-- edit_deal --
UPDATE main.deal
SET title = :title, owner_id = :owner_id, organization_id = :organization_id, value = :value,
    currency = :currency, expected_close = :expected_close
WHERE id = :id

-- move_deal --
UPDATE main.deal SET stage_id = :stage_id WHERE id = :id

-- set_deal_status --
UPDATE main.deal SET status = :status, closed_at = :closed_at WHERE id = :id

-- delete_deal --
DELETE FROM main.deal WHERE id = :id
