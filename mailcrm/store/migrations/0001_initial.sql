-- The first schema, the same on SQLite and PostgreSQL. {id}, {number}, {instant}, {bytes} and {flag} are the
-- types that the two spell differently. A {number} is what a person says, and is never given out again.
-- Base tables live in the schema "main" of both; who may see which row is said in store/rules.py.

CREATE TABLE main.member (
    id {id},
    name TEXT NOT NULL,
    address TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('admin', 'member')),
    active {flag} NOT NULL,
    login TEXT UNIQUE
);

CREATE TABLE main.team (
    id {number},
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE main.team_member (
    team_id BIGINT NOT NULL REFERENCES team (id),
    member_id BIGINT NOT NULL REFERENCES member (id),
    PRIMARY KEY (team_id, member_id)
);
CREATE INDEX team_member_member ON team_member (member_id);

-- What was done to a member, by whom.
CREATE TABLE main.member_event (
    id {id},
    member_id BIGINT NOT NULL REFERENCES member (id),
    done_by BIGINT NOT NULL REFERENCES member (id),
    done_at {instant} NOT NULL,
    action TEXT NOT NULL
);
CREATE INDEX member_event_member ON member_event (member_id, id);

CREATE TABLE main.account (
    id {id},
    address TEXT NOT NULL UNIQUE,
    owner_id BIGINT REFERENCES member (id),
    team_id BIGINT REFERENCES team (id),
    default_visibility TEXT NOT NULL CHECK (default_visibility IN ('private', 'shared')),
    CHECK ((owner_id IS NULL) <> (team_id IS NULL))
);
CREATE INDEX account_owner ON account (owner_id);
CREATE INDEX account_team ON account (team_id);

CREATE TABLE main.account_alias (
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    PRIMARY KEY (account_id, address)
);

CREATE TABLE main.account_connection (
    account_id BIGINT PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    provider TEXT NOT NULL,
    imap_host TEXT NOT NULL,
    imap_port INTEGER NOT NULL,
    imap_security TEXT NOT NULL CHECK (imap_security IN ('tls', 'starttls', 'none')),
    username TEXT NOT NULL,
    history_start {instant},
    all_folders {flag} NOT NULL,
    auto_link_contacts {flag} NOT NULL,
    auto_link_deals {flag} NOT NULL,
    auto_link_leads {flag} NOT NULL,
    create_contacts TEXT NOT NULL CHECK (create_contacts IN ('never', 'sent', 'both')),
    connected {flag} NOT NULL,
    last_sync_at {instant},
    last_error TEXT,
    failures INTEGER NOT NULL DEFAULT 0,
    next_retry_at {instant},
    refused {flag} NOT NULL DEFAULT FALSE,
    downloaded_on TEXT,
    downloaded_bytes BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE main.folder (
    id {id},
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT,
    usual {flag} NOT NULL,
    selected {flag} NOT NULL,
    uidvalidity BIGINT,
    highestmodseq BIGINT,
    highest_uid BIGINT NOT NULL,
    server_count INTEGER,
    stored_count INTEGER,
    mark TEXT,
    last_sync_at {instant},
    last_error TEXT,
    UNIQUE (account_id, path)
);

CREATE TABLE main.thread (
    id {number},
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    visibility TEXT NOT NULL CHECK (visibility IN ('private', 'shared')),
    last_received_at {instant} NOT NULL,
    archived {flag} NOT NULL DEFAULT FALSE,
    -- Something came since the automatic rule looked at it.
    due {flag} NOT NULL,
    UNIQUE (id, account_id)
);
CREATE INDEX thread_newest ON thread (last_received_at, id);
CREATE INDEX thread_account_newest ON thread (account_id, last_received_at, id);
CREATE INDEX thread_due ON thread (account_id) WHERE due;

-- Threads that a person split, so that an email which names both does not unite them again.
CREATE TABLE main.thread_split (
    thread_id BIGINT NOT NULL REFERENCES thread (id) ON DELETE CASCADE,
    other_id BIGINT NOT NULL REFERENCES thread (id) ON DELETE CASCADE,
    PRIMARY KEY (thread_id, other_id)
) {clustered};
CREATE INDEX thread_split_other ON thread_split (other_id);

-- What was done to a thread, by whom; `detail` in words.
CREATE TABLE main.thread_event (
    id {id},
    thread_id BIGINT NOT NULL REFERENCES thread (id) ON DELETE CASCADE,
    done_by BIGINT NOT NULL REFERENCES member (id),
    done_at {instant} NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX thread_event_thread ON thread_event (thread_id, id);

-- Every id that an email of the thread carries or names, so that a reply which arrives before
-- the email it answers finds the same thread.
CREATE TABLE main.thread_reference (
    account_id BIGINT NOT NULL,
    message_id TEXT NOT NULL,
    thread_id BIGINT NOT NULL,
    PRIMARY KEY (account_id, message_id),
    FOREIGN KEY (thread_id, account_id) REFERENCES thread (id, account_id) ON DELETE CASCADE
) {clustered};
CREATE INDEX thread_reference_thread ON thread_reference (thread_id);

CREATE TABLE main.email (
    id {id},
    account_id BIGINT NOT NULL,
    thread_id BIGINT NOT NULL,
    message_id TEXT,
    digest TEXT NOT NULL,
    subject TEXT NOT NULL,
    preview TEXT NOT NULL,
    from_address TEXT NOT NULL,
    from_name TEXT NOT NULL,
    sent_at {instant},
    received_at {instant} NOT NULL,
    size BIGINT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    has_attachment {flag} NOT NULL,
    truncated {flag} NOT NULL,
    from_ambiguous {flag} NOT NULL,
    automatic {flag} NOT NULL,
    -- What the topmost Authentication-Results says (RFC 8601), and who says it.
    authserv_id TEXT NOT NULL,
    dmarc TEXT NOT NULL,
    -- See core/subjects.py; empty when it is too short to tell a conversation.
    base_subject TEXT NOT NULL DEFAULT '',
    -- A reply that names no other email, which therefore looks for its thread by its subject, until a person says
    -- where it belongs.
    lone_reply {flag} NOT NULL DEFAULT FALSE,
    -- It stands in its thread for its subject alone.
    by_subject {flag} NOT NULL DEFAULT FALSE,
    signed {flag} NOT NULL,
    encrypted {flag} NOT NULL,
    trackers INTEGER NOT NULL,
    repairs TEXT NOT NULL,
    reading INTEGER NOT NULL,
    gone_at {instant},
    gone_from_junk {flag} NOT NULL,
    UNIQUE (account_id, digest),
    FOREIGN KEY (thread_id, account_id) REFERENCES thread (id, account_id) ON DELETE CASCADE
);
CREATE INDEX email_thread ON email (thread_id, received_at);
CREATE INDEX email_message_id ON email (message_id);
CREATE INDEX email_base_subject ON email (account_id, base_subject, received_at) WHERE base_subject <> '';
CREATE INDEX email_lone_reply ON email (account_id, base_subject) WHERE lone_reply;

-- By what the server shows an email before its body; the same bytes stored with two dates have two.
CREATE TABLE main.email_identity (
    account_id BIGINT NOT NULL,
    identity TEXT NOT NULL,
    email_id BIGINT NOT NULL REFERENCES email (id) ON DELETE CASCADE,
    PRIMARY KEY (account_id, identity)
) {clustered};
CREATE INDEX email_identity_email ON email_identity (email_id);

CREATE TABLE main.email_body (
    email_id {key} PRIMARY KEY REFERENCES email (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    spans TEXT NOT NULL
);

-- The message as the server gave it, compressed with zstd (RFC 8878). Attachments are stored here and
-- nowhere else.
CREATE TABLE main.email_source (
    email_id {key} PRIMARY KEY REFERENCES email (id) ON DELETE CASCADE,
    source {bytes} NOT NULL
);

CREATE TABLE main.participant (
    email_id BIGINT NOT NULL REFERENCES email (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    untagged TEXT NOT NULL,
    PRIMARY KEY (email_id, position)
) {clustered};

CREATE TABLE main.attachment (
    email_id BIGINT NOT NULL REFERENCES email (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    part_id TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    size BIGINT NOT NULL,
    inline {flag} NOT NULL,
    PRIMARY KEY (email_id, position)
) {clustered};

CREATE TABLE main.forward (
    email_id BIGINT NOT NULL REFERENCES email (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    recipients TEXT NOT NULL,
    date TEXT NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY (email_id, position)
) {clustered};

CREATE TABLE main.invitation (
    email_id BIGINT NOT NULL REFERENCES email (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    method TEXT NOT NULL,
    summary TEXT NOT NULL,
    starts_at {instant},
    ends_at {instant},
    all_day {flag} NOT NULL,
    location TEXT NOT NULL,
    organizer TEXT NOT NULL,
    attendee TEXT NOT NULL,
    answer TEXT NOT NULL,
    repeats {flag} NOT NULL,
    PRIMARY KEY (email_id, position)
) {clustered};

CREATE TABLE main.delivery (
    email_id BIGINT NOT NULL REFERENCES email (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (email_id, position)
) {clustered};
CREATE INDEX delivery_address ON delivery (address);

CREATE TABLE main.placement (
    folder_id BIGINT NOT NULL REFERENCES folder (id) ON DELETE CASCADE,
    uidvalidity BIGINT NOT NULL,
    uid BIGINT NOT NULL,
    email_id BIGINT NOT NULL REFERENCES email (id) ON DELETE CASCADE,
    flags TEXT NOT NULL,
    PRIMARY KEY (folder_id, uidvalidity, uid)
) {clustered};
CREATE INDEX placement_email ON placement (email_id);

CREATE TABLE main.fetch_failure (
    folder_id BIGINT NOT NULL REFERENCES folder (id) ON DELETE CASCADE,
    uidvalidity BIGINT NOT NULL,
    uid BIGINT NOT NULL,
    error TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    failed_at {instant} NOT NULL,
    PRIMARY KEY (folder_id, uidvalidity, uid)
) {clustered};

-- Who is screened out, of one account or, where none is named, of all.
CREATE TABLE main.block_rule (
    id {number},
    account_id BIGINT REFERENCES account (id) ON DELETE CASCADE,
    pattern TEXT NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('only', 'any')),
    added_by BIGINT NOT NULL REFERENCES member (id),
    added_at {instant} NOT NULL
);
CREATE UNIQUE INDEX block_rule_pattern ON block_rule (COALESCE(account_id, 0), pattern);

-- An email that is screened out: where it is, so that it is not downloaded again, and each of the rules that it
-- takes. When one of these goes, its row goes along; a place with fewer rows than `rules` is looked at again.
CREATE TABLE main.screened (
    folder_id BIGINT NOT NULL REFERENCES folder (id) ON DELETE CASCADE,
    uidvalidity BIGINT NOT NULL,
    uid BIGINT NOT NULL,
    block_rule_id BIGINT NOT NULL REFERENCES block_rule (id) ON DELETE CASCADE,
    rules INTEGER NOT NULL,
    PRIMARY KEY (folder_id, uidvalidity, uid, block_rule_id)
) {clustered};
CREATE INDEX screened_rule ON screened (block_rule_id);

CREATE TABLE main.label (
    id {number},
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE main.thread_label (
    thread_id BIGINT NOT NULL REFERENCES thread (id) ON DELETE CASCADE,
    label_id BIGINT NOT NULL REFERENCES label (id) ON DELETE CASCADE,
    PRIMARY KEY (thread_id, label_id)
) {clustered};
CREATE INDEX thread_label_label ON thread_label (label_id);

CREATE TABLE main.organization (
    id {number},
    name TEXT NOT NULL,
    owner_id BIGINT REFERENCES member (id),
    notes TEXT NOT NULL
);

CREATE TABLE main.organization_domain (
    domain TEXT PRIMARY KEY,
    organization_id BIGINT NOT NULL REFERENCES organization (id) ON DELETE CASCADE
);
CREATE INDEX organization_domain_organization ON organization_domain (organization_id);

-- A contact that was merged into another one stays, without address, for the links that other members' threads
-- have to it: they count as links to the other one.
CREATE TABLE main.contact (
    id {number},
    name TEXT NOT NULL,
    owner_id BIGINT REFERENCES member (id),
    organization_id BIGINT REFERENCES organization (id) ON DELETE SET NULL,
    title TEXT NOT NULL,
    notes TEXT NOT NULL,
    merged_into_id BIGINT REFERENCES contact (id) ON DELETE CASCADE
);
CREATE INDEX contact_merged ON contact (merged_into_id);
CREATE INDEX contact_organization ON contact (organization_id);

CREATE TABLE main.contact_address (
    address TEXT PRIMARY KEY,
    contact_id BIGINT NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
    position INTEGER NOT NULL
);
CREATE INDEX contact_address_contact ON contact_address (contact_id);

CREATE TABLE main.contact_phone (
    contact_id BIGINT NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    phone TEXT NOT NULL,
    PRIMARY KEY (contact_id, position)
) {clustered};

CREATE TABLE main.pipeline (
    id {number},
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE main.stage (
    id {number},
    pipeline_id BIGINT NOT NULL REFERENCES pipeline (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    UNIQUE (pipeline_id, name)
);

-- `closed_at`: since when it is won or lost.
CREATE TABLE main.deal (
    id {number},
    title TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'won', 'lost')),
    owner_id BIGINT REFERENCES member (id),
    organization_id BIGINT REFERENCES organization (id) ON DELETE SET NULL,
    stage_id BIGINT NOT NULL REFERENCES stage (id),
    value TEXT,
    currency TEXT,
    expected_close TEXT,
    created_at {instant} NOT NULL,
    closed_at {instant}
);
CREATE INDEX deal_organization ON deal (organization_id);
CREATE INDEX deal_stage ON deal (stage_id);

CREATE TABLE main.deal_contact (
    deal_id BIGINT NOT NULL REFERENCES deal (id) ON DELETE CASCADE,
    contact_id BIGINT NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
    PRIMARY KEY (deal_id, contact_id)
);
CREATE INDEX deal_contact_contact ON deal_contact (contact_id);

-- `deal_id`: what it was converted to, to which its links then count; `closed_at`: since when it is converted or
-- archived.
CREATE TABLE main.lead (
    id {number},
    title TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'converted', 'archived')),
    owner_id BIGINT REFERENCES member (id),
    organization_id BIGINT REFERENCES organization (id) ON DELETE SET NULL,
    value TEXT,
    currency TEXT,
    created_at {instant} NOT NULL,
    closed_at {instant},
    deal_id BIGINT REFERENCES deal (id) ON DELETE SET NULL
);
CREATE INDEX lead_organization ON lead (organization_id);
CREATE INDEX lead_deal ON lead (deal_id);

CREATE TABLE main.lead_contact (
    lead_id BIGINT NOT NULL REFERENCES lead (id) ON DELETE CASCADE,
    contact_id BIGINT NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
    PRIMARY KEY (lead_id, contact_id)
);
CREATE INDEX lead_contact_contact ON lead_contact (contact_id);

CREATE TABLE main.lead_label (
    lead_id BIGINT NOT NULL REFERENCES lead (id) ON DELETE CASCADE,
    label_id BIGINT NOT NULL REFERENCES label (id) ON DELETE CASCADE,
    PRIMARY KEY (lead_id, label_id)
) {clustered};
CREATE INDEX lead_label_label ON lead_label (label_id);

CREATE TABLE main.link (
    thread_id BIGINT NOT NULL REFERENCES thread (id) ON DELETE CASCADE,
    contact_id BIGINT REFERENCES contact (id) ON DELETE CASCADE,
    deal_id BIGINT REFERENCES deal (id) ON DELETE CASCADE,
    lead_id BIGINT REFERENCES lead (id) ON DELETE CASCADE,
    origin TEXT NOT NULL CHECK (origin IN ('auto', 'manual', 'accepted')),
    linked_by BIGINT NOT NULL REFERENCES member (id),
    linked_at {instant} NOT NULL,
    CHECK (CASE WHEN contact_id IS NULL THEN 0 ELSE 1 END + CASE WHEN deal_id IS NULL THEN 0 ELSE 1 END
           + CASE WHEN lead_id IS NULL THEN 0 ELSE 1 END = 1),
    UNIQUE (thread_id, contact_id),
    UNIQUE (thread_id, deal_id),
    UNIQUE (thread_id, lead_id)
);
CREATE INDEX link_contact ON link (contact_id, thread_id);
CREATE INDEX link_deal ON link (deal_id, thread_id);
CREATE INDEX link_lead ON link (lead_id, thread_id);

-- A link that a person took away or did not want, so that the automatic rule does not make it again.
CREATE TABLE main.link_refusal (
    thread_id BIGINT NOT NULL REFERENCES thread (id) ON DELETE CASCADE,
    contact_id BIGINT REFERENCES contact (id) ON DELETE CASCADE,
    deal_id BIGINT REFERENCES deal (id) ON DELETE CASCADE,
    lead_id BIGINT REFERENCES lead (id) ON DELETE CASCADE,
    refused_by BIGINT NOT NULL REFERENCES member (id),
    refused_at {instant} NOT NULL,
    CHECK (CASE WHEN contact_id IS NULL THEN 0 ELSE 1 END + CASE WHEN deal_id IS NULL THEN 0 ELSE 1 END
           + CASE WHEN lead_id IS NULL THEN 0 ELSE 1 END = 1),
    UNIQUE (thread_id, contact_id),
    UNIQUE (thread_id, deal_id),
    UNIQUE (thread_id, lead_id)
);
CREATE INDEX link_refusal_contact ON link_refusal (contact_id);
CREATE INDEX link_refusal_deal ON link_refusal (deal_id);
CREATE INDEX link_refusal_lead ON link_refusal (lead_id);

-- Links that the rule did not dare to make, at most one suggestion for a thread.
CREATE TABLE main.suggestion (
    id {number},
    thread_id BIGINT NOT NULL UNIQUE REFERENCES thread (id) ON DELETE CASCADE,
    reason TEXT NOT NULL,
    made_at {instant} NOT NULL
);

CREATE TABLE main.suggestion_candidate (
    suggestion_id BIGINT NOT NULL REFERENCES suggestion (id) ON DELETE CASCADE,
    contact_id BIGINT REFERENCES contact (id) ON DELETE CASCADE,
    deal_id BIGINT REFERENCES deal (id) ON DELETE CASCADE,
    lead_id BIGINT REFERENCES lead (id) ON DELETE CASCADE,
    CHECK (CASE WHEN contact_id IS NULL THEN 0 ELSE 1 END + CASE WHEN deal_id IS NULL THEN 0 ELSE 1 END
           + CASE WHEN lead_id IS NULL THEN 0 ELSE 1 END = 1),
    UNIQUE (suggestion_id, contact_id),
    UNIQUE (suggestion_id, deal_id),
    UNIQUE (suggestion_id, lead_id)
);
CREATE INDEX suggestion_candidate_contact ON suggestion_candidate (contact_id);
CREATE INDEX suggestion_candidate_deal ON suggestion_candidate (deal_id);
CREATE INDEX suggestion_candidate_lead ON suggestion_candidate (lead_id);

-- The pipeline that a store begins with.
INSERT INTO main.pipeline (name) VALUES ('Sales');
INSERT INTO main.stage (pipeline_id, name, position)
SELECT p.id, v.column1, v.column2
FROM main.pipeline p, (VALUES ('Qualified', 1), ('Contact made', 2), ('Meeting', 3), ('Proposal', 4),
                              ('Negotiation', 5)) AS v;
