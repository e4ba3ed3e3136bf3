-- contacts --
SELECT c.id, c.name, c.owner_id, c.organization_id, o.name AS organization, c.title, c.notes
FROM contact c LEFT JOIN organization o ON o.id = c.organization_id
WHERE c.merged_into_id IS NULL
  AND (CAST(:organization_id AS BIGINT) IS NULL OR c.organization_id = CAST(:organization_id AS BIGINT))
ORDER BY c.name, c.id LIMIT :limit

-- surviving_contact --
-- One that was merged into another is that other.
SELECT COALESCE(merged_into_id, id) AS id FROM contact WHERE id = :id

-- contact_names --
SELECT id, name FROM contact WHERE merged_into_id IS NULL ORDER BY name, id

-- contacts_by_id --
SELECT c.id, c.name, c.owner_id, c.organization_id, o.name AS organization, c.title, c.notes
FROM contact c LEFT JOIN organization o ON o.id = c.organization_id
WHERE c.id IN {each:ids} ORDER BY c.name, c.id

-- contacts_by_address --
SELECT c.id, c.name, ca.address FROM contact_address ca JOIN contact c ON c.id = ca.contact_id
WHERE ca.address IN {each:texts} ORDER BY ca.address

-- contact_addresses --
SELECT contact_id, address FROM contact_address WHERE contact_id IN {each:ids} ORDER BY contact_id, position

-- contact_phones --
SELECT contact_id, phone FROM contact_phone WHERE contact_id IN {each:ids} ORDER BY contact_id, position

-- create_contact --
INSERT INTO main.contact (name, owner_id, organization_id, title, notes)
VALUES (:name, :owner_id, :organization_id, :title, :notes) RETURNING id

-- edit_contact --
UPDATE main.contact
SET name = :name, owner_id = :owner_id, organization_id = :organization_id, title = :title, notes = :notes
WHERE id = :id

-- delete_contact --
DELETE FROM main.contact WHERE id = :id

-- our_addresses --
-- Of members, and of the accounts that the viewer knows, with their aliases.
SELECT address FROM member WHERE address IN {each:texts}
UNION SELECT address FROM account WHERE address IN {each:texts}
UNION SELECT address FROM account_alias WHERE address IN {each:texts}

-- add_contact_address --
INSERT INTO main.contact_address (address, contact_id, position) VALUES (:address, :contact_id, :position)

-- move_contact_address --
UPDATE main.contact_address SET position = :position WHERE address = :address AND contact_id = :contact_id

-- remove_contact_address --
DELETE FROM main.contact_address WHERE address = :address AND contact_id = :contact_id

-- add_contact_phone --
INSERT INTO main.contact_phone (contact_id, position, phone) VALUES (:contact_id, :position, :phone)

-- remove_contact_phones --
DELETE FROM main.contact_phone WHERE contact_id = :contact_id

-- lock_contacts --
SELECT id, merged_into_id FROM contact WHERE id IN {each:ids} ORDER BY id {lock}

-- merge_deal_contacts --
INSERT INTO main.deal_contact (deal_id, contact_id)
SELECT dc.deal_id, CAST(:contact_id AS BIGINT) FROM deal_contact dc WHERE dc.contact_id = :merged_id
ON CONFLICT (deal_id, contact_id) DO NOTHING

-- leave_deals --
DELETE FROM main.deal_contact WHERE contact_id = :contact_id

-- merge_lead_contacts --
INSERT INTO main.lead_contact (lead_id, contact_id)
SELECT lc.lead_id, CAST(:contact_id AS BIGINT) FROM lead_contact lc WHERE lc.contact_id = :merged_id
ON CONFLICT (lead_id, contact_id) DO NOTHING

-- leave_leads --
DELETE FROM main.lead_contact WHERE contact_id = :contact_id

-- merge_contact --
-- Also what was merged into it before.
UPDATE main.contact SET merged_into_id = :contact_id WHERE id = :merged_id OR merged_into_id = :merged_id

-- strangers --
-- The people of a thread, the newest email first, who are neither contacts nor ours; doubtful in an email whose From
-- could be read in another way, or whose sender did not write it as far as the mail server can tell.
SELECT p.address, p.name, p.role, e.direction, e.automatic,
       CASE WHEN e.from_ambiguous OR e.dmarc = 'fail' THEN 1 ELSE 0 END AS doubtful
FROM email e JOIN participant p ON p.email_id = e.id
WHERE e.thread_id = :thread_id AND p.role IN ('from', 'to', 'cc')
  AND NOT EXISTS (SELECT 1 FROM contact_address ca WHERE ca.address IN (p.address, p.untagged))
  AND NOT EXISTS (SELECT 1 FROM member m WHERE m.address IN (p.address, p.untagged))
  AND NOT EXISTS (SELECT 1 FROM account a WHERE a.address IN (p.address, p.untagged))
  AND NOT EXISTS (SELECT 1 FROM account_alias x WHERE x.address IN (p.address, p.untagged))
ORDER BY e.received_at DESC, e.id DESC, p.position
