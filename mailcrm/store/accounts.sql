-- create_account --
INSERT INTO main.account (address, owner_id, team_id, default_visibility)
VALUES (:address, :owner_id, :team_id, :default_visibility) RETURNING id

-- create_account_connection --
INSERT INTO main.account_connection (
    account_id, provider, imap_host, imap_port, imap_security, username, history_start, all_folders, auto_link_contacts, auto_link_deals,
    auto_link_leads, create_contacts, connected
) VALUES (
    :account_id, :provider, :imap_host, :imap_port, :imap_security, :username, :history_start, :all_folders, :auto_link_contacts, :auto_link_deals,
    :auto_link_leads, :create_contacts, :connected
)

-- add_account_alias --
INSERT INTO main.account_alias (account_id, address) VALUES (:account_id, :address)
ON CONFLICT (account_id, address) DO NOTHING

-- account_aliases --
SELECT account_id, address FROM account_alias ORDER BY address

-- managed_accounts --
-- The accounts whose settings this viewer may see, which are those the viewer manages.
SELECT a.id, a.address, a.owner_id, a.team_id, a.default_visibility,
       COALESCE(m.address, t.name) AS owner,
       c.provider, c.imap_host, c.imap_port, c.imap_security, c.username, c.history_start, c.all_folders, c.auto_link_contacts, c.auto_link_deals,
       c.auto_link_leads, c.create_contacts,
       c.last_sync_at, c.last_error
FROM account_connection c
JOIN account a ON a.id = c.account_id
LEFT JOIN member m ON m.id = a.owner_id
LEFT JOIN team t ON t.id = a.team_id
WHERE c.connected OR :disconnected
ORDER BY a.id

-- set_default_visibility --
UPDATE main.account SET default_visibility = :visibility WHERE id = :id

-- set_history_start --
UPDATE main.account_connection SET history_start = :history_start WHERE account_id = :account_id

-- set_server --
UPDATE main.account_connection
SET provider = :provider, imap_host = :imap_host, imap_port = :imap_port, imap_security = :imap_security, username = :username
WHERE account_id = :account_id

-- set_all_folders --
UPDATE main.account_connection SET all_folders = :all_folders WHERE account_id = :account_id

-- set_create_contacts --
UPDATE main.account_connection SET create_contacts = :policy WHERE account_id = :account_id

-- set_auto_link --
UPDATE main.account_connection
SET auto_link_contacts = :contacts, auto_link_deals = :deals, auto_link_leads = :leads
WHERE account_id = :account_id

-- turn --
SELECT last_error, failures, next_retry_at, refused, downloaded_on, downloaded_bytes
FROM account_connection WHERE account_id = :account_id

-- record_sync --
UPDATE main.account_connection
SET last_sync_at = :at, last_error = :error, failures = 0, next_retry_at = NULL, refused = :refused
WHERE account_id = :account_id

-- postpone_account --
UPDATE main.account_connection
SET last_error = CASE WHEN refused THEN last_error ELSE :error END, failures = :failures, next_retry_at = :until WHERE account_id = :account_id

-- record_refusal --
UPDATE main.account_connection
SET last_error = :error, failures = 0, next_retry_at = NULL, refused = :refused WHERE account_id = :account_id

-- record_log_in --
UPDATE main.account_connection SET last_error = NULL, refused = :refused WHERE account_id = :account_id

-- give_turn --
-- Without any of these, the error is of a folder, and the sync came to its end.
UPDATE main.account_connection
SET last_error = CASE WHEN refused OR failures > 0 OR next_retry_at IS NOT NULL THEN NULL ELSE last_error END,
    failures = 0, next_retry_at = NULL, refused = :refused
WHERE account_id = :account_id

-- count_download --
UPDATE main.account_connection
SET downloaded_bytes = :bytes + CASE WHEN downloaded_on = :day THEN downloaded_bytes ELSE 0 END, downloaded_on = :day
WHERE account_id = :account_id

-- record_sync_error --
UPDATE main.account_connection
SET last_error = CASE WHEN refused THEN last_error ELSE :error END, failures = CASE WHEN failures = 0 THEN 1 ELSE failures END
WHERE account_id = :account_id

-- disconnect_account --
UPDATE main.account_connection SET connected = :connected WHERE account_id = :account_id

-- disconnected_account --
SELECT a.id, a.owner_id, a.team_id, c.imap_host, c.imap_port, c.username
FROM account_connection c JOIN account a ON a.id = c.account_id
WHERE a.address = :address AND NOT c.connected

-- forget_account_places --
DELETE FROM main.placement WHERE folder_id IN (SELECT f.id FROM folder f WHERE f.account_id = :account_id)

-- forget_account_uids --
UPDATE main.folder SET uidvalidity = NULL, highestmodseq = NULL, highest_uid = 0, mark = NULL
WHERE account_id = :account_id

-- forget_account_screened --
DELETE FROM main.screened WHERE folder_id IN (SELECT f.id FROM folder f WHERE f.account_id = :account_id)

-- forget_account_object_ids --
-- The server's own names of emails (RFC 8474, 4), which alone have a blank in them.
DELETE FROM main.email_identity WHERE account_id = :account_id AND identity LIKE '% %'

-- reconnect_account --
UPDATE main.account_connection
SET provider = :provider, imap_host = :imap_host, imap_port = :imap_port, imap_security = :imap_security,
    username = :username, history_start = :history_start, all_folders = :all_folders, connected = :connected, last_error = NULL,
    failures = 0, next_retry_at = NULL, refused = :refused
WHERE account_id = :account_id
