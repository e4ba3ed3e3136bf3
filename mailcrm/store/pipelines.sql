-- pipelines --
SELECT id, name FROM pipeline ORDER BY id

-- stages --
SELECT id, pipeline_id, name FROM stage ORDER BY pipeline_id, position, id

-- create_pipeline --
INSERT INTO main.pipeline (name) VALUES (:name) RETURNING id

-- create_stage --
INSERT INTO main.stage (pipeline_id, name, position) VALUES (:pipeline_id, :name, :position)

-- make_room --
-- Before a stage, for another one.
UPDATE main.stage SET position = position + 1
WHERE pipeline_id = (SELECT s.pipeline_id FROM stage s WHERE s.id = :stage_id)
  AND position >= (SELECT s.position FROM stage s WHERE s.id = :stage_id)

-- add_stage --
-- Where there is room before a stage, or at the end.
INSERT INTO main.stage (pipeline_id, name, position)
SELECT p.id, CAST(:name AS TEXT),
       COALESCE((SELECT s.position - 1 FROM stage s WHERE s.id = CAST(:before_id AS BIGINT)),
                (SELECT COALESCE(max(s.position), 0) + 1 FROM stage s WHERE s.pipeline_id = p.id))
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
