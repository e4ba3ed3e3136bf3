-- contacts --
SELECT id, name, owner_id FROM contact ORDER BY name, id LIMIT :limit

-- contact --
SELECT id, name, owner_id FROM contact WHERE id = :id

-- contact_names --
SELECT id, name FROM contact ORDER BY name, id

-- contacts_by_id --
SELECT id, name, owner_id FROM contact WHERE id IN {each:ids} ORDER BY name, id

-- contact_by_address --
SELECT c.id, c.name, c.owner_id FROM contact c JOIN contact_address ca ON ca.contact_id = c.id
WHERE ca.address = :address

-- contact_addresses --
SELECT contact_id, address FROM contact_address WHERE contact_id IN {each:ids} ORDER BY contact_id, position

-- create_contact --
INSERT INTO main.contact (name, owner_id) VALUES (:name, :owner_id) RETURNING id

-- rename_contact --
UPDATE main.contact SET name = :name WHERE id = :id

-- our_addresses --
-- Of members, and of the accounts that the viewer knows, with their aliases.
SELECT address FROM member WHERE address IN {each:texts}
UNION SELECT address FROM account WHERE address IN {each:texts}
UNION SELECT address FROM account_alias WHERE address IN {each:texts}

-- add_contact_address --
INSERT INTO main.contact_address (address, contact_id, position) VALUES (:address, :contact_id, :position)

-- deals --
SELECT id, title, status, owner_id, value, currency FROM deal
WHERE CAST(:status AS TEXT) IS NULL OR status = :status ORDER BY id DESC LIMIT :limit

-- deal --
SELECT id, title, status, owner_id, value, currency FROM deal WHERE id = :id

-- deal_titles --
SELECT id, title AS name FROM deal ORDER BY id DESC

-- deals_by_id --
SELECT id, title, status, owner_id, value, currency FROM deal WHERE id IN {each:ids} ORDER BY id DESC

-- deal_contacts --
SELECT dc.deal_id, c.id, c.name FROM deal_contact dc JOIN contact c ON c.id = dc.contact_id
WHERE dc.deal_id IN {each:ids} ORDER BY dc.deal_id, c.name

-- create_deal --
INSERT INTO main.deal (title, status, owner_id, value, currency)
VALUES (:title, 'open', :owner_id, :value, :currency) RETURNING id

-- add_deal_contact --
INSERT INTO main.deal_contact (deal_id, contact_id) VALUES (:deal_id, :contact_id)
ON CONFLICT (deal_id, contact_id) DO NOTHING

-- edit_deal --
UPDATE main.deal SET title = :title, value = :value, currency = :currency WHERE id = :id

-- set_deal_status --
UPDATE main.deal SET status = :status WHERE id = :id

-- links --
SELECT l.thread_id, l.contact_id, l.deal_id, COALESCE(c.name, d.title) AS title, l.origin
FROM link l LEFT JOIN contact c ON c.id = l.contact_id LEFT JOIN deal d ON d.id = l.deal_id
WHERE l.thread_id IN {each:ids} ORDER BY l.thread_id, l.linked_at, title

-- add_automatic_link --
-- A person may have made the same link in the meantime.
INSERT INTO main.link (thread_id, contact_id, deal_id, origin, linked_by, linked_at)
VALUES (:thread_id, :contact_id, :deal_id, 'auto', :linked_by, :linked_at)
ON CONFLICT DO NOTHING

-- add_link --
INSERT INTO main.link (thread_id, contact_id, deal_id, origin, linked_by, linked_at)
VALUES (:thread_id, :contact_id, :deal_id, :origin, :linked_by, :linked_at)

-- remove_deal_links --
-- A thread has one deal: a person's choice takes the place of the one before.
DELETE FROM main.link WHERE thread_id = :thread_id AND deal_id IS NOT NULL

-- remove_link --
DELETE FROM main.link
WHERE thread_id = :thread_id
  AND (contact_id = CAST(:contact_id AS BIGINT) OR deal_id = CAST(:deal_id AS BIGINT))

-- make_link_manual --
UPDATE main.link SET origin = 'manual', linked_by = :linked_by
WHERE thread_id = :thread_id
  AND (contact_id = CAST(:contact_id AS BIGINT) OR deal_id = CAST(:deal_id AS BIGINT))

-- add_refusal --
INSERT INTO main.link_refusal (thread_id, contact_id, deal_id, refused_by, refused_at)
VALUES (:thread_id, :contact_id, :deal_id, :refused_by, :refused_at)

-- remove_refusal --
DELETE FROM main.link_refusal
WHERE thread_id = :thread_id
  AND (contact_id = CAST(:contact_id AS BIGINT) OR deal_id = CAST(:deal_id AS BIGINT))

-- refusals --
SELECT thread_id, contact_id, deal_id FROM link_refusal WHERE thread_id IN {each:ids}

-- thread_contacts --
-- The contacts named in each thread, by exact address or else without the tag, and whether a person's
-- own email (not a bounce, an auto-reply or a mailing) names them. Mail whose sender is ambiguous,
-- mail that lies in junk or trash only, and our own addresses count for nothing.
SELECT e.thread_id,
       COALESCE(exact.contact_id, untagged.contact_id) AS contact_id,
       max(CASE WHEN e.automatic THEN 0 ELSE 1 END) AS personal
FROM email e
JOIN participant p ON p.email_id = e.id
LEFT JOIN contact_address exact ON exact.address = p.address
LEFT JOIN contact_address untagged ON untagged.address = p.untagged
WHERE e.thread_id IN {each:ids}
  AND COALESCE(exact.contact_id, untagged.contact_id) IS NOT NULL
  AND NOT e.from_ambiguous
  AND NOT EXISTS (SELECT 1 FROM member m WHERE m.address IN (p.address, p.untagged))
  AND NOT EXISTS (SELECT 1 FROM account a WHERE a.address IN (p.address, p.untagged))
  AND NOT EXISTS (SELECT 1 FROM account_alias x
                  WHERE x.account_id = e.account_id AND x.address IN (p.address, p.untagged))
  AND NOT e.gone_from_junk
  AND (NOT EXISTS (SELECT 1 FROM placement pl WHERE pl.email_id = e.id)
       OR EXISTS (SELECT 1 FROM placement pl JOIN folder f ON f.id = pl.folder_id
                  WHERE pl.email_id = e.id AND (f.role IS NULL OR f.role NOT IN ('junk', 'trash'))))
GROUP BY e.thread_id, COALESCE(exact.contact_id, untagged.contact_id)

-- open_deals_of_contacts --
SELECT dc.contact_id, d.id FROM deal d JOIN deal_contact dc ON dc.deal_id = d.id
WHERE d.status = 'open' AND dc.contact_id IN {each:ids} ORDER BY d.id DESC

-- threads_of_account --
SELECT id FROM thread WHERE account_id = :account_id ORDER BY id
