-- labels --
SELECT id, name FROM label ORDER BY name, id

-- create_label --
INSERT INTO main.label (name) VALUES (:name) ON CONFLICT (name) DO NOTHING

-- rename_label --
UPDATE main.label SET name = :name WHERE id = :id

-- delete_label --
DELETE FROM main.label WHERE id = :id

-- labelled --
SELECT (SELECT count(*) FROM thread_label tl WHERE tl.label_id = :id) AS threads,
       (SELECT count(*) FROM lead_label ll WHERE ll.label_id = :id) AS leads
