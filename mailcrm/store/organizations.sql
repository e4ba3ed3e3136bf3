-- organizations --
SELECT id, name, owner_id, notes FROM organization ORDER BY name, id LIMIT :limit

-- organization_names --
SELECT id, name FROM organization ORDER BY name, id

-- organizations_by_id --
SELECT id, name, owner_id, notes FROM organization WHERE id IN {each:ids} ORDER BY name, id

-- organization_domains --
SELECT organization_id, domain FROM organization_domain
WHERE organization_id IN {each:ids} ORDER BY organization_id, domain

-- domain_owners --
SELECT domain, organization_id FROM organization_domain WHERE domain IN {each:texts}

-- create_organization --
INSERT INTO main.organization (name, owner_id, notes) VALUES (:name, :owner_id, :notes) RETURNING id

-- edit_organization --
UPDATE main.organization SET name = :name, owner_id = :owner_id, notes = :notes WHERE id = :id

-- delete_organization --
DELETE FROM main.organization WHERE id = :id

-- add_organization_domain --
INSERT INTO main.organization_domain (domain, organization_id) VALUES (:domain, :organization_id)

-- remove_organization_domain --
DELETE FROM main.organization_domain WHERE domain = :domain AND organization_id = :organization_id

-- organization_used --
SELECT (SELECT count(*) FROM contact c WHERE c.organization_id = :id AND c.merged_into_id IS NULL) AS contacts,
       (SELECT count(*) FROM deal d WHERE d.organization_id = :id) AS deals,
       (SELECT count(*) FROM lead x WHERE x.organization_id = :id) AS leads
