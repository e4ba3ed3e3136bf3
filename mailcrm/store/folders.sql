-- folders --
-- Inbox and sent mail first: a first sync is useful before it ends.
SELECT id, account_id, path, name, role, selected, uidvalidity, highestmodseq, highest_uid,
       server_count, stored_count, mark, last_sync_at, last_error
FROM folder WHERE account_id = :account_id
ORDER BY CASE role WHEN 'inbox' THEN 0 WHEN 'sent' THEN 1 ELSE 2 END, name, id

-- save_folder --
INSERT INTO main.folder (account_id, path, name, role, usual, selected, highest_uid)
VALUES (:account_id, :path, :name, :role, :usual, :selected, 0)
ON CONFLICT (account_id, path)
DO UPDATE SET name = excluded.name, role = excluded.role, usual = excluded.usual

-- select_folder --
UPDATE main.folder SET selected = :selected WHERE id = :id

-- select_usual_folders --
UPDATE main.folder SET selected = usual WHERE account_id = :account_id

-- placed --
-- Runs of consecutive UIDs: within one, a UID and its place in the order grow together.
SELECT min(uid) AS low, max(uid) AS high
FROM (SELECT uid, uid - row_number() OVER (ORDER BY uid) AS run
      FROM placement WHERE folder_id = :folder_id AND uidvalidity = :uidvalidity) AS numbered
GROUP BY run ORDER BY low

-- screened_uids --
-- Runs of those of which no rule has gone since.
SELECT min(uid) AS low, max(uid) AS high
FROM (SELECT uid, uid - row_number() OVER (ORDER BY uid) AS run
      FROM (SELECT uid FROM screened WHERE folder_id = :folder_id AND uidvalidity = :uidvalidity
            GROUP BY uid HAVING count(*) = max(rules)) AS whole) AS numbered
GROUP BY run ORDER BY low

-- place --
INSERT INTO main.placement (folder_id, uidvalidity, uid, email_id, flags)
VALUES (:folder_id, :uidvalidity, :uid, :email_id, :flags)
ON CONFLICT (folder_id, uidvalidity, uid) DO UPDATE SET email_id = excluded.email_id, flags = excluded.flags

-- reflag --
UPDATE main.placement SET flags = :flags
WHERE folder_id = :folder_id AND uidvalidity = :uidvalidity AND uid = :uid AND flags <> :flags

-- placement_count --
SELECT count(DISTINCT email_id) AS count FROM placement WHERE folder_id = :folder_id

-- departing --
-- The emails whose place is under another UIDVALIDITY, or whose UID is gone; without a UIDVALIDITY, all.
SELECT DISTINCT email_id FROM placement
WHERE folder_id = :folder_id
  AND (CAST(:uidvalidity AS BIGINT) IS NULL OR uidvalidity <> CAST(:uidvalidity AS BIGINT)
       OR uid IN {each:uids})

-- take_away --
DELETE FROM main.placement
WHERE folder_id = :folder_id
  AND (CAST(:uidvalidity AS BIGINT) IS NULL OR uidvalidity <> CAST(:uidvalidity AS BIGINT)
       OR uid IN {each:uids})

-- take_away_screened --
DELETE FROM main.screened
WHERE folder_id = :folder_id
  AND (CAST(:uidvalidity AS BIGINT) IS NULL OR uidvalidity <> CAST(:uidvalidity AS BIGINT)
       OR uid IN {each:uids})

-- mark_gone --
UPDATE main.email SET gone_at = :at, gone_from_junk = :from_junk
WHERE id IN {each:ids} AND gone_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM placement o WHERE o.email_id = email.id)

-- failed_uids --
SELECT uid FROM fetch_failure WHERE folder_id = :folder_id AND uidvalidity = :uidvalidity

-- forget_failures --
-- What a finished sync did not ask for is fetched, gone, or outside the window.
DELETE FROM main.fetch_failure
WHERE folder_id = :folder_id AND NOT (uidvalidity = :uidvalidity AND uid IN {each:uids})

-- forget_uids --
-- Whatever UIDs the folder has when it is there again, they are looked at anew.
UPDATE main.folder SET uidvalidity = NULL, highestmodseq = NULL, highest_uid = 0, mark = NULL WHERE id = :id

-- forget_marks --
UPDATE main.folder SET mark = NULL WHERE account_id = :account_id

-- remove_folder --
DELETE FROM main.folder WHERE id = :id

-- settle --
UPDATE main.folder SET uidvalidity = :uidvalidity, highestmodseq = :highestmodseq, highest_uid = :highest_uid
WHERE id = :folder_id

-- record_folder_sync --
UPDATE main.folder
SET server_count = :server_count, stored_count = :stored_count, mark = :mark,
    last_sync_at = :at, last_error = :error
WHERE id = :folder_id

-- record_folder_error --
UPDATE main.folder SET last_error = :error, mark = NULL WHERE id = :folder_id

-- record_failure --
INSERT INTO main.fetch_failure (folder_id, uidvalidity, uid, error, attempts, failed_at)
VALUES (:folder_id, :uidvalidity, :uid, :error, 1, :at)
ON CONFLICT (folder_id, uidvalidity, uid)
DO UPDATE SET error = excluded.error, attempts = fetch_failure.attempts + 1, failed_at = excluded.failed_at

-- clear_failure --
DELETE FROM main.fetch_failure
WHERE folder_id = :folder_id AND uidvalidity = :uidvalidity AND uid IN {each:uids}

-- failures --
SELECT f.name AS folder, x.uid, x.error, x.attempts, x.failed_at
FROM fetch_failure x JOIN folder f ON f.id = x.folder_id
WHERE f.account_id = :account_id AND f.selected ORDER BY f.id, x.uid
