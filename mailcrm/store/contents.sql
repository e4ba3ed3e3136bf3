-- add_email_body --
INSERT INTO main.email_body (email_id, text, spans) VALUES (:email_id, :text, :spans)

-- add_email_terms --
INSERT INTO main.email_terms (email_id, subject, people, body, quoted)
VALUES (:email_id, :subject, :people, :body, :quoted)

-- add_participant --
INSERT INTO main.participant (email_id, position, role, name, address, untagged)
VALUES (:email_id, :position, :role, :name, :address, :untagged)

-- add_attachment --
INSERT INTO main.attachment (email_id, position, part_id, name, type, size, inline)
VALUES (:email_id, :position, :part_id, :name, :type, :size, :inline)

-- add_forward --
INSERT INTO main.forward (email_id, position, name, address, recipients, date, subject)
VALUES (:email_id, :position, :name, :address, :recipients, :date, :subject)

-- add_invitation --
INSERT INTO main.invitation (
    email_id, position, method, summary, starts_at, ends_at, all_day, location, organizer, attendee, answer,
    repeats
)
VALUES (
    :email_id, :position, :method, :summary, :starts_at, :ends_at, :all_day, :location, :organizer, :attendee,
    :answer, :repeats
)

-- add_delivery --
INSERT INTO main.delivery (email_id, position, address, action, status, reason)
VALUES (:email_id, :position, :address, :action, :status, :reason)

-- email_texts --
SELECT email_id, text, spans FROM email_body WHERE email_id IN {each:ids}

-- participants --
SELECT email_id, role, name, address FROM participant WHERE email_id IN {each:ids} ORDER BY email_id, position

-- attachments --
SELECT email_id, part_id, name, type, size, inline FROM attachment
WHERE email_id IN {each:ids} ORDER BY email_id, position

-- forwards --
SELECT email_id, name, address, recipients, date, subject FROM forward
WHERE email_id IN {each:ids} ORDER BY email_id, position

-- invitations --
SELECT email_id, method, summary, starts_at, ends_at, all_day, location, organizer, attendee, answer, repeats
FROM invitation
WHERE email_id IN {each:ids} ORDER BY email_id, position

-- deliveries --
SELECT email_id, address, action, status, reason FROM delivery
WHERE email_id IN {each:ids} ORDER BY email_id, position

-- outdated_count --
SELECT count(*) AS count FROM email WHERE account_id = :account_id AND reading <> :reading

-- outdated --
SELECT id, thread_id, message_id, subject, preview, sent_at, size, direction, from_ambiguous, automatic,
       authserv_id, dmarc, signed, encrypted, trackers, repairs
FROM email
WHERE account_id = :account_id AND reading <> :reading AND id > :after ORDER BY id LIMIT :limit

-- email_sources --
SELECT email_id, source FROM email_source WHERE email_id IN {each:ids}

-- update_email --
UPDATE main.email
SET message_id = :message_id, subject = :subject, preview = :preview, from_address = :from_address,
    from_name = :from_name, sent_at = :sent_at, direction = :direction, has_attachment = :has_attachment,
    from_ambiguous = :from_ambiguous, automatic = :automatic, authserv_id = :authserv_id, dmarc = :dmarc,
    signed = :signed, encrypted = :encrypted, trackers = :trackers, repairs = :repairs, reading = :reading
WHERE id = :email_id

-- mark_read_again --
UPDATE main.email SET reading = :reading WHERE id IN {each:ids}

-- remove_email_body --
DELETE FROM main.email_body WHERE email_id IN {each:ids}

-- remove_email_terms --
DELETE FROM main.email_terms WHERE email_id IN {each:ids}

-- remove_participants --
DELETE FROM main.participant WHERE email_id IN {each:ids}

-- remove_attachments --
DELETE FROM main.attachment WHERE email_id IN {each:ids}

-- remove_forwards --
DELETE FROM main.forward WHERE email_id IN {each:ids}

-- remove_invitations --
DELETE FROM main.invitation WHERE email_id IN {each:ids}

-- remove_deliveries --
DELETE FROM main.delivery WHERE email_id IN {each:ids}
