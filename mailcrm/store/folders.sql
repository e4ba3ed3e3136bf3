-- folders --
-- Inbox and sent mail first: a first sync is useful before it ends.
SELECT id, account_id, path, name, role, selected, uidvalidity, highestmodseq, highest_uid,
       server_count, stored_count, last_sync_at, last_error
FROM folder WHERE account_id = :account_id
ORDER BY CASE role WHEN 'inbox' THEN 0 WHEN 'sent' THEN 1 ELSE 2 END, name, id

-- save_folder --
INSERT INTO main.folder (account_id, path, name, role, selected, highest_uid)
VALUES (:account_id, :path, :name, :role, :selected, 0)
ON CONFLICT (account_id, path) DO UPDATE SET name = excluded.name, role = excluded.role

-- select_folder --
UPDATE main.folder SET selected = :selected WHERE id = :id

-- placed --
SELECT uid, flags FROM placement WHERE folder_id = :folder_id AND uidvalidity = :uidvalidity

-- place --
INSERT INTO main.placement (folder_id, uidvalidity, uid, email_id, flags)
VALUES (:folder_id, :uidvalidity, :uid, :email_id, :flags)
ON CONFLICT (folder_id, uidvalidity, uid) DO UPDATE SET email_id = excluded.email_id, flags = excluded.flags

-- reflag --
UPDATE main.placement SET flags = :flags
WHERE folder_id = :folder_id AND uidvalidity = :uidvalidity AND uid = :uid

-- emails_without_other_place --
-- The emails that these UIDs alone hold in place.
SELECT count(DISTINCT p.email_id) AS count
FROM placement p
WHERE p.folder_id = :folder_id AND p.uidvalidity = :uidvalidity AND p.uid IN {each:uids}
  AND NOT EXISTS (
    SELECT 1 FROM placement o
    WHERE o.email_id = p.email_id
      AND NOT (o.folder_id = :folder_id AND o.uidvalidity = :uidvalidity AND o.uid IN {each:uids}))

-- emails_placed_before_renumbering --
SELECT count(DISTINCT p.email_id) AS count
FROM placement p WHERE p.folder_id = :folder_id AND p.uidvalidity <> :uidvalidity

-- emails_lost_by_renumbering --
SELECT count(DISTINCT p.email_id) AS count
FROM placement p
WHERE p.folder_id = :folder_id AND p.uidvalidity <> :uidvalidity
  AND NOT EXISTS (
    SELECT 1 FROM placement o
    WHERE o.email_id = p.email_id AND NOT (o.folder_id = :folder_id AND o.uidvalidity <> :uidvalidity))

-- mark_gone_by_uid --
UPDATE main.email SET gone_at = :at
WHERE gone_at IS NULL
  AND id IN (SELECT p.email_id FROM placement p
             WHERE p.folder_id = :folder_id AND p.uidvalidity = :uidvalidity AND p.uid IN {each:uids})
  AND NOT EXISTS (
    SELECT 1 FROM placement o
    WHERE o.email_id = email.id
      AND NOT (o.folder_id = :folder_id AND o.uidvalidity = :uidvalidity AND o.uid IN {each:uids}))

-- vanish --
DELETE FROM main.placement
WHERE folder_id = :folder_id AND uidvalidity = :uidvalidity AND uid IN {each:uids}

-- mark_gone_by_renumbering --
UPDATE main.email SET gone_at = :at
WHERE gone_at IS NULL
  AND id IN (SELECT p.email_id FROM placement p
             WHERE p.folder_id = :folder_id AND p.uidvalidity <> :uidvalidity)
  AND NOT EXISTS (
    SELECT 1 FROM placement o
    WHERE o.email_id = email.id AND NOT (o.folder_id = :folder_id AND o.uidvalidity <> :uidvalidity))

-- forget --
DELETE FROM main.placement WHERE folder_id = :folder_id AND uidvalidity <> :uidvalidity

-- forget_failures --
DELETE FROM main.fetch_failure WHERE folder_id = :folder_id AND uidvalidity <> :uidvalidity

-- remove_folder --
DELETE FROM main.folder WHERE id = :id

-- settle --
UPDATE main.folder SET uidvalidity = :uidvalidity, highestmodseq = :highestmodseq, highest_uid = :highest_uid
WHERE id = :folder_id

-- record_folder_sync --
UPDATE main.folder
SET server_count = :server_count, stored_count = :stored_count, last_sync_at = :at, last_error = :error
WHERE id = :folder_id

-- record_folder_error --
UPDATE main.folder SET last_error = :error WHERE id = :folder_id

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
WHERE f.account_id = :account_id ORDER BY f.id, x.uid
