-- search_emails --
-- Best matches this viewer may see, by their words alone.
SELECT e.id, e.thread_id, a.address AS account, a.team_id, t.visibility, e.message_id, e.subject, e.preview,
       e.from_address, e.from_name, e.sent_at, e.received_at, e.direction, e.has_attachment, e.truncated,
       e.gone_at
FROM {search:query} AS hit
JOIN email e ON e.id = hit.email_id
JOIN thread t ON t.id = e.thread_id
JOIN account a ON a.id = e.account_id
ORDER BY hit.rank, e.received_at DESC, e.id DESC LIMIT :limit

-- search_emails_where --
-- The same of those which meet conditions, so that others take no place among the newest.
SELECT e.id, e.thread_id, a.address AS account, a.team_id, t.visibility, e.message_id, e.subject, e.preview,
       e.from_address, e.from_name, e.sent_at, e.received_at, e.direction, e.has_attachment, e.truncated,
       e.gone_at
FROM {search:query where} AS hit
JOIN email e ON e.id = hit.email_id
JOIN thread t ON t.id = e.thread_id
JOIN account a ON a.id = e.account_id
ORDER BY hit.rank, e.received_at DESC, e.id DESC LIMIT :limit

-- search_newest --
SELECT e.id, e.thread_id, a.address AS account, a.team_id, t.visibility, e.message_id, e.subject, e.preview,
       e.from_address, e.from_name, e.sent_at, e.received_at, e.direction, e.has_attachment, e.truncated,
       e.gone_at
FROM email e
JOIN thread t ON t.id = e.thread_id
JOIN account a ON a.id = e.account_id
WHERE {where} ORDER BY e.received_at DESC, e.id DESC LIMIT :limit

-- matching_threads --
-- Those whose account this viewer manages.
SELECT DISTINCT t.id, t.visibility, EXISTS (SELECT 1 FROM link l WHERE l.thread_id = t.id) AS linked
FROM email e
JOIN thread t ON t.id = e.thread_id
JOIN account a ON a.id = e.account_id
WHERE t.account_id IN (SELECT c.account_id FROM account_connection c) AND {where} ORDER BY t.id

-- where words --
e.id IN {matching}

-- where from --
-- What stands beside the email is its first author, and all of them unless that is ambiguous.
e.from_address {alike} :value OR e.from_name {alike} :value
OR (e.from_ambiguous AND EXISTS (
    SELECT 1 FROM participant p
    WHERE p.email_id = e.id AND p.role = 'from' AND (p.address {alike} :value OR p.name {alike} :value)))

-- where to --
EXISTS (SELECT 1 FROM participant p
        WHERE p.email_id = e.id AND p.role = 'to' AND (p.address {alike} :value OR p.name {alike} :value))

-- where cc --
EXISTS (SELECT 1 FROM participant p
        WHERE p.email_id = e.id AND p.role = 'cc' AND (p.address {alike} :value OR p.name {alike} :value))

-- where has_attachment --
e.has_attachment

-- where filename --
EXISTS (SELECT 1 FROM attachment f WHERE f.email_id = e.id AND f.name {alike} :value)

-- where contact --
e.thread_id IN (
    SELECT l.thread_id FROM link l
    WHERE l.contact_id IN (SELECT c.id FROM contact c WHERE c.id = :value OR c.merged_into_id = :value))

-- where contact_like --
e.thread_id IN (
    SELECT l.thread_id FROM link l
    JOIN contact linked ON linked.id = l.contact_id
    JOIN contact c ON c.id = COALESCE(linked.merged_into_id, linked.id)
    WHERE c.name {alike} :value
       OR EXISTS (SELECT 1 FROM contact_address x WHERE x.contact_id = c.id AND x.address {alike} :value))

-- where org --
-- Of a linked contact, deal or lead; a link has one of the three, or a lead that became a deal.
e.thread_id IN (
    SELECT l.thread_id FROM link l
    LEFT JOIN contact linked ON linked.id = l.contact_id
    LEFT JOIN contact c ON c.id = COALESCE(linked.merged_into_id, linked.id)
    LEFT JOIN lead i ON i.id = l.lead_id
    LEFT JOIN deal d ON d.id = COALESCE(l.deal_id, i.deal_id)
    WHERE COALESCE(c.organization_id, d.organization_id, i.organization_id) = :value)

-- where org_like --
e.thread_id IN (
    SELECT l.thread_id FROM link l
    LEFT JOIN contact linked ON linked.id = l.contact_id
    LEFT JOIN contact c ON c.id = COALESCE(linked.merged_into_id, linked.id)
    LEFT JOIN lead i ON i.id = l.lead_id
    LEFT JOIN deal d ON d.id = COALESCE(l.deal_id, i.deal_id)
    WHERE COALESCE(c.organization_id, d.organization_id, i.organization_id) IN (
        SELECT o.id FROM organization o
        WHERE o.name {alike} :value
           OR EXISTS (SELECT 1 FROM organization_domain x
                      WHERE x.organization_id = o.id AND x.domain {alike} :value)))

-- where deal --
e.thread_id IN (
    SELECT l.thread_id FROM link l
    WHERE l.deal_id = :value OR l.lead_id IN (SELECT i.id FROM lead i WHERE i.deal_id = :value))

-- where deal_like --
e.thread_id IN (
    SELECT l.thread_id FROM link l
    LEFT JOIN lead i ON i.id = l.lead_id
    JOIN deal d ON d.id = COALESCE(l.deal_id, i.deal_id)
    WHERE d.title {alike} :value)

-- where lead --
e.thread_id IN (SELECT l.thread_id FROM link l WHERE l.lead_id = :value)

-- where lead_like --
e.thread_id IN (SELECT l.thread_id FROM link l JOIN lead i ON i.id = l.lead_id WHERE i.title {alike} :value)

-- where account --
a.address {alike} :value

-- where folder --
EXISTS (SELECT 1 FROM placement p JOIN folder f ON f.id = p.folder_id
        WHERE p.email_id = e.id
          AND (f.name {alike} :value OR f.path {alike} :value OR COALESCE(f.role, '') {alike} :value))

-- where label --
e.thread_id IN (SELECT x.thread_id FROM thread_label x JOIN label n ON n.id = x.label_id WHERE n.name {alike} :value)

-- where unread --
e.direction = 'in' AND EXISTS (
    SELECT 1 FROM placement p
    WHERE p.email_id = e.id AND ' ' || p.flags || ' ' NOT LIKE '% \Seen %' ESCAPE '!')

-- where visibility --
t.visibility = :value

-- where linked --
EXISTS (SELECT 1 FROM link l WHERE l.thread_id = e.thread_id)

-- where archived --
t.archived

-- where after --
e.received_at >= :value

-- where before --
e.received_at < :value

-- where larger --
e.size >= :value

-- where smaller --
e.size < :value
