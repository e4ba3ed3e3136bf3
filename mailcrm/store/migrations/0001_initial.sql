-- The first schema, the same on SQLite and PostgreSQL. {id}, {instant}, {bytes} and {flag} are
-- the four types that the two spell differently; see store/database.py.
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
    id {id},
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE main.team_member (
    team_id BIGINT NOT NULL REFERENCES team (id),
    member_id BIGINT NOT NULL REFERENCES member (id),
    PRIMARY KEY (team_id, member_id)
);
CREATE INDEX team_member_member ON team_member (member_id);

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
    id {id},
    account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    visibility TEXT NOT NULL CHECK (visibility IN ('private', 'shared')),
    last_received_at {instant} NOT NULL,
    UNIQUE (id, account_id)
);
CREATE INDEX thread_newest ON thread (last_received_at, id);
CREATE INDEX thread_account_newest ON thread (account_id, last_received_at, id);

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

CREATE TABLE main.contact (
    id {id},
    name TEXT NOT NULL,
    owner_id BIGINT REFERENCES member (id)
);

CREATE TABLE main.contact_address (
    address TEXT PRIMARY KEY,
    contact_id BIGINT NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
    position INTEGER NOT NULL
);
CREATE INDEX contact_address_contact ON contact_address (contact_id);

CREATE TABLE main.deal (
    id {id},
    title TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'won', 'lost')),
    owner_id BIGINT REFERENCES member (id),
    value TEXT,
    currency TEXT
);

CREATE TABLE main.deal_contact (
    deal_id BIGINT NOT NULL REFERENCES deal (id) ON DELETE CASCADE,
    contact_id BIGINT NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
    PRIMARY KEY (deal_id, contact_id)
);
CREATE INDEX deal_contact_contact ON deal_contact (contact_id);

CREATE TABLE main.link (
    thread_id BIGINT NOT NULL REFERENCES thread (id) ON DELETE CASCADE,
    contact_id BIGINT REFERENCES contact (id) ON DELETE CASCADE,
    deal_id BIGINT REFERENCES deal (id) ON DELETE CASCADE,
    origin TEXT NOT NULL CHECK (origin IN ('auto', 'manual')),
    linked_by BIGINT NOT NULL REFERENCES member (id),
    linked_at {instant} NOT NULL,
    CHECK ((contact_id IS NULL) <> (deal_id IS NULL)),
    UNIQUE (thread_id, contact_id),
    UNIQUE (thread_id, deal_id)
);
CREATE INDEX link_contact ON link (contact_id, thread_id);
CREATE INDEX link_deal ON link (deal_id, thread_id);

-- A link that a person took away, so that the automatic rule does not make it again.
CREATE TABLE main.link_refusal (
    thread_id BIGINT NOT NULL REFERENCES thread (id) ON DELETE CASCADE,
    contact_id BIGINT REFERENCES contact (id) ON DELETE CASCADE,
    deal_id BIGINT REFERENCES deal (id) ON DELETE CASCADE,
    refused_by BIGINT NOT NULL REFERENCES member (id),
    refused_at {instant} NOT NULL,
    CHECK ((contact_id IS NULL) <> (deal_id IS NULL)),
    UNIQUE (thread_id, contact_id),
    UNIQUE (thread_id, deal_id)
);
