-- members --
SELECT id, name, address, role, active, login FROM member ORDER BY id

-- create_member --
INSERT INTO main.member (name, address, role, active, login)
VALUES (:name, :address, :role, :active, :login) RETURNING id

-- edit_member --
UPDATE main.member SET name = :name, role = :role WHERE id = :id

-- deactivate_member --
UPDATE main.member SET active = :active WHERE id = :id

-- teams --
SELECT t.id, t.name, m.address
FROM team t
LEFT JOIN team_member tm ON tm.team_id = t.id
LEFT JOIN member m ON m.id = tm.member_id
ORDER BY t.name, m.address

-- create_team --
INSERT INTO main.team (name) VALUES (:name) RETURNING id

-- add_team_member --
INSERT INTO main.team_member (team_id, member_id) VALUES (:team_id, :member_id)
ON CONFLICT (team_id, member_id) DO NOTHING

-- remove_team_member --
DELETE FROM main.team_member WHERE team_id = :team_id AND member_id = :member_id

-- migrations --
SELECT name FROM migration

-- accounts_of_team --
SELECT id FROM account WHERE team_id = :team_id
