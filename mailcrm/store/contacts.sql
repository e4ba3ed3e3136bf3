-- contacts --
SELECT c.id, c.name, c.owner_id, c.organization_id, o.name AS organization, c.title, c.notes
FROM contact c LEFT JOIN organization o ON o.id = c.organization_id
WHERE c.merged_into_id IS NULL ORDER BY c.name, c.id LIMIT :limit

-- contact --
-- One that was merged into another is that other.
SELECT c.id, c.name, c.owner_id, c.organization_id, o.name AS organization, c.title, c.notes
FROM contact c LEFT JOIN organization o ON o.id = c.organization_id
WHERE c.id = (SELECT COALESCE(x.merged_into_id, x.id) FROM contact x WHERE x.id = :id)

-- contact_names --
SELECT id, name FROM contact WHERE merged_into_id IS NULL ORDER BY name, id

-- contacts_by_id --
SELECT c.id, c.name, c.owner_id, c.organization_id, o.name AS organization, c.title, c.notes
FROM contact c LEFT JOIN organization o ON o.id = c.organization_id
WHERE c.id IN {each:ids} ORDER BY c.name, c.id

-- contact_by_address --
SELECT c.id, c.name, c.owner_id, c.organization_id, o.name AS organization, c.title, c.notes
FROM contact c LEFT JOIN organization o ON o.id = c.organization_id
JOIN contact_address ca ON ca.contact_id = c.id WHERE ca.address = :address

-- contact_addresses --
SELECT contact_id, address FROM contact_address WHERE contact_id IN {each:ids} ORDER BY contact_id, position

-- contact_phones --
SELECT contact_id, phone FROM contact_phone WHERE contact_id IN {each:ids} ORDER BY contact_id, position

-- create_contact --
INSERT INTO main.contact (name, owner_id, organization_id, title, notes)
VALUES (:name, :owner_id, :organization_id, :title, :notes) RETURNING id

-- rename_contact --
UPDATE main.contact SET name = :name WHERE id = :id

-- our_addresses --
-- Of members, and of the accounts that the viewer knows, with their aliases.
SELECT address FROM member WHERE address IN {each:texts}
UNION SELECT address FROM account WHERE address IN {each:texts}
UNION SELECT address FROM account_alias WHERE address IN {each:texts}

-- add_contact_address --
INSERT INTO main.contact_address (address, contact_id, position) VALUES (:address, :contact_id, :position)
