-- known_identities --
SELECT identity FROM email_identity WHERE account_id = :account_id AND identity IN {each:texts}

-- email_before --
SELECT id FROM email WHERE account_id = :account_id AND received_at < :start LIMIT 1

-- emails_by_identity --
SELECT i.identity, i.email_id, e.thread_id
FROM email_identity i JOIN email e ON e.id = i.email_id
WHERE i.account_id = :account_id AND i.identity IN {each:texts}

-- emails_by_digest --
SELECT digest, id, thread_id FROM email WHERE account_id = :account_id AND digest IN {each:texts}

-- add_email --
INSERT INTO main.email (
    account_id, thread_id, message_id, digest, subject, preview,
    from_address, from_name, sent_at, received_at, size, direction, has_attachment, truncated,
    from_ambiguous, automatic, authserv_id, dmarc, signed, encrypted, trackers, repairs, reading, base_subject, lone_reply, gone_from_junk
) VALUES (
    :account_id, :thread_id, :message_id, :digest, :subject, :preview,
    :from_address, :from_name, :sent_at, :received_at, :size, :direction, :has_attachment, :truncated,
    :from_ambiguous, :automatic, :authserv_id, :dmarc, :signed, :encrypted, :trackers, :repairs, :reading, :base_subject, :lone_reply, :gone_from_junk
) RETURNING id

-- add_email_identity --
INSERT INTO main.email_identity (account_id, identity, email_id) VALUES (:account_id, :identity, :email_id)
ON CONFLICT (account_id, identity) DO NOTHING

-- add_email_source --
INSERT INTO main.email_source (email_id, source) VALUES (:email_id, :source)

-- mark_present --
UPDATE main.email SET gone_at = NULL, gone_from_junk = FALSE WHERE gone_at IS NOT NULL AND id IN {each:ids}

-- thread_emails --
SELECT e.id, e.thread_id, a.address AS account, a.team_id, t.visibility, e.message_id, e.subject, e.preview,
       e.from_address, e.from_name, e.sent_at, e.received_at, e.direction, e.has_attachment, e.truncated,
       e.gone_at, e.from_ambiguous, e.automatic, e.authserv_id, e.dmarc, e.signed, e.encrypted, e.trackers, e.repairs
FROM email e JOIN thread t ON t.id = e.thread_id JOIN account a ON a.id = e.account_id
WHERE e.thread_id = :thread_id ORDER BY e.received_at, e.id

-- thread_email_ids --
SELECT id, message_id, by_subject FROM email WHERE thread_id = :thread_id ORDER BY received_at, id

-- exported_accounts --
SELECT a.id, a.address FROM account a
WHERE EXISTS (SELECT 1 FROM email e WHERE e.account_id = a.id) ORDER BY a.address

-- exported_emails --
SELECT e.id, e.thread_id, a.address AS account, a.team_id, t.visibility, e.message_id, e.subject, e.preview,
       e.from_address, e.from_name, e.sent_at, e.received_at, e.size, e.direction, e.has_attachment,
       e.truncated, e.gone_at, e.from_ambiguous, e.automatic, e.authserv_id, e.dmarc, e.signed, e.encrypted, e.trackers, e.repairs
FROM email e JOIN thread t ON t.id = e.thread_id JOIN account a ON a.id = e.account_id
WHERE e.account_id = :account_id AND e.id > :after ORDER BY e.id LIMIT :limit

-- email_source --
SELECT source FROM email_source WHERE email_id = :email_id

-- recipients --
SELECT email_id, name, address FROM participant
WHERE email_id IN {each:ids} AND role = 'to' ORDER BY email_id, position


-- account_email_count --
SELECT count(*) AS count FROM email WHERE account_id = :account_id
