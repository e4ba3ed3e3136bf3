-- deal_threads --
-- A link to a lead that was converted counts for its deal.
SELECT l.thread_id FROM link l WHERE l.deal_id = :deal_id
UNION
SELECT l.thread_id FROM lead x JOIN link l ON l.lead_id = x.id WHERE x.deal_id = :deal_id

-- lead_threads --
SELECT l.thread_id FROM link l WHERE l.lead_id = :lead_id

-- contact_threads --
-- A link to a contact that was merged counts for the one it became part of.
SELECT l.thread_id FROM link l WHERE l.contact_id = :contact_id
UNION
SELECT l.thread_id FROM contact c JOIN link l ON l.contact_id = c.id WHERE c.merged_into_id = :contact_id

-- organization_threads --
-- Those of its contacts, its deals and its leads. What was merged or converted counts where it went, and a lead
-- of the organization also where its deal is another's.
SELECT l.thread_id
FROM contact c
JOIN contact part ON part.id = c.id OR part.merged_into_id = c.id
JOIN link l ON l.contact_id = part.id
WHERE c.organization_id = :organization_id AND c.merged_into_id IS NULL
UNION
SELECT l.thread_id FROM deal d JOIN link l ON l.deal_id = d.id WHERE d.organization_id = :organization_id
UNION
SELECT l.thread_id
FROM lead x LEFT JOIN deal d ON d.id = x.deal_id JOIN link l ON l.lead_id = x.id
WHERE x.organization_id = :organization_id OR d.organization_id = :organization_id

-- timeline_page --
-- Copies of one message stand each in its place. Thread and account are looked up for the page alone.
SELECT e.id, e.thread_id, a.address AS account, a.team_id, t.visibility, e.message_id, e.subject, e.preview,
       e.from_address, e.from_name, e.sent_at, e.received_at, e.direction, e.has_attachment, e.truncated,
       e.gone_at
FROM (SELECT n.id FROM email n
      WHERE n.thread_id IN {each:ids} AND (n.received_at, n.id) < (CAST(:received_at AS {instant}), :id)
      ORDER BY n.received_at DESC, n.id DESC LIMIT :limit) AS newest
JOIN email e ON e.id = newest.id
JOIN thread t ON t.id = e.thread_id
JOIN account a ON a.id = e.account_id
ORDER BY e.received_at DESC, e.id DESC

-- timeline_copies --
SELECT e.id, e.message_id, e.from_address, e.sent_at, e.received_at, a.address AS holder
FROM email e JOIN account a ON a.id = e.account_id
WHERE e.message_id IN {each:texts} AND e.thread_id IN {each:ids} ORDER BY a.address

-- timeline_emails --
SELECT e.id, e.thread_id, a.address AS account, a.team_id, t.visibility, e.message_id, e.subject, e.preview,
       e.from_address, e.from_name, e.sent_at, e.received_at, e.direction, e.has_attachment, e.truncated,
       e.gone_at, e.from_ambiguous, e.automatic, e.authserv_id, e.dmarc, e.signed, e.encrypted, e.trackers, e.repairs
FROM email e JOIN thread t ON t.id = e.thread_id JOIN account a ON a.id = e.account_id
WHERE e.id IN {each:ids} ORDER BY e.received_at DESC, e.id DESC
