-- pipelines --
SELECT id, name FROM pipeline ORDER BY id

-- stages --
SELECT id, pipeline_id, name FROM stage ORDER BY pipeline_id, position, id

-- create_pipeline --
INSERT INTO main.pipeline (name) VALUES (:name) RETURNING id

-- create_stage --
INSERT INTO main.stage (pipeline_id, name, position) VALUES (:pipeline_id, :name, :position)

-- add_stage --
INSERT INTO main.stage (pipeline_id, name, position)
SELECT p.id, CAST(:name AS TEXT), (SELECT COALESCE(max(s.position), 0) + 1 FROM stage s WHERE s.pipeline_id = p.id)
FROM pipeline p WHERE p.id = :pipeline_id

-- rename_pipeline --
UPDATE main.pipeline SET name = :name WHERE id = :id

-- rename_stage --
UPDATE main.stage SET name = :name WHERE id = :id

-- delete_pipeline --
DELETE FROM main.pipeline WHERE id = :id

-- remove_stage --
DELETE FROM main.stage WHERE id = :id

-- deals_in_stages --
SELECT count(*) AS count FROM deal WHERE stage_id IN {each:ids}
